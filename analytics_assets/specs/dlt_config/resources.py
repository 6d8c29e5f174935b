"""The resources of a dlt configuration: what is written in another way here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from analytics_assets.specs.document import ApiDocument, KeyPath

NOT_ROWS = ("parallelized", "max_table_nesting", "nested_hints", "table_format", "file_format", "references")
FIELD = {"cursor_path", "start_param", "end_param", "format", "lookback", "start", "end"}
PLACEHOLDERS = {
    "{incremental.start_value}": "{start}",
    "{incremental.end_value}": "{end}",
    "{incremental.last_value}": "{start}",
}


def snake_case(name: str) -> str:
    """The name as assets and tables have it."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_") or "items"


class ResourceConverter:
    """Converts resources and their defaults.

    Attributes:
        names: Name of a resource in dlt -> here.
        starts: Where dlt begins to load incrementally.
    """

    def __init__(self, result: ApiDocument, names: Mapping[str, str]) -> None:
        self._result = result
        self.names = names
        self.starts: list[str] = []

    def convert(self, raw: Any, path: KeyPath, *, is_default: bool = False) -> dict[str, Any]:
        """One resource, or the defaults of all."""
        resource: dict[str, Any] = dict(raw) if isinstance(raw, Mapping) else {"name": str(raw), "endpoint": str(raw)}
        if isinstance(resource.get("name"), str):
            resource["name"] = self.names.get(resource["name"], resource["name"])
        endpoint = resource.get("endpoint")
        if isinstance(endpoint, str):
            endpoint = {"path": endpoint}
        if isinstance(endpoint, Mapping):
            resource["endpoint"] = self._endpoint(dict(endpoint), (*path, "endpoint"))
        if resource.pop("selected", True) is False:
            self._result.decide(path, "dlt does not load this resource on its own: remove it if no other needs it")
        self._disposition(resource, path)
        for key in ("processing_steps", "merge_key"):
            if key in resource:
                del resource[key]
                self._result.skip((*path, key), f"`{key}`: records are loaded unchanged", changes_rows=True)
        for key in NOT_ROWS:
            if key in resource:
                del resource[key]
                self._result.skip((*path, key), f"`{key}`", changes_rows=False)
        if "table_name" in resource and not is_default:
            name = resource.pop("table_name")
            self._result.skip(
                (*path, "name"), f"the table's name {name!r}: it is that of the resource", changes_rows=False
            )
        return resource

    def _disposition(self, resource: dict[str, Any], path: KeyPath) -> None:
        disposition = resource.get("write_disposition")
        if isinstance(disposition, Mapping):
            resource["write_disposition"] = disposition.get("disposition", "append")
            strategy = disposition.get("strategy")
            if strategy not in (None, "upsert", "delete-insert"):
                text = f"the strategy {strategy}: rows are replaced by their key"
                self._result.skip((*path, "write_disposition"), text, changes_rows=True)
        if resource.get("write_disposition") == "skip":
            del resource["write_disposition"]

    def _endpoint(self, endpoint: dict[str, Any], path: KeyPath) -> dict[str, Any]:
        for key in ("path", "params", "json", "data", "headers"):
            if key in endpoint:
                endpoint[key] = self._placeholders(endpoint[key])
        params = endpoint.get("params")
        if isinstance(params, Mapping):
            kept: dict[str, Any] = {}
            for name, value in params.items():
                if isinstance(value, Mapping) and value.get("type") == "incremental":
                    own = {key: each for key, each in value.items() if key != "type"}
                    endpoint["incremental"] = {"start_param": str(name), **own}
                elif isinstance(value, Mapping) and value.get("type") == "resolve":
                    parent = str(value.get("resource"))
                    kept[str(name)] = {**value, "resource": self.names.get(parent, parent)}
                else:
                    kept[str(name)] = value
            endpoint["params"] = kept
        if isinstance(endpoint.get("incremental"), Mapping):
            endpoint["incremental"] = self._incremental(dict(endpoint["incremental"]), (*path, "incremental"))
        method = endpoint.get("method")
        if isinstance(method, str):
            endpoint["method"] = method.upper()
        return {key: value for key, value in endpoint.items() if value not in ({}, None) or key == "auth"}

    def _incremental(self, raw: dict[str, Any], path: KeyPath) -> dict[str, Any]:
        incremental = {key: value for key, value in raw.items() if key in FIELD and value is not None}
        initial = raw.get("initial_value")
        incremental.update(_format(initial))
        if start := _day(initial):
            self.starts.append(start)
        if raw.get("end_value") is not None:
            self._result.skip(path, "`end_value`: all windows up to now are loaded", changes_rows=True)
        if isinstance(raw.get("lag"), (int, float)):
            incremental["lookback"] = f"PT{int(raw['lag'])}S"
        if raw.get("convert") is not None:
            self._result.decide(path, "dlt converts the cursor with code: write its result as `format`")
        if raw.get("last_value_func") not in (None, "max"):
            self._result.skip(path, "`last_value_func`: the newest row wins", changes_rows=True)
        return incremental

    def _placeholders(self, value: Any) -> Any:
        """The value with dlt's placeholders as they are written here."""
        if isinstance(value, Mapping):
            if value.get("type") in ("incremental", "resolve"):
                return value
            return {key: self._placeholders(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._placeholders(each) for each in value]
        if not isinstance(value, str):
            return value
        for old, new in PLACEHOLDERS.items():
            value = value.replace(old, new)
        for old, new in self.names.items():
            value = value.replace(f"{{resources.{old}.", f"{{resources.{new}.")
        return value


def _format(initial: Any) -> dict[str, str]:
    """The format of times that the first value has."""
    if isinstance(initial, (int, float)) and not isinstance(initial, bool):
        return {"format": "epoch_ms" if initial >= 10**11 else "epoch_s"}
    if isinstance(initial, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", initial):
        return {"format": "date"}
    return {}


def _day(initial: Any) -> str | None:
    """The day of the first value."""
    if isinstance(initial, str) and (
        found := re.match(r"(19[7-9]|20)\d\d?-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", initial)
    ):
        return found[0]
    return None
