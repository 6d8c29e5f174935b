"""Timestamps: how the times of records are parsed, and which rows are in a window."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from analytics_assets.rest_api.arrow.coercion import to_array
from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.arrow.cursor import Cursor
from analytics_assets.rest_api.arrow.timestamps import UTC
from analytics_assets.rest_api.arrow.window_filter import in_window_mask
from analytics_assets.rest_api.errors import DataError
from analytics_assets.rest_api.windows import Window


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, us: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, us, tzinfo=timezone.utc)


DAY = Window(utc(2026, 10, 1), utc(2026, 10, 2))
NOON = utc(2026, 10, 1, 12)


class Parsed(NamedTuple):
    format: str
    values: list[Any]
    expected: list[datetime | None]


PARSED = [
    Parsed(format="epoch_ms", values=[1790856000000, None], expected=[NOON, None]),
    Parsed(format="epoch_s", values=[1790856000], expected=[NOON]),
    Parsed(format="epoch_s", values=["1790856000"], expected=[NOON]),
    Parsed(format="epoch_s", values=[1790856000.0], expected=[NOON]),
    Parsed(format="epoch_s", values=[1790856000.123456], expected=[NOON.replace(microsecond=123456)]),
    Parsed(format="epoch_ms", values=[1790856000000.5], expected=[NOON.replace(microsecond=500)]),
    Parsed(format="iso8601", values=["2026-10-01T12:00:00Z", None], expected=[NOON, None]),
    Parsed(format="iso8601", values=["2026-10-01T14:00:00+02:00"], expected=[NOON]),
    Parsed(format="iso8601", values=["2026-10-01 12:00:00"], expected=[NOON]),
    Parsed(format="iso8601", values=["2026-10-01T12:00"], expected=[NOON]),
    Parsed(format="iso8601", values=["2026-10-01T10:30:00-0130", "2026-10-01 13:00:00+01"], expected=[NOON, NOON]),
    Parsed(format="iso8601", values=["2026-10-01T12:00:00", "2026-10-01T14:00:00+02:00"], expected=[NOON, NOON]),
    Parsed(format="iso8601", values=["2026-10-01t12:00:00z"], expected=[NOON]),
    Parsed(format="iso8601", values=["2026-10-01T12:00:00.1234567Z"], expected=[NOON.replace(microsecond=123456)]),
    Parsed(
        format="iso8601",
        values=["2026-10-01T12:00:00.5Z", "2026-10-01T12:00:00Z"],
        expected=[NOON.replace(microsecond=500000), NOON],
    ),
    Parsed(format="date", values=["2026-10-01"], expected=[utc(2026, 10, 1)]),
    Parsed(format="date", values=["2026-10-01T12:00:00Z"], expected=[NOON]),
    Parsed(format="%d/%m/%Y %H:%M", values=["01/10/2026 12:00"], expected=[NOON]),
    Parsed(format="iso8601", values=[None, None], expected=[None, None]),
]


@pytest.mark.parametrize("case", PARSED, ids=lambda case: f"{case.format} {case.values[0]}")
def test_timestamps_are_parsed(case: Parsed) -> None:
    array, mismatches = to_array(case.values, ColumnType("timestamp", format=case.format, declared=True))
    assert not mismatches
    assert array.to_pylist() == case.expected


@pytest.mark.parametrize(
    ("format", "value"),
    [
        ("iso8601", "yesterday"),
        ("epoch_ms", "2026-10-01T12:00:00Z"),
        ("date", "2026-13-01"),
        ("iso8601", "20261001T120000Z"),
        ("iso8601", 1790856000),
        ("epoch_s", 2**62),
        ("epoch_s", True),
    ],
)
def test_a_value_in_another_format_is_a_mismatch(format: str, value: Any) -> None:
    array, mismatches = to_array([value], ColumnType("timestamp", format=format, declared=True))
    assert mismatches == [0]
    assert array.to_pylist() == [None]


@pytest.mark.parametrize(
    ("values", "format", "expected"),
    [
        (pa.array([NOON, None], UTC), "epoch_ms", [NOON, None]),
        (pa.array([date(2026, 10, 1)], pa.date32()), "date", [utc(2026, 10, 1)]),
        (pa.array([1790856000000, None], pa.int64()), "epoch_ms", [NOON, None]),
        (pa.array([1790856000.0], pa.float64()), "epoch_s", [NOON]),
    ],
)
def test_a_cursor_column_is_read_as_timestamps(values: pa.Array, format: str, expected: list[datetime | None]) -> None:
    assert Cursor("updated", format).timestamps(pa.chunked_array([values])).to_pylist() == expected


@pytest.mark.parametrize(
    ("values", "format"),
    [
        (pa.array(["2026-10-01T12:00:00Z"]), "epoch_ms"),
        (pa.array([1790856000], pa.int64()), "iso8601"),
        (pa.array([2**62], pa.int64()), "epoch_s"),
        (pa.array([1790856000.5], pa.float64()), "epoch_s"),
        (pa.array([True]), "epoch_s"),
    ],
)
def test_a_cursor_column_in_another_format_is_an_error_without_its_value(values: pa.Array, format: str) -> None:
    with pytest.raises(DataError, match=r"'updated' is .* `incremental.format: ") as caught:
        Cursor("updated", format).timestamps(pa.chunked_array([values]))
    assert str(values[0].as_py()) not in str(caught.value)


def test_a_window_is_half_open_and_keeps_rows_without_a_timestamp() -> None:
    times = [DAY.start - timedelta(microseconds=1), DAY.start, DAY.end - timedelta(microseconds=1), DAY.end, None]
    column = pa.chunked_array([pa.array(times, UTC)])
    assert in_window_mask(column, DAY).to_pylist() == [False, True, True, False, True]
