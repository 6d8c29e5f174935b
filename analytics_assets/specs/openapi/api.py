"""From an OpenAPI document to a defs.yaml: client, authentication, resources and their defaults."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from analytics_assets.rest_api.errors import ConfigError
from analytics_assets.specs.document import ApiDocument
from analytics_assets.specs.openapi.columns import one_line
from analytics_assets.specs.openapi.operations import Operation, list_operations
from analytics_assets.specs.openapi.resources import Draft, ResourceBuilder
from analytics_assets.specs.openapi.schemas import Schemas
from analytics_assets.specs.openapi.security import UNKNOWN, Requirement, Security
from analytics_assets.specs.openapi.windows import PARTITIONS

SHARED = ("data_selector", "paginator")


def is_openapi(document: Any) -> bool:
    """Whether this is an OpenAPI document, or one of Swagger 2."""
    return isinstance(document, Mapping) and ("openapi" in document or "swagger" in document)


def convert_openapi(document: Any, api: str, only: Sequence[str] = ()) -> ApiDocument:
    """The defs.yaml for the list endpoints of a document.

    Args:
        document: The document.
        api: The name of the API.
        only: Patterns such as `projects` or `/v1/projects*` of the names, paths or operation ids to convert.

    Raises:
        ConfigError: The version is not supported, or nothing can be converted.
    """
    version = str(document.get("openapi") or document.get("swagger"))
    if not version.startswith("3."):
        raise ConfigError(f"is version {version}: OpenAPI 3.0 and 3.1 are supported; convert the document first")
    schemas = Schemas(document)
    operations = list(list_operations(document, schemas))
    details = [str(path) for path in document.get("paths") or () if str(path).endswith("}")]
    builder = ResourceBuilder(operations, schemas, details=details, prefix=api.upper())
    chosen = _choose(operations, builder, only)
    result = ApiDocument(api, title=_title(document, api))
    security = Security(document, schemas, prefix=api.upper())
    main = _main_requirement(security, chosen)
    result.attributes["client"] = {}
    drafts = [builder.build(operation) for operation in chosen]
    _add_base_url(result, document, api)
    _add_auth(result, security, main)
    if url := _docs_url(document):
        result.attributes["docs_url"] = url
    _add_defaults(result, drafts)
    result.attributes["resources"] = []
    for draft in drafts:
        _add_resource(result, draft, security, main)
    if any("incremental" in draft.attributes["endpoint"] for draft in drafts):
        result.attributes["partitions"] = dict(PARTITIONS)
        result.decide(("partitions", "start"), "the first day that windows are loaded for")
    if not only:
        for operation in operations:
            if not operation.has_schema:
                what = f"GET {operation.path}: the document does not describe its response"
                result.skip(("resources",), f"{what}; `--only {operation.path}` writes it", changes_rows=False)
    return result


def _choose(operations: Sequence[Operation], builder: ResourceBuilder, only: Sequence[str]) -> list[Operation]:
    """The endpoints that match the patterns, and their parents before them."""
    described = [each for each in operations if each.has_schema]
    chosen = described if not only else []
    for pattern in only:
        found = [each for each in operations if _matches(each, builder.names[each.path], pattern)]
        if not found:
            names = ", ".join(sorted(builder.names[each.path] for each in described)[:40])
            raise ConfigError(f"no list endpoint matches {pattern!r}; there are: {names or 'none'}")
        chosen += found
    if not chosen:
        raise ConfigError("has no list endpoint: no GET whose response is described as a list of objects")
    needed: dict[str, Operation] = {}
    for operation in chosen:
        line = [operation]
        while above := builder.parent(line[-1]):
            line.append(above)
        needed.update((each.path, each) for each in reversed(line))
    return [each for each in operations if each.path in needed]


def _matches(operation: Operation, name: str, pattern: str) -> bool:
    texts = (name, operation.path, operation.path.strip("/"), operation.operation_id)
    return any(fnmatchcase(text.lower(), pattern.lower()) for text in texts if text)


def _title(document: Mapping[str, Any], api: str) -> list[str]:
    info = document.get("info")
    title = one_line(str(info.get("title") or "")) if isinstance(info, Mapping) else ""
    return [
        f"The API {api}, from the OpenAPI document{f' of {title}' if title else ''}.",
        "Comments that begin with `decide` name what the document does not say.",
    ]


def _add_base_url(result: ApiDocument, document: Mapping[str, Any], api: str) -> None:
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], Mapping) else {}
    url, variables = str(first.get("url") or ""), first.get("variables")
    for name, variable in variables.items() if isinstance(variables, Mapping) else ():
        if isinstance(variable, Mapping):
            url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    client, name = result.attributes["client"], f"{api.upper()}_BASE_URL"
    try:
        parts = urlsplit(url)
        is_plain = re.fullmatch("[!-~]+", url) and not (parts.query or parts.fragment or "@" in parts.netloc)
        is_public = is_plain and parts.scheme == "https" and parts.hostname and "{" not in url and parts.port != 0
    except ValueError:
        is_public, is_plain = False, None
    if is_public and not variables:
        client["base_url"] = url.rstrip("/")
        return
    client["base_url"] = {"env": name}
    if is_plain and url.strip("/"):
        place = f"ends in {url.rstrip('/')}" if url.startswith("/") else f"is {url.rstrip('/')} in the document"
        result.decide(("client", "base_url"), f"{name} {place}")


def _main_requirement(security: Security, operations: Sequence[Operation]) -> Requirement | None:
    """The credentials that most of the endpoints accept."""
    counts: Counter[Requirement] = Counter()
    for operation in operations:
        alternatives = security.of(operation.raw)
        if alternatives is None:  # a document that defines schemes and does not say where they are used
            alternatives = [(name,) for name in security.schemes]
        if chosen := security.choose(alternatives):
            counts[chosen] += 1
    return counts.most_common(1)[0][0] if counts else None


def _add_auth(result: ApiDocument, security: Security, main: Requirement | None) -> None:
    client, place = result.attributes["client"], ("client", "auth")
    if main:
        scheme = security.schemes[main[0]]
        client["auth"] = dict(scheme.auth or {})
        for text in scheme.decisions:
            result.decide(place, text)
        for name in main[1:]:
            _add_second(result, security, name)
    others = [scheme for name, scheme in security.schemes.items() if name not in (main or ())]
    if (usable := [scheme.text for scheme in others if scheme.auth]) and client.get("auth"):
        result.decide(place, f"the document names other credentials too: {'; '.join(usable)}")
    for scheme in others:
        if scheme.auth is None:
            result.skip(place, f"authentication by {scheme.text}", changes_rows=not main)


def _add_second(result: ApiDocument, security: Security, name: str) -> None:
    """A second key that requests must have: as a header."""
    auth = security.schemes.get(name, UNKNOWN).auth or {}
    if auth.get("type") == "api_key" and auth["location"] == "header":
        variable = f"{result.api.upper()}_{re.sub(r'[^A-Za-z0-9]+', '_', auth['name']).upper()}"
        result.attributes["client"].setdefault("headers", {})[auth["name"]] = {"env": variable}
    else:
        what = security.schemes.get(name, UNKNOWN).text
        result.skip(("client", "auth"), f"{what}, which requests must have too", changes_rows=True)


def _docs_url(document: Mapping[str, Any]) -> str | None:
    docs = document.get("externalDocs")
    url = docs.get("url") if isinstance(docs, Mapping) else None
    return url if isinstance(url, str) and re.fullmatch(r"https?://[^\s/@]\S*", url) else None


def _add_defaults(result: ApiDocument, drafts: Sequence[Draft]) -> None:
    """Write what most of the resources share once, if all of them have a value for it."""
    defaults: dict[str, Any] = {}
    endpoints = [draft.attributes["endpoint"] for draft in drafts]
    keys = [draft.attributes.get("primary_key") for draft in drafts]
    if all(keys) and (key := _most_common(keys)):
        defaults["primary_key"] = key
    shared = {name: value for name in SHARED if (value := _most_common([each[name] for each in endpoints]))}
    if shared:
        defaults["endpoint"] = shared
    if not defaults:
        return
    result.attributes["resource_defaults"] = defaults
    for draft, endpoint in zip(drafts, endpoints, strict=True):
        noted = {path for path, _ in draft.decisions}
        for holder, path, values in (
            (draft.attributes, (), {"primary_key": defaults.get("primary_key")}),
            (endpoint, ("endpoint",), shared),
        ):
            for name, value in values.items():
                if value is not None and holder.get(name) == value and (*path, name) not in noted:
                    del holder[name]


def _most_common(values: Sequence[Any]) -> Any:
    """The value that at least two, and at least half of the resources have."""
    counts = Counter(map(repr, values))
    text, count = counts.most_common(1)[0]
    return next(value for value in values if repr(value) == text) if count > 1 and 2 * count >= len(values) else None


def _add_resource(result: ApiDocument, draft: Draft, security: Security, main: Requirement | None) -> None:
    resources = result.attributes["resources"]
    place = ("resources", len(resources))
    resources.append(draft.attributes)
    for path, text in draft.decisions:
        result.decide((*place, *path), text)
    for path, text in draft.problems:
        result.skip((*place, *path), text, changes_rows=False)
    alternatives = security.of(draft.operation.raw)
    if main and alternatives is not None and main not in alternatives and "auth" not in draft.attributes["endpoint"]:
        own = security.choose(alternatives)
        if own:
            draft.attributes["endpoint"]["auth"] = security.schemes[own[0]].auth
        elif not any(alternatives):
            draft.attributes["endpoint"]["auth"] = None
        else:
            texts = "; ".join(_texts(security, alternatives))
            result.skip((*place, "endpoint"), f"authentication by {texts}", changes_rows=True)


def _texts(security: Security, alternatives: Sequence[Requirement]) -> Iterator[str]:
    for each in alternatives:
        yield " and ".join(security.schemes.get(name, UNKNOWN).text for name in each)
