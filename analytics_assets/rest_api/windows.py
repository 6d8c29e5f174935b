"""Windows: half-open time ranges in UTC, the values that an API is sent, and their time slices."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from analytics_assets.rest_api.config import Endpoint, Incremental, LoadTime, placeholders_in
from analytics_assets.rest_api.errors import SliceError

MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# A step that leads from anywhere in a unit into the next one. Months and years have no fixed length.
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
    """The time range [start, end) in UTC.

    Raises:
        ValueError: A bound has no time zone, or the range is empty.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None or self.start >= self.end:
            raise ValueError(f"not a window: {self.start!r} to {self.end!r}")

    def with_lookback(self, lookback: timedelta | None) -> Window:
        """The window, extended to an earlier start."""
        return Window(self.start - (lookback or timedelta()), self.end)

    def __str__(self) -> str:
        return f"[{format_timestamp(self.start, 'iso8601')}, {format_timestamp(self.end, 'iso8601')})"


# The widest range that is sent where a bound cannot be omitted. APIs and formats differ in what lies outside.
ALL_HISTORY = Window(EPOCH, datetime(2100, 1, 1, tzinfo=timezone.utc))


def resolution(format: str) -> str:
    """The smallest unit that a time format distinguishes: a key of STEP. For a strftime pattern, its smallest one."""
    if format in FORMAT_UNITS:
        return FORMAT_UNITS[format]
    units = [DIRECTIVE_UNITS[letter] for letter in re.findall("%([A-Za-z])", format) if letter in DIRECTIVE_UNITS]
    return min(units, key=UNITS.index, default="year")


def floor(timestamp: datetime, unit: str) -> datetime:
    """The start of the unit that contains the timestamp (UTC)."""
    if unit == "millisecond":
        return timestamp.replace(microsecond=timestamp.microsecond // 1000 * 1000)
    zeros = {"microsecond": 0, "second": 0, "minute": 0, "hour": 0, "day": 1, "month": 1}
    smaller = UNITS[: UNITS.index(unit)]
    return timestamp.replace(**{name: zeros[name] for name in smaller if name in zeros})  # type: ignore[arg-type]


def ceil(timestamp: datetime, unit: str) -> datetime:
    """The first start of a unit that is not before the timestamp (UTC)."""
    start = floor(timestamp, unit)
    return timestamp if start == timestamp else floor(start + STEP[unit], unit)


def format_timestamp(timestamp: datetime, format: str) -> str:
    """The timestamp in UTC as the API writes it, truncated to the format's unit.

    Args:
        timestamp: A timestamp with a time zone.
        format: `incremental.format`.
    """
    timestamp = timestamp.astimezone(timezone.utc)
    if format == "iso8601":
        return timestamp.replace(tzinfo=None).isoformat() + "Z"
    if format == "date":
        return timestamp.date().isoformat()
    if format in ("epoch_s", "epoch_ms"):
        return str((timestamp - EPOCH) // STEP[resolution(format)])
    return timestamp.strftime(format)


def bounds(window: Window, incremental: Incremental) -> tuple[str, str]:
    """The two values to send, so that the response contains every row of the window.

    A bound that the format cannot write is widened to the format's unit. If the API excludes its start or includes its
    end, one unit is subtracted.
    """
    unit = resolution(incremental.format)
    start, end = floor(window.start, unit), ceil(window.end, unit)
    if incremental.start == "exclusive":
        start = floor(start - MICROSECOND, unit)
    if incremental.end == "inclusive":
        end = floor(end - MICROSECOND, unit)
    return format_timestamp(start, incremental.format), format_timestamp(end, incremental.format)


def window_bindings(window: Window | None, incremental: Incremental | None) -> dict[str, str | int]:
    """The values of the placeholders `{start}` and `{end}`: numbers for epoch times, else text.

    Returns:
        The values; nothing without a window.
    """
    if window is None or incremental is None:
        return {}
    values: dict[str, str | int] = dict(zip(("start", "end"), bounds(window, incremental), strict=True))
    is_number = incremental.format in ("epoch_s", "epoch_ms")
    return {name: int(value) for name, value in values.items()} if is_number else values


def load_time_value(now: datetime, time: LoadTime) -> str | int:
    """The time of a load as requests contain it: a number for epoch times, else text."""
    shifted = now + time.shift
    if time.now == "iso8601":
        shifted = floor(shifted, "second")
    text = format_timestamp(shifted, time.now)
    return int(text) if time.now in ("epoch_s", "epoch_ms") else text


def filters_both_ends(endpoint: Endpoint) -> bool:
    """Whether requests contain both ends of the window."""
    incremental, names = endpoint.incremental, placeholders_in(endpoint)
    return incremental is not None and all(
        param or name in names for name, param in (("start", incremental.start_param), ("end", incremental.end_param))
    )


def coarse_unit(format: str) -> str:
    """The unit of slices: at least a minute, since some APIs compare minutes only, whatever their format."""
    return max(resolution(format), "minute", key=UNITS.index)


def padded(window: Window, format: str) -> Window:
    """The slice, extended by a unit on both sides: the API may return such rows too if it rounds the bounds."""
    step = STEP[coarse_unit(format)]
    return Window(window.start - step, window.end + step)


def slices(window: Window, incremental: Incremental, count: int) -> list[Window]:
    """The window, split into at most `count` windows of about equal length."""
    unit = coarse_unit(incremental.format)
    step = (window.end - window.start) / count
    cuts = {floor(window.start + step * number, unit) for number in range(1, count)}
    edges = [window.start, *sorted(cut for cut in cuts if window.start < cut < window.end), window.end]
    return [Window(start, end) for start, end in itertools.pairwise(edges)]


def endpoint_slices(window: Window, endpoint: Endpoint, count: int) -> list[Window]:
    """At most `count` slices of the window; none if the endpoint cannot be requested in slices."""
    if endpoint.incremental is None or not filters_both_ends(endpoint):
        return []
    cuts = slices(window, endpoint.incremental, count)
    return cuts if len(cuts) > 1 else []


def slice_error(problem: str) -> SliceError:
    """The error of a window that cannot be read in slices."""
    return SliceError(f"{problem}: the API does not compare times as `incremental` says (days only? another zone?)")
