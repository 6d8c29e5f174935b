"""From a configuration of dlt's `rest_api` to a defs.yaml.

The dialect has dlt's names. So most keys stay as they are, and what the dialect's own loader rejects is not carried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError

from analytics_assets.rest_api.config import RestApiConfig
from analytics_assets.rest_api.config.parsing.validation import Problem, problems_in
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets.specs.dlt_config.expressions import Unread
from analytics_assets.specs.dlt_config.references import References
from analytics_assets.specs.dlt_config.resources import ResourceConverter, snake_case
from analytics_assets.specs.document import ApiDocument, KeyPath

DEFAULT_START = "2026-10-01"
MAX_ROUNDS = 200
AUTH_KINDS = {"basic": "http_basic", "bearer": "bearer", "api_key": "api_key"}


def is_dlt_config(document: Any) -> bool:
    """Whether this is a dictionary as `rest_api_source` takes it."""
    return (
        isinstance(document, Mapping)
        and isinstance(document.get("client"), Mapping)
        and isinstance(document.get("resources"), list)
    )


def convert_dlt_config(document: Any, api: str, only: Sequence[str] = ()) -> ApiDocument:
    """The defs.yaml for a configuration.

    Args:
        document: The configuration, as `read_python` or JSON gives it.
        api: The name of the API.
        only: Patterns of the names of the resources to convert. All, if empty.

    Raises:
        ConfigError: The configuration has no resources that can be converted.
    """
    result = ApiDocument(api, title=[f"The API {api}, from a configuration of dlt's rest_api."])
    if not is_dlt_config(document):
        raise ConfigError(
            "`client` must be a dictionary, and `resources` a list, that can be read without running code"
        )
    raw = [each for each in document["resources"] if isinstance(each, (str, Mapping))]
    names = {name: snake_case(name) for each in raw if (name := _name(each))}
    chosen = _choose(raw, names, only)
    _skip_unread(result, document["resources"])
    references = References(result)
    converter = ResourceConverter(result, names)
    result.attributes["client"] = _client(references.replaced(document["client"], ("client",)))
    defaults = references.replaced(document.get("resource_defaults") or {}, ("resource_defaults",))
    if isinstance(defaults, Mapping) and defaults:
        result.attributes["resource_defaults"] = converter.convert(defaults, ("resource_defaults",), is_default=True)
    result.attributes["resources"] = []
    for index, each in enumerate(chosen):
        path: KeyPath = ("resources", index)
        separated = _with_query_as_params(each)
        result.attributes["resources"].append(converter.convert(references.replaced(separated, path), path))
    for index, resource in enumerate(result.attributes["resources"]):
        _complete(result, resource, index)
    if any("incremental" in (each.get("endpoint") or {}) for each in result.attributes["resources"]) or (
        "incremental" in result.attributes.get("resource_defaults", {}).get("endpoint", {})
    ):
        start = min(converter.starts, default=DEFAULT_START)
        result.attributes["partitions"] = {"cadence": "daily", "start": start}
        if not converter.starts:
            result.decide(("partitions", "start"), "the first day that windows are loaded for")
    _remove_what_is_rejected(result)
    return result


def _name(raw: Any) -> str | None:
    name = raw.get("name") if isinstance(raw, Mapping) else raw
    return name if isinstance(name, str) else None


def _with_query_as_params(resource: Any) -> Any:
    """The resource with the query of its path, which may have a secret, as `params`."""
    endpoint = resource.get("endpoint") if isinstance(resource, Mapping) else None
    endpoint = {"path": endpoint} if isinstance(endpoint, str) else endpoint
    if not isinstance(endpoint, Mapping):
        return resource
    path = endpoint.get("path")
    if not isinstance(path, str) or "?" not in path:
        return resource
    path, _, query = path.partition("?")
    params = {**dict(parse_qsl(query, keep_blank_values=True)), **(endpoint.get("params") or {})}
    return {**resource, "endpoint": {**endpoint, "path": path, "params": params}}


def _choose(raw: Sequence[Any], names: Mapping[str, str], only: Sequence[str]) -> list[Any]:
    chosen = [
        each
        for each in raw
        if not only
        or any(
            fnmatchcase(text, pattern)
            for pattern in only
            for text in (_name(each) or "", names.get(_name(each) or "", ""))
        )
    ]
    for pattern in only:
        if not any(fnmatchcase(text, pattern) for pair in names.items() for text in pair):
            raise ConfigError(f"no resource matches {pattern!r}; there are: {', '.join(sorted(names)) or 'none'}")
    if not chosen:
        raise ConfigError("has no resources that can be read without running code")
    return chosen


def _skip_unread(result: ApiDocument, resources: Sequence[Any]) -> None:
    for each in resources:
        if not isinstance(each, (str, Mapping)):
            what = str(each) if isinstance(each, Unread) else "an entry that is not a dictionary"
            result.skip(("resources",), f"a resource: {what}", changes_rows=True)


def _client(client: Any) -> dict[str, Any]:
    client = dict(client)
    auth = client.get("auth")
    if isinstance(auth, Mapping) and "type" in auth:
        kind = str(auth["type"])
        client["auth"] = {**auth, "type": AUTH_KINDS.get(kind, kind)}
    return {key: value for key, value in client.items() if value not in (None, {})}


def _complete(result: ApiDocument, resource: dict[str, Any], index: int) -> None:
    """Write what dlt finds out by itself, and a person has to check here."""
    defaults = result.attributes.get("resource_defaults", {})
    shared, client = defaults.get("endpoint") or {}, result.attributes["client"]
    endpoint = resource.setdefault("endpoint", {})
    place: KeyPath = ("resources", index, "endpoint")
    if not (endpoint.get("paginator") or shared.get("paginator") or client.get("paginator")):
        endpoint["paginator"] = "single_page"
        result.decide((*place, "paginator"), "dlt detects the paginator; name it here")
    if not (endpoint.get("data_selector") or shared.get("data_selector")):
        endpoint["data_selector"] = "$"
        result.decide((*place, "data_selector"), "dlt finds the records by itself; write their path, $ for a bare list")
    has_body = any(part.get(key) is not None for part in (endpoint, shared) for key in ("json", "data"))
    if has_body and not (endpoint.get("method") or shared.get("method")):
        endpoint["method"] = "GET"
        result.decide((*place, "method"), "dlt sends the body with a GET; most APIs expect POST")
    has_key = resource.get("primary_key") or defaults.get("primary_key")
    disposition = resource.get("write_disposition") or defaults.get("write_disposition")
    incremental = endpoint.get("incremental") or shared.get("incremental")
    if disposition is None:
        disposition = resource["write_disposition"] = "append" if incremental else "merge" if has_key else "replace"
        text = "dlt appends all rows in every run; here a load does not repeat rows"
        result.decide(("resources", index, "write_disposition"), text)
    elif disposition == "append" and not incremental:
        resource["write_disposition"] = "merge" if has_key else "replace"
        text = "`append` of all rows in every run would repeat rows"
        result.decide(("resources", index, "write_disposition"), text)
    elif disposition == "merge" and not has_key:
        resource["write_disposition"] = "replace"
        result.decide(("resources", index, "write_disposition"), "`merge` needs a `primary_key`")


def _remove_what_is_rejected(result: ApiDocument) -> None:
    """Remove the keys that the loader rejects, until it accepts the rest. Each of them is not carried."""
    for _ in range(MAX_ROUNDS):
        try:
            RestApiConfig.model_validate(result.attributes)
        except ValidationError as error:
            problems = sorted(problems_in(error), key=lambda each: len(each[0]), reverse=True)
            if not any(_remove(result, problem) for problem in problems):
                path, message = problems[0]
                raise ConfigError(f"{'.'.join(map(str, path)) or 'the configuration'} {message}") from None
        else:
            return


def _remove(result: ApiDocument, problem: Problem) -> bool:
    """Remove the key of a problem, or the nearest one above it. The client and the lists stay."""
    path, message = problem
    steps: list[str | int] = []
    holder, found = result.attributes, None
    value: Any = holder
    for step in path:
        is_there = (isinstance(value, dict) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and step < len(value)
        )
        if not is_there:
            break
        found, value = (value, step), value[step]
        steps.append(step)
    if found is None or len(steps) < 2 or not isinstance(found[0], dict) or steps[-1] in ("base_url", "name"):
        return False
    del found[0][found[1]]
    result.skip(tuple(steps), f"`{steps[-1]}`: {message}", changes_rows=steps[0] != "client" or "auth" in steps)
    return True
