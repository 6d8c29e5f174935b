"""Cursors: when rows changed, read from the field that says so, and which of them are of a window."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime, timezone

import pyarrow as pa
import pyarrow.compute as pc

from analytics_assets.rest_api.errors import DataError
from analytics_assets.rest_api.windows import MICROSECOND, STEP, Window, resolution

# ISO 8601 as far as the databases' casts go, since there the newest of two rows is told.
ISO = re.compile(r"(\d{4}-\d\d-\d\d)(?:([T ]\d\d:\d\d(?::\d\d)?)(\.\d+)?(Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII)


def cursor_timestamps(cursor: pa.ChunkedArray, format: str, *, name: str) -> pa.ChunkedArray:
    """The cursor column as UTC timestamps, nulls kept.

    Raises:
        DataError: a value is not written in `format`.
    """
    utc = pa.timestamp("us", "UTC")
    if cursor.null_count == len(cursor):
        return pa.nulls(len(cursor), utc)
    if pa.types.is_timestamp(cursor.type) or pa.types.is_date(cursor.type):
        return cursor.cast(utc)
    try:
        if format in ("epoch_s", "epoch_ms") and not pa.types.is_boolean(cursor.type):
            per_unit = STEP[resolution(format)] // MICROSECOND
            if pa.types.is_string(cursor.type):
                cursor = cursor.cast(pa.int64())
            return pc.multiply_checked(cursor.cast(pa.int64()), per_unit).cast(utc)
        if format == "iso8601" and pa.types.is_string(cursor.type):
            with contextlib.suppress(pa.ArrowInvalid):
                return cursor.cast(utc)  # a hundred times faster, where all values name their zone
        return pa.chunked_array([pa.array([_parse(value, format) for value in cursor.to_pylist()], utc)], utc)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, TypeError, AttributeError):
        raise DataError(
            f"the cursor field {name!r} holds a {cursor.type} that is not written as `incremental.format: {format}` "
            "says: name the format that the API answers in (iso8601, epoch_s, epoch_ms, date or a strftime pattern)"
        ) from None


def _parse(value: str | None, format: str) -> datetime | None:
    if value is None:
        return None
    if format in ("iso8601", "date"):
        parts = ISO.fullmatch(value)
        if parts is None:
            raise ValueError("not a moment that SQL reads too")
        # Python 3.10 knows neither `Z`, nor +0200, nor fractions of other than three or six digits.
        day, time, fraction, zone = (part or "" for part in parts.groups())
        fraction = fraction[:7].ljust(7, "0") if fraction else ""
        if zone:
            zone = "+00:00" if zone == "Z" else f"{zone[:3]}:{zone[3:].lstrip(':') or '00'}"
        moment = datetime.fromisoformat(f"{day}{time}{fraction}{zone}")
    else:
        moment = datetime.strptime(value, format)
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment


def in_window_mask(cursor: pa.ChunkedArray, window: Window) -> pa.ChunkedArray:
    """A mask of the rows of [start, end). A row without a cursor value cannot be placed elsewhere: it stays."""
    utc = pa.timestamp("us", "UTC")
    after = pc.greater_equal(cursor, pa.scalar(window.start, utc))
    before = pc.less(cursor, pa.scalar(window.end, utc))
    return pc.fill_null(pc.and_(after, before), True)
