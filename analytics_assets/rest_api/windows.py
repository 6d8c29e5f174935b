"""Windows: half-open time ranges in UTC, how an API is asked for one, and which rows belong to one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from analytics_assets.rest_api.config import Incremental

MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# A step that leads from anywhere in a unit into the next one: units of a calendar have no fixed length.
STEP = {
    "microsecond": MICROSECOND,
    "millisecond": timedelta(milliseconds=1),
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "month": timedelta(days=31),
    "year": timedelta(days=366),
}
UNITS = tuple(STEP)
FORMAT_UNITS = {"iso8601": "microsecond", "epoch_ms": "millisecond", "epoch_s": "second", "date": "day"}
DIRECTIVE_UNITS = {
    **dict.fromkeys("f", "microsecond"),
    **dict.fromkeys("ScX", "second"),
    **dict.fromkeys("M", "minute"),
    **dict.fromkeys("HI", "hour"),
    **dict.fromkeys("djxaAwuUWV", "day"),
    **dict.fromkeys("mbB", "month"),
}


@dataclass(frozen=True)
class Window:
    """[start, end) in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None or self.start >= self.end:
            raise ValueError(f"not a window: {self.start!r} to {self.end!r}")

    def with_lookback(self, lookback: timedelta | None) -> Window:
        return Window(self.start - (lookback or timedelta()), self.end)

    def __str__(self) -> str:
        return f"[{format_timestamp(self.start, 'iso8601')}, {format_timestamp(self.end, 'iso8601')})"


def resolution(format: str) -> str:
    """The smallest step that a cursor format can tell apart: a strftime pattern's is its smallest directive."""
    if format in FORMAT_UNITS:
        return FORMAT_UNITS[format]
    found = [DIRECTIVE_UNITS[letter] for letter in re.findall("%([A-Za-z])", format) if letter in DIRECTIVE_UNITS]
    return min(found, key=UNITS.index, default="year")


def floor(moment: datetime, unit: str) -> datetime:
    """The start of the unit that `moment` (UTC) is in."""
    if unit == "millisecond":
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    zeros = {"microsecond": 0, "second": 0, "minute": 0, "hour": 0, "day": 1, "month": 1}
    below = UNITS[: UNITS.index(unit)]
    return moment.replace(**{name: zeros[name] for name in below if name in zeros})  # type: ignore[arg-type]


def ceil(moment: datetime, unit: str) -> datetime:
    start = floor(moment, unit)
    return moment if start == moment else floor(start + STEP[unit], unit)


def format_timestamp(moment: datetime, format: str) -> str:
    """A moment as the API's parameter or field writes it, cut to the format's unit."""
    moment = moment.astimezone(timezone.utc)
    if format == "iso8601":
        return moment.replace(tzinfo=None).isoformat() + "Z"
    if format == "date":
        return moment.date().isoformat()
    if format in ("epoch_s", "epoch_ms"):
        return str((moment - EPOCH) // STEP[resolution(format)])
    return moment.strftime(format)


def bounds(window: Window, incremental: Incremental) -> tuple[str, str]:
    """The two values to send so that no row of the window is missed.

    A bound finer than the format is widened to its unit. Where the API's start is exclusive or its end inclusive,
    one unit is taken off.
    """
    unit = resolution(incremental.format)
    start, end = floor(window.start, unit), ceil(window.end, unit)
    if incremental.start == "exclusive":
        start = floor(start - MICROSECOND, unit)
    if incremental.end == "inclusive":
        end = floor(end - MICROSECOND, unit)
    return format_timestamp(start, incremental.format), format_timestamp(end, incremental.format)


def window_params(params: Mapping[str, str], incremental: Incremental | None, window: Window | None) -> dict[str, str]:
    """The query parameters of a walk; those with `{start}` and `{end}` are left out when all history is asked for."""
    templates = {name for name, value in params.items() if incremental and ("{start}" in value or "{end}" in value)}
    if incremental is None or window is None:
        return {name: value for name, value in params.items() if name not in templates}
    start, end = bounds(window, incremental)
    sent = {
        name: value.replace("{start}", start).replace("{end}", end) if name in templates else value
        for name, value in params.items()
    }
    if incremental.start_param:
        sent[incremental.start_param] = start
    if incremental.end_param:
        sent[incremental.end_param] = end
    return sent


def filters_both_ends(params: Mapping[str, str], incremental: Incremental) -> bool:
    """Whether the API is asked for both ends of a window."""
    sent = " ".join(params.values())
    return bool(incremental.start_param or "{start}" in sent) and bool(incremental.end_param or "{end}" in sent)


def coarse_unit(format: str) -> str:
    """The unit that slices are cut by, as some APIs compare no more than minutes, whatever their format can tell."""
    return max(resolution(format), "minute", key=UNITS.index)


def padded(window: Window, format: str) -> Window:
    """A slice, and the time around it whose rows an API may send too: by bounds that it includes, or cuts."""
    step = STEP[coarse_unit(format)]
    return Window(window.start - step, window.end + step)


def slices(window: Window, incremental: Incremental, count: int) -> list[Window]:
    """The window in up to `count` windows of equal length."""
    unit = coarse_unit(incremental.format)
    step = (window.end - window.start) / count
    cuts = {floor(window.start + step * number, unit) for number in range(1, count)}
    edges = [window.start, *sorted(cut for cut in cuts if window.start < cut < window.end), window.end]
    return [Window(start, end) for start, end in itertools.pairwise(edges)]
