"""The filter by time of change: which parameters carry its bounds, how they are written, what they include."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from analytics_assets.sandbox.exchange import HTTPError, Request

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
UNITS = {"iso8601": 1, "epoch_ms": 1_000, "epoch_s": 1_000_000, "date": 86_400_000_000}  # in microseconds
PATTERN_UNITS = {"%f": 1, "%S": 1_000_000, "%M": 60_000_000, "%H": 3_600_000_000}
ISO8601 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Bounds:
    """The bounds of one request, in units of the filter's format since 1970."""

    start: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class TimeFilter:
    """Rows by the time in `field`: `params` says how the bounds are written in each parameter.

    `{"updated_since": "{start}", "updated_until": "{end}"}` or `{"updated_on": "><{start}|{end}"}`.
    Times are compared in the unit of the format: an inclusive end date includes that day.
    """

    field: str
    params: Mapping[str, str]
    format: str = "iso8601"  # of the parameters: iso8601, epoch_ms, epoch_s, date or a strptime pattern
    field_format: str | None = None  # of the field, if it is another one
    start: Literal["inclusive", "exclusive"] = "inclusive"
    end: Literal["inclusive", "exclusive"] = "exclusive"
    ignored: bool = False  # accept the parameters, and answer with all rows
    hidden: bool = False  # filter by the field, but do not return it

    def bounds(self, request: Request) -> Bounds:
        """The bounds that a request asks for.

        Raises:
            Refused: they are not written as they should be.
        """
        found: dict[str, int] = {}
        for name, template in self.params.items():
            if name not in request.query:
                continue
            match = re.fullmatch(_expression(template), request.query[name])
            if match is None:
                raise HTTPError(400, f"{name} must be written as {template}")
            for bound, text in match.groupdict().items():
                found[bound] = self._bound(name, text)
        return Bounds() if self.ignored else Bounds(**found)

    def matches(self, value: Any, bounds: Bounds) -> bool:
        """Whether a field's value, in the field's format, lies within the bounds; null never does."""
        if bounds == Bounds():
            return True
        if value is None:
            return False
        time = microseconds(value, self.field_format or self.format) // unit(self.format)
        if bounds.start is not None and time < bounds.start + (self.start == "exclusive"):
            return False
        return bounds.end is None or time < bounds.end + (self.end == "inclusive")

    def _bound(self, name: str, text: str) -> int:
        try:
            return microseconds(text, self.format) // unit(self.format)
        except ValueError:
            raise HTTPError(400, f"{name} must be a time as {self.format}") from None


def _expression(template: str) -> str:
    literal = re.escape(template)
    for bound in ("start", "end"):
        literal = literal.replace(re.escape(f"{{{bound}}}"), f"(?P<{bound}>.+?)")
    return literal


def unit(format: str) -> int:
    """The smallest step of a format, in microseconds."""
    if format in UNITS:
        return UNITS[format]
    return next((size for directive, size in PATTERN_UNITS.items() if directive in format), UNITS["date"])


def microseconds(value: Any, format: str) -> int:
    """A time in microseconds since 1970.

    Raises:
        ValueError: it is not written in this format.
    """
    if format in ("epoch_ms", "epoch_s"):
        return int(str(value)) * UNITS[format]
    if format == "iso8601":
        match = ISO8601.fullmatch(value)
        if match is None:
            raise ValueError(format)
        seconds, fraction, zone = match.groups()
        time = datetime.fromisoformat(seconds + zone.replace("Z", "+00:00"))
        return (time - EPOCH) // MICROSECOND + int((fraction or "0").ljust(6, "0"))
    time = datetime.strptime(value, "%Y-%m-%d" if format == "date" else format)
    return ((time if time.tzinfo else time.replace(tzinfo=timezone.utc)) - EPOCH) // MICROSECOND
