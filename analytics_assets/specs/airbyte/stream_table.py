"""The table of a stream: its window, key and columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.specs.airbyte.columns import convert_columns
from analytics_assets.specs.airbyte.coverage.check import field_problems
from analytics_assets.specs.airbyte.incremental import Sync, time_format
from analytics_assets.specs.airbyte.record_filters import RecordFilter
from analytics_assets.specs.airbyte.renderer import Renderer
from analytics_assets.specs.airbyte.settings import Settings
from analytics_assets.specs.airbyte.transformations import Transformed

Place = tuple[str | int, ...]


@dataclass
class ConvertedStream:
    """A stream as a resource.

    Attributes:
        resource: The resource, without `auth` and with the whole URL in `url`.
        base: The base URL.
        url: Base URL and path.
        auth: The value of `auth`; None if requests need no credentials.
        lost: What is not carried: its place, what it is, and whether it changes rows.
        notes: What a person has to decide: its place, and a sentence.
    """

    resource: dict[str, Any]
    base: str = ""
    url: str = ""
    auth: Any = None
    sync: Sync | None = None
    lost: list[tuple[Place, str, bool]] = field(default_factory=list)
    notes: list[tuple[Place, str]] = field(default_factory=list)


class TableConverter:
    """Converts what a stream says about its table.

    Attributes:
        converted: The result.
    """

    def __init__(self, stream: Mapping[str, Any], name: str) -> None:
        self._stream = stream
        self.converted = ConvertedStream({"name": name})

    def _report(self, place: Place, what: str, changes_rows: bool) -> None:
        self.converted.lost.append((place, what, changes_rows))

    def _report_fields(self) -> None:
        """Report the fields of all components that are not carried."""
        for problem in field_problems(self._stream, "streams"):
            self._report(*problem)

    def _set_incremental(self, sync: Sync | None, renderer: Renderer, keys: Transformed) -> None:
        if sync is None:
            return
        place: Place = ("endpoint", "incremental")
        params = {f"{bound}_param": name for bound, (kind, name) in sync.options.items() if kind == "request_parameter"}
        if not params and not renderer.used & {"start", "end"}:
            what = "the incremental sync, whose requests have no time filter: each load reads all rows"
            what += ", also those before the connector's start date" if sync.is_client_side else ""
            self._report(place, what, sync.is_client_side)
            return
        formats = {each for each in renderer.formats if each}
        incremental: dict[str, Any] = {}
        is_made = sync.cursor_field in keys.added
        if sync.cursor_field and not is_made:
            incremental["cursor_path"] = sync.cursor_field
        incremental |= params
        named = {time_format(each) if "%" in each else each for each in formats}
        if len(named) > 1 or (named and params and named != {sync.format}):
            self._report(place, "several formats of times in one request", True)
        format = next(iter(named)) if len(named) == 1 and not params else sync.format
        if format != "iso8601":
            incremental["format"] = format
        if sync.cursor_format is None and format != sync.format:
            sync.cursor_format = sync.format
        if seconds := sync.lookback_seconds:
            incremental["lookback"] = f"{seconds // 86_400} days" if seconds % 86_400 == 0 else f"PT{seconds}S"
        self.converted.resource["endpoint"]["incremental"] = incremental
        self.converted.sync = sync
        for name in params.values():
            self.converted.resource["endpoint"].get("params", {}).pop(name, None)

    def _set_key(self, keys: Transformed) -> None:
        resource = self.converted.resource
        incremental = resource["endpoint"].get("incremental")
        if keys.nested_key:
            # Rows are not merged by it. A table that is replaced by all rows does not need it.
            what = f"the key {keys.nested_key}, which is inside of an object: the table has no key"
            self._report(("primary_key",), what, bool(incremental))
        if keys.primary_key:
            resource["primary_key"] = keys.primary_key if len(keys.primary_key) > 1 else keys.primary_key[0]
        elif incremental and incremental.get("cursor_path"):
            resource["write_disposition"] = "append"
        else:
            resource["write_disposition"] = "replace"
            if incremental:
                del resource["endpoint"]["incremental"]
                self.converted.sync = None
                what = "the incremental sync of rows without key and time: each load reads all rows"
                self._report(("endpoint", "incremental"), what, False)
        if keys.include_from_parent and "{resources." in f"{resource['endpoint']} {self.converted.url}":
            resource["include_from_parent"] = keys.include_from_parent
        if keys.exclude:
            resource["exclude"] = keys.exclude

    def _set_filter(self, settings: Settings) -> None:
        retriever = self._stream.get("retriever")
        selector = retriever.get("record_selector") if isinstance(retriever, Mapping) else None
        described = selector.get("record_filter") if isinstance(selector, Mapping) else None
        if not described:
            return
        described = described if isinstance(described, Mapping) else {}
        place: Place = ("endpoint", "data_selector")
        cursor_path = self.converted.resource["endpoint"].get("incremental", {}).get("cursor_path")
        record_filter = RecordFilter(
            described.get("condition"), settings, self._stream.get("incremental_sync"), cursor_path
        )
        if described.get("type") == "RecordFilter" and record_filter.keeps_all():
            if record_filter.unset:
                names = " and ".join(sorted(record_filter.unset))
                note = f"all records are loaded, as in the connector without its optional setting {names}."
                self.converted.notes.append((place, note))
            return
        key = self.converted.resource.get("primary_key", [])
        if described.get("type") == "RecordFilter" and record_filter.drops_missing(
            [key] if isinstance(key, str) else key
        ):
            self.converted.resource["null_key"] = "skip"
            return
        what = " ".join(str(described.get("condition") or described.get("class_name")).split())
        self._report(place, f"the record filter {what[:160]}: all records are loaded", True)

    def _set_columns(self, keys: Transformed) -> None:
        columns = convert_columns(self._stream.get("schema_loader"), keys.exclude)
        sync, resource = self.converted.sync, self.converted.resource
        cursor = resource["endpoint"].get("incremental", {}).get("cursor_path")
        if cursor and sync:
            columns.pop(cursor, None)
            if sync.cursor_format:
                number = sync.cursor_format.startswith("epoch")
                columns[cursor] = {"type": "integer" if number else "string", "format": sync.cursor_format}
        if columns:
            resource["columns"] = columns
