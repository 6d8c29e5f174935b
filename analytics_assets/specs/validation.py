"""A converted document against the configuration: what it rejects is removed and recorded."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pydantic import ValidationError

from analytics_assets.rest_api.config.api import RestApiConfig
from analytics_assets.rest_api.config.parsing.validation import problems_in
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets.specs.document import ApiDocument, KeyPath

MAX_ROUNDS = 300
MAX_REPEATS = 2
DEFAULTS = {"paginator": "single_page", "data_selector": "$"}
KEPT = ((), ("client",), ("client", "base_url"), ("resources",))


def remove_rejected(document: ApiDocument) -> None:
    """Remove what the configuration rejects, and record it as not carried.

    Raises:
        ConfigError: Nothing that can be loaded remains.
    """
    seen: Counter[tuple[KeyPath, str]] = Counter()
    for _ in range(MAX_ROUNDS):
        try:
            RestApiConfig.model_validate(document.attributes)
        except ValidationError as error:
            path, message = max(problems_in(error), key=lambda problem: str(problem[0]))
            seen[path, message] += 1
            if not _remove(document, path, message, is_repeated=seen[path, message] > MAX_REPEATS):
                raise ConfigError(f"cannot be converted: {'.'.join(map(str, path))}: {message}") from None
        else:
            return
    raise ConfigError("cannot be converted: the result has too many problems")


def _remove(document: ApiDocument, path: KeyPath, message: str, *, is_repeated: bool) -> bool:
    """Remove the value at a path; the resource that contains it, if that does not help."""
    is_in_resource = len(path) > 1 and path[0] == "resources"
    if is_in_resource and is_repeated:
        resources = document.attributes["resources"]
        if len(resources) < 2:
            return False
        name = resources[path[1]].get("name", path[1]) if isinstance(path[1], int) else path[1]
        document.remove_resource(int(path[1]))
        document.skip(("resources",), f"the resource {name}: {message}", changes_rows=True)
        return True
    document.skip(path, message, changes_rows=True)
    if is_in_resource and _set_default(document.attributes["resources"], path):
        return True
    for length in range(len(path), 0, -1):
        holder, last = _at(document.attributes, path[: length - 1]), path[length - 1]
        if path[:length] in KEPT or path[: length - 1] == ("resources",):
            break
        if (isinstance(holder, dict) and last in holder) or (isinstance(holder, list) and last in range(len(holder))):
            del holder[last]  # type: ignore[arg-type]
            return True
    return is_in_resource  # the next round removes the resource


def _set_default(resources: list[Any], path: KeyPath) -> bool:
    """Replace a required value by one that is valid for every resource."""
    resource = _at(resources, path[1:2])
    endpoint = resource.get("endpoint") if isinstance(resource, dict) else None
    if not isinstance(endpoint, dict):
        return False
    key = str(path[-1])
    if key == "primary_key" and not resource.get("primary_key"):
        resource["write_disposition"] = "replace"
        endpoint.pop("incremental", None)
        return True
    if key in DEFAULTS and endpoint.get(key) != DEFAULTS[key]:
        endpoint[key] = DEFAULTS[key]
        return True
    return False


def _at(value: Any, path: KeyPath) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(str(step))
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value
