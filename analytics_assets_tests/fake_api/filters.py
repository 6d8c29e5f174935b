"""The filter by time of change with every format and kind of bound."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from analytics_assets import sandbox
from analytics_assets.sandbox.filters import EPOCH, MICROSECOND, Bounds, parse_timestamp
from analytics_assets.sandbox.http import Request

UNITS = {"iso8601": 1, "epoch_ms": 1_000, "epoch_s": 1_000_000, "date": 86_400_000_000}  # in microseconds
PATTERN_UNITS = {"%f": 1, "%S": 1_000_000, "%M": 60_000_000, "%H": 3_600_000_000}


@dataclass(frozen=True)
class TimeFilter(sandbox.TimeFilter):
    """Selects rows by a timestamp.

    Timestamps are compared in the unit of the format: an inclusive end date includes that day.

    Attributes:
        format: Of the parameters: `iso8601`, `epoch_ms`, `epoch_s`, `date` or a strptime pattern.
        field_format: Of the rows' field, if it is not `format`.
        start: Whether the start belongs to the range.
        end: Whether the end belongs to the range.
        ignored: The parameters are accepted, and all rows are returned.
        hidden: The endpoint filters by the field, but does not return it.
    """

    field_format: str | None = None
    start: Literal["inclusive", "exclusive"] = "inclusive"
    end: Literal["inclusive", "exclusive"] = "exclusive"
    ignored: bool = False
    hidden: bool = False

    def bounds(self, request: Request) -> Bounds:
        """The half-open bounds that a request sends."""
        sent = super().bounds(request)
        if self.ignored:
            return Bounds()
        return Bounds(
            start=None if sent.start is None else sent.start + (self.start == "exclusive"),
            end=None if sent.end is None else sent.end + (self.end == "inclusive"),
        )

    def parse_bound(self, text: str) -> int:
        return microseconds(text, self.format) // unit(self.format)

    def parse_value(self, value: Any) -> int:
        return microseconds(value, self.field_format or self.format) // unit(self.format)


def unit(format: str) -> int:
    """The unit of a format, in microseconds."""
    if format in UNITS:
        return UNITS[format]
    return next((size for directive, size in PATTERN_UNITS.items() if directive in format), UNITS["date"])


def microseconds(value: Any, format: str) -> int:
    """A timestamp in microseconds since 1970.

    Raises:
        ValueError: It is not written in this format.
    """
    if format in ("iso8601", "epoch_ms"):
        return parse_timestamp(value, format)
    if format == "epoch_s":
        return int(str(value)) * UNITS[format]
    timestamp = datetime.strptime(value, "%Y-%m-%d" if format == "date" else format)
    return ((timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=timezone.utc)) - EPOCH) // MICROSECOND
