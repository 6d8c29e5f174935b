"""The cursor: whether the field is in the records, and written as the YAML says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from analytics_assets.rest_api.arrow.cursor import Cursor
from analytics_assets.rest_api.config import Incremental
from analytics_assets.rest_api.probe.state import Probe
from analytics_assets.rest_api.probe.steps.timestamps import detect_format, parse, time_fields


def check_cursor(probe: Probe) -> list[datetime]:
    """Check the cursor's path and format.

    Returns:
        The times of the rows that have one; none if there is no cursor, or if it cannot be read.
    """
    cursor, rows = Cursor.of(probe.resource), probe.trial.rows
    incremental = probe.resource.endpoint.incremental
    if incremental is None or incremental.from_parent or cursor is None or not rows:
        return []
    values = _values(cursor, rows)
    if not values:
        cursor, values = _find_field(probe, cursor, rows)
        if not values:
            return []
    format = field_format(probe, cursor)
    times = parse(values, format)
    if times is None and (found := detect_format(values)):
        _correct_format(probe, cursor, format, found)
        times = parse(values, found)
    elif times is None:
        probe.report(f"`incremental.cursor_path: {cursor.path}`: its values are not times in the format {format}")
    if times:
        written = field_format(probe, cursor)
        count = f"in {len(values)} of {len(rows)} rows" if len(values) < len(rows) else f"in all {len(rows)} rows"
        probe.findings.cursor = f"{cursor.path}: {written}, {count}"
    return times or []


def field_format(probe: Probe, cursor: Cursor) -> str:
    """How the records write the cursor: as its column is declared, else as the parameters are written."""
    declared = probe.resource.columns.get(cursor.field)
    return (declared.format if declared and declared.format else None) or cursor.format


def incremental_keys(incremental: Incremental, **changes: Any) -> dict[str, Any]:
    """`incremental` as the YAML writes it, with other values."""
    fields = incremental.model_dump(include=incremental.model_fields_set, mode="json")
    return {key: value for key, value in {**fields, **changes}.items() if value is not None}


def _values(cursor: Cursor, rows: Sequence[dict[str, Any]]) -> list[Any]:
    return [value for row in rows if (value := cursor.nested_value(row)) is not None]


def _find_field(probe: Probe, cursor: Cursor, rows: Sequence[dict[str, Any]]) -> tuple[Cursor, list[Any]]:
    """Another field for a cursor that no record has."""
    incremental = probe.resource.endpoint.incremental
    assert incremental
    message = f"`incremental.cursor_path: {cursor.path}`: no record has this field"
    found = next(time_fields(rows), None)
    if found is None:
        without = incremental_keys(incremental, cursor_path=None)
        probe.report(f"{message}, nor another one that is a time", {"endpoint": {"incremental": without}})
        return cursor, []
    path = found[0]
    probe.report(
        f"{message}; {path} is a time", {"endpoint": {"incremental": incremental_keys(incremental, cursor_path=path)}}
    )
    corrected = Cursor(path, cursor.format)
    return corrected, _values(corrected, rows)


def _correct_format(probe: Probe, cursor: Cursor, written: str, found: str) -> None:
    """Propose the format of the values. The parameters are tried with it too, when the window is requested."""
    incremental = probe.resource.endpoint.incremental
    assert incremental
    message = f"the values of `{cursor.path}` are {found}, and the YAML says {written}"
    if cursor.field in probe.resource.columns and probe.resource.columns[cursor.field].format:
        declared = {cursor.field: {"data_type": "timestamp", "format": found}}
        probe.report(f"`columns.{cursor.field}`: {message}", {"columns": declared})
    else:
        keys = incremental_keys(incremental, format=found)
        probe.report(f"`incremental.format`: {message}", {"endpoint": {"incremental": keys}})
