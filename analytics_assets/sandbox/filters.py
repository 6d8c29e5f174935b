"""The filter by time of change: which query parameters carry its bounds, and how timestamps are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from analytics_assets.sandbox.http import HTTPError, Request

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
ISO8601 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Bounds:
    """The bounds of one request, as integers in the filter's unit since 1970."""

    start: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class TimeFilter:
    """Selects the rows whose timestamp lies in [start, end).

    Attributes:
        field: The field of the rows that holds the timestamp.
        params: Query parameters with the placeholders `{start}` and `{end}`:
            `{"updated_since": "{start}", "updated_until": "{end}"}`.
        format: How timestamps are written, in parameters and rows: `iso8601` or `epoch_ms`.
    """

    field: str
    params: Mapping[str, str]
    format: str = "iso8601"

    def bounds(self, request: Request) -> Bounds:
        """The bounds that a request sends.

        Raises:
            HTTPError: A parameter is not written as its template or its format says.
        """
        found: dict[str, int] = {}
        for name, template in self.params.items():
            if name not in request.query:
                continue
            match = re.fullmatch(_template_pattern(template), request.query[name])
            if match is None:
                raise HTTPError(400, f"{name} must be written as {template}")
            try:
                found.update((bound, self.parse_bound(text)) for bound, text in match.groupdict().items())
            except ValueError:
                raise HTTPError(400, f"{name} must be a timestamp in the format {self.format}") from None
        return Bounds(**found)

    def matches(self, value: Any, bounds: Bounds) -> bool:
        """Whether a field's value lies within the bounds. Null matches only if there are no bounds."""
        if bounds == Bounds():
            return True
        if value is None:
            return False
        timestamp = self.parse_value(value)
        return (bounds.start is None or timestamp >= bounds.start) and (bounds.end is None or timestamp < bounds.end)

    def parse_bound(self, text: str) -> int:
        """A bound as an integer in the filter's unit."""
        return parse_timestamp(text, self.format)

    def parse_value(self, value: Any) -> int:
        """A field's value as an integer in the filter's unit."""
        return parse_timestamp(value, self.format)


def _template_pattern(template: str) -> str:
    literal = re.escape(template)
    for bound in ("start", "end"):
        literal = literal.replace(re.escape(f"{{{bound}}}"), f"(?P<{bound}>.+?)")
    return literal


def parse_timestamp(value: Any, format: str) -> int:
    """A timestamp in microseconds since 1970.

    Raises:
        ValueError: It is not written in this format.
    """
    if format == "epoch_ms":
        return int(str(value)) * 1_000
    match = ISO8601.fullmatch(value)
    if match is None:
        raise ValueError(f"not an ISO 8601 timestamp: {format!r}")
    seconds, fraction, zone = match.groups()
    timestamp = datetime.fromisoformat(seconds + zone.replace("Z", "+00:00"))
    return (timestamp - EPOCH) // MICROSECOND + int((fraction or "0").ljust(6, "0"))
