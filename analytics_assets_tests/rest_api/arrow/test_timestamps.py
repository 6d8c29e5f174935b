"""Cursors: how times are read from rows, and which rows belong to a window."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from analytics_assets.rest_api.arrow.timestamps import cursor_timestamps, in_window_mask
from analytics_assets.rest_api.errors import DataError
from analytics_assets.rest_api.windows import Window


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, us: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, us, tzinfo=timezone.utc)


DAY = Window(utc(2026, 10, 1), utc(2026, 10, 2))
NOON = utc(2026, 10, 1, 12)


@pytest.mark.parametrize(
    ("values", "format", "read"),
    [
        (pa.array([1790856000000, None], pa.int64()), "epoch_ms", [NOON, None]),
        (pa.array([1790856000], pa.int64()), "epoch_s", [NOON]),
        (pa.array(["1790856000"]), "epoch_s", [NOON]),
        (pa.array([1790856000.0], pa.float64()), "epoch_s", [NOON]),
        (pa.array([NOON], pa.timestamp("us", "UTC")), "epoch_ms", [NOON]),
        (pa.array([date(2026, 10, 1)], pa.date32()), "date", [utc(2026, 10, 1)]),
        (pa.array(["2026-10-01T12:00:00Z", None], pa.string()), "iso8601", [NOON, None]),
        (pa.array(["2026-10-01T14:00:00+02:00"]), "iso8601", [NOON]),
        (pa.array(["2026-10-01 12:00:00"]), "iso8601", [NOON]),
        (pa.array(["2026-10-01T12:00"]), "iso8601", [NOON]),
        (pa.array(["2026-10-01T10:30:00-0130", "2026-10-01 13:00:00+01"]), "iso8601", [NOON, NOON]),
        (pa.array(["2026-10-01T12:00:00.1234567Z"]), "iso8601", [NOON.replace(microsecond=123456)]),
        (
            pa.array(["2026-10-01T12:00:00.5Z", "2026-10-01T12:00:00Z"]),
            "iso8601",
            [NOON.replace(microsecond=500000), NOON],
        ),
        (pa.array(["2026-10-01"]), "date", [utc(2026, 10, 1)]),
        (pa.array(["01/10/2026 12:00"]), "%d/%m/%Y %H:%M", [NOON]),
        (pa.nulls(2), "iso8601", [None, None]),
    ],
)
def test_cursor_values_are_read(values: pa.Array, format: str, read: list[datetime | None]) -> None:
    assert cursor_timestamps(pa.chunked_array([values]), format, name="updated").to_pylist() == read


@pytest.mark.parametrize(
    ("values", "format"),
    [
        (pa.array(["yesterday"]), "iso8601"),
        (pa.array(["2026-10-01T12:00:00Z"]), "epoch_ms"),
        (pa.array(["2026-13-01"]), "date"),
        # Read by Python, not by the databases' casts.
        (pa.array(["20261001T120000Z"]), "iso8601"),
        (pa.array(["2026-10-01t12:00:00z"]), "iso8601"),
        (pa.array([1790856000], pa.int64()), "iso8601"),
        (pa.array([2**62], pa.int64()), "epoch_s"),
        (pa.array([True]), "epoch_s"),
    ],
)
def test_a_cursor_in_another_format_is_an_error_without_its_value(values: pa.Array, format: str) -> None:
    with pytest.raises(DataError, match=r"'updated' holds .* `incremental.format: ") as caught:
        cursor_timestamps(pa.chunked_array([values]), format, name="updated")
    assert str(values[0].as_py()) not in str(caught.value)


def test_a_window_is_half_open_and_keeps_rows_that_cannot_be_placed() -> None:
    times = [DAY.start - timedelta(microseconds=1), DAY.start, DAY.end - timedelta(microseconds=1), DAY.end, None]
    column = pa.chunked_array([pa.array(times, pa.timestamp("us", "UTC"))])
    assert in_window_mask(column, DAY).to_pylist() == [False, True, True, False, True]
