"""Incremental syncs of a manifest as `incremental` of a defs.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.specs.airbyte.endpoints.authenticators import duration_seconds
from analytics_assets.specs.airbyte.renderer import BOUNDS, Renderer
from analytics_assets.specs.airbyte.templates import TIME_FUNCTIONS, is_template, shortened

ISO_8601 = re.compile(r"%Y-%m-%dT%H:%M(:%S)?(\.%f|\.%_ms|\.0+)?(Z|%z|[+-]00:?00)?")
EPOCHS = {"%s": "epoch_s", "%ms": "epoch_ms", "%s_as_float": "epoch_s", "%Y-%m-%d": "date"}
DAY_TEXT = re.compile(r"(19[7-9]|20)\d\d-\d\d-\d\d")
DAY = 86_400
MONTH = 28


@dataclass
class Sync:
    """What a stream says about incremental syncs.

    Attributes:
        cursor_field: The field of the record; None if it has none.
        format: The format of times in requests.
        cursor_format: The format of the cursor field, if it is another one.
        options: Where the bounds are sent: `start` and `end` by their kind and name.
        step_seconds: The length of a window; 0 if there is none.
        lookback_seconds: The time before each window that is read too.
        is_client_side: Whether the connector itself drops records before the window.
        starts_at: The literal start of the history; None if it is a setting.
        ends_at: The literal end of the history; None if it has none.
        bounds: The bounds of the window, `start` or `end`, by their names in a slice.
    """

    cursor_field: str | None = None
    format: str = "iso8601"
    cursor_format: str | None = None
    options: dict[str, tuple[str, str]] = field(default_factory=dict)
    step_seconds: int = 0
    lookback_seconds: int = 0
    is_client_side: bool = False
    starts_at: str | None = None
    ends_at: str | None = None
    bounds: dict[str, str] = field(default_factory=dict)


def read_sync(component: Any, renderer: Renderer) -> Sync | None:
    """The sync of a `DatetimeBasedCursor`; None for other components."""
    if not isinstance(component, Mapping) or component.get("type") != "DatetimeBasedCursor":
        return None
    cursor = component.get("cursor_field")
    sync = Sync(cursor_field=str(cursor) if isinstance(cursor, str) and cursor and not is_template(cursor) else None)
    sync.format = time_format(component.get("datetime_format"))
    formats = component.get("cursor_datetime_formats")
    written = [time_format(each) for each in formats] if isinstance(formats, list) else []
    if written and sync.format not in written:
        sync.cursor_format = written[0]
    for bound in ("start", "end"):
        if place := _option(component.get(f"{bound}_time_option")):
            sync.options[bound] = place
    sync.step_seconds = duration_seconds(component.get("step"))
    sync.lookback_seconds = _lookback(component.get("lookback_window"), renderer)
    sync.is_client_side = component.get("is_client_side_incremental") is True
    names = {bound: component.get(f"partition_field_{bound}") for bound in ("start", "end")}
    sync.bounds = {**BOUNDS, **{str(name): bound for bound, name in names.items() if name}}
    sync.starts_at, _ = _day(component.get("start_datetime"))
    sync.ends_at, end = _day(component.get("end_datetime"))
    if "config" in end and not any(name in end for name in TIME_FUNCTIONS):
        renderer.notes.append(f"the connector reads until {shortened(end)}, while partitions go on until today.")
    return sync


def _day(bound: Any) -> tuple[str | None, str]:
    """The literal day of a bound of the history, and its text."""
    text = str((bound.get("datetime") if isinstance(bound, Mapping) else bound) or "")
    return (text[:10] if DAY_TEXT.match(text) else None), text


def time_format(format: Any) -> str:
    """A format of times as a defs.yaml names it."""
    text = str(format or "")
    if ISO_8601.fullmatch(text):
        # Offsets and fractions are read in any case; they are written as UTC with Z.
        return "iso8601" if not text or text.endswith(("Z", "%z", "00")) else text
    return EPOCHS.get(text, text or "iso8601")


def cadence(seconds: list[int]) -> str:
    """The cadence of the partitions, from the steps of all streams: the most frequent one that is known."""
    names = [_cadence(each) for each in seconds if each]
    return max(sorted(set(names)), key=names.count) if names else "daily"


def _cadence(seconds: int) -> str:
    if seconds < DAY:
        return "hourly"
    if seconds < 7 * DAY:
        return "daily"
    return "weekly" if seconds < MONTH * DAY else "monthly"


def _option(option: Any) -> tuple[str, str] | None:
    if not isinstance(option, Mapping):
        return None
    name, path = option.get("field_name"), option.get("field_path")
    field_name = ".".join(map(str, path)) if isinstance(path, list) and path else str(name or "")
    return (str(option.get("inject_into", "")), field_name) if field_name else None


def _lookback(window: Any, renderer: Renderer) -> int:
    if is_template(window):
        match = re.fullmatch(r"(PT?)\{\{.*?,\s*(\d+)\s*\).*?\}\}([A-Z])", str(window))
        renderer.notes.append("the lookback is a setting of the connector.")
        return duration_seconds("".join(match.groups())) if match else 0
    return duration_seconds(window)
