"""How an API writes times: the format of values, and the fields that are times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from analytics_assets.rest_api.arrow.timestamps import parse_timestamp
from analytics_assets.rest_api.windows import EPOCH

# Patterns in use, besides the named formats. The day comes first in the second one, since a 13 decides.
PATTERNS = (
    "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d",
    "%Y%m%d", "%Y%m%d%H%M%S", "%a, %d %b %Y %H:%M:%S %Z",
)  # fmt: skip
FIRST, LAST = datetime(1990, 1, 1, tzinfo=timezone.utc), datetime(2090, 1, 1, tzinfo=timezone.utc)
CHANGED = re.compile(r"(?i)updat|modif|chang|last|edit|touch")
TIME_NAME = re.compile(r"(?i)(^|_)(at|on|date|time|timestamp)$|[a-z](At|On|Date|Time)$|updat|modif|creat|date|time")


def parse(values: Sequence[Any], format: str) -> list[datetime] | None:
    """The values as UTC times; None if one is not written in the format, or is not between 1990 and 2090."""
    times = []
    for value in values:
        try:
            parsed = parse_timestamp(value, format)
            time = parsed if isinstance(parsed, datetime) else EPOCH + timedelta(microseconds=parsed)
        except (ValueError, OverflowError, ArithmeticError):
            return None
        if not FIRST <= time < LAST:
            return None
        times.append(time)
    return times


def detect_format(values: Sequence[Any]) -> str | None:
    """The format in which all values are written; None if there is none."""
    if not values:
        return None
    is_text = all(isinstance(value, str) for value in values)
    if is_text and all(re.fullmatch(r"\d{4}-\d\d-\d\d", value) for value in values):
        return "date"
    named = ("iso8601", "epoch_s", "epoch_ms") if is_text else ("epoch_s", "epoch_ms")
    found = (format for format in (*named, *(PATTERNS if is_text else ())) if parse(values, format) is not None)
    return next(found, None)


def time_fields(rows: Sequence[Mapping[str, Any]], *, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The fields that are times, with their formats: the last change first. Numbers need the name of a time."""
    found: list[tuple[str, str]] = []
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [value for row in rows if (value := row.get(name)) is not None]
        if values and all(isinstance(value, dict) for value in values) and not prefix:
            found += time_fields(values, prefix=f"{name}.")
        is_number = any(not isinstance(value, str) for value in values)
        is_digits = all(isinstance(value, str) and value.isdigit() for value in values)
        if (is_number or is_digits) and not TIME_NAME.search(name):
            continue
        if format := detect_format(values):
            found.append((f"{prefix}{name}", format))
    yield from sorted(found, key=lambda each: (not CHANGED.search(each[0]), "." in each[0]))
