"""Timestamps: the only parser of the API's times, to UTC. Fractions finer than a microsecond are cut off."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analytics_assets.rest_api.config import DataType

UTC = pa.timestamp("us", "UTC")
EPOCH_UNITS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}  # in microseconds
ISO_FORMATS = ("iso8601", "date-time", "date")
# The start of year 1 and the end of year 9999 in microseconds: Python and many tools have no other dates.
FIRST_TIMESTAMP, LAST_TIMESTAMP = -62_135_596_800_000_000, 253_402_300_799_999_999
NUMERAL = re.compile(r"-?\d{1,100}(\.\d{1,100})?", re.ASCII)
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def parse_timestamps(values: Sequence[Any], types: set[type], format: str) -> pa.Array | None:
    """All values as timestamps, the fast way.

    Args:
        values: Values of JSON, None for null.
        types: The Python types of the values that are not None.
        format: iso8601, date, epoch_s, epoch_ms or a strftime pattern.

    Returns:
        An array of UTC timestamps; None if the values have to be parsed one by one.

    Raises:
        ValueError: A value is not written in the format. pa.ArrowInvalid is one.
    """
    data_type = json_type(format)
    if data_type == "text" and types == {str}:
        return parse_array(pa.array(values, pa.string()), format)
    if data_type == "bigint" and types == {int}:
        return parse_array(pa.array(values, pa.int64()), format)
    return None


def json_type(format: str) -> DataType | None:
    """The type of JSON that a format is usually written in, which is parsed as an array; None if there is none."""
    if format in ISO_FORMATS:
        return "text"
    return "bigint" if format in EPOCH_UNITS else None


def parse_array(values: pa.Array, format: str) -> pa.Array:
    """Values of the type that `json_type` names as UTC timestamps.

    Raises:
        ValueError: A value is not written in the format. pa.ArrowInvalid is one.
    """
    if format in EPOCH_UNITS:
        return epoch_timestamps(values, format)
    return _check_range(_parse_iso(values))


def parse_timestamp(value: Any, format: str) -> int | datetime:
    """One value as a timestamp, in microseconds since 1970 or as a datetime.

    Text without an offset is UTC. Epochs may be numbers or text, with fractions.

    Raises:
        ValueError: The value is not written in the format.
        OverflowError: The value is before year 1 or after year 9999.
    """
    if format in EPOCH_UNITS:
        microseconds = parse_decimal(value) * EPOCH_UNITS[format]
        if not FIRST_TIMESTAMP <= microseconds <= LAST_TIMESTAMP:
            raise OverflowError("a time before year 1 or after year 9999")
        return math.floor(microseconds)
    if type(value) is not str:
        raise ValueError("not text")
    if format in ISO_FORMATS:
        if not DAY.match(value):
            raise ValueError("not ISO 8601")
        microseconds_of_iso: int = _check_range(_parse_iso(pa.array([value], pa.string())))[0].value
        return microseconds_of_iso
    parsed = datetime.strptime(value, format)
    return parsed.replace(tzinfo=timezone.utc) if parsed.tzinfo is None else parsed.astimezone(timezone.utc)


def parse_decimal(value: Any) -> Decimal:
    """A number, or text that is one, with all its digits.

    Raises:
        ValueError: It is something else.
    """
    if type(value) is float:
        return Decimal(repr(value))
    if type(value) in (int, Decimal) or (type(value) is str and NUMERAL.fullmatch(value)):
        return Decimal(value)
    raise ValueError("not a number")


def epoch_timestamps(numbers: pa.Array | pa.ChunkedArray, format: str) -> pa.Array | pa.ChunkedArray:
    """Whole numbers of seconds or milliseconds since 1970 as timestamps.

    Raises:
        ValueError: A number has a fraction, or is before year 1 or after year 9999.
    """
    return _check_range(pc.multiply_checked(numbers.cast(pa.int64()), EPOCH_UNITS[format]).cast(UTC))


def _parse_iso(texts: pa.Array) -> pa.Array:
    """ISO 8601 as timestamps, all with an offset or all without.

    Raises:
        pa.ArrowInvalid: A text is not ISO 8601.
    """
    try:
        return _cast_iso(texts)
    except pa.ArrowInvalid:
        # Arrow reads neither fractions finer than a microsecond nor lower-case letters.
        return _cast_iso(pc.utf8_upper(pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")))


def _cast_iso(texts: pa.Array) -> pa.Array:
    try:
        return texts.cast(UTC)
    except pa.ArrowInvalid:
        return texts.cast(pa.timestamp("us")).cast(UTC)


def _check_range(timestamps: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    bounds = pc.min_max(timestamps.cast(pa.int64())).as_py()
    if bounds["min"] is not None and (bounds["min"] < FIRST_TIMESTAMP or bounds["max"] > LAST_TIMESTAMP):
        raise ValueError("a time before year 1 or after year 9999")
    return timestamps
