"""Windows: what is sent for one, and which rows belong to one."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from analytics_assets.rest_api.config import Incremental
from analytics_assets.rest_api.errors import DataError
from analytics_assets.rest_api.windows import (
    Window,
    bounds,
    ceil,
    floor,
    inside,
    moments,
    to_text,
    unit_of,
    window_params,
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc]


DAY = Window(utc(2026, 10, 1), utc(2026, 10, 2))
HOUR = Window(utc(2026, 10, 1, 5), utc(2026, 10, 1, 6))


@pytest.mark.parametrize(
    ("format", "moment", "text", "unit"),
    [
        ("iso8601", utc(2026, 10, 1), "2026-10-01T00:00:00Z", "microsecond"),
        ("iso8601", utc(2026, 10, 1, 0, 0, 0, 500000), "2026-10-01T00:00:00.500000Z", "microsecond"),
        (
            "iso8601",
            datetime(2026, 10, 1, 2, tzinfo=timezone(timedelta(hours=2))),
            "2026-10-01T00:00:00Z",
            "microsecond",
        ),
        ("epoch_s", utc(2026, 10, 1), "1790812800", "second"),
        ("epoch_ms", utc(2026, 10, 1, 0, 0, 0, 1999), "1790812800001", "millisecond"),
        ("date", utc(2026, 10, 1, 23), "2026-10-01", "day"),
        ("%Y-%m-%d %H:%M:%S", utc(2026, 10, 1, 1, 2, 3), "2026-10-01 01:02:03", "second"),
        ("%d/%m/%Y %H:%M", utc(2026, 10, 1, 1, 2), "01/10/2026 01:02", "minute"),
        ("%Y%m", utc(2026, 10, 31), "202610", "month"),
        ("%Y-%m-%dT%H:%M:%S.%f", utc(2026, 10, 1), "2026-10-01T00:00:00.000000", "microsecond"),
    ],
)
def test_formats(format: str, moment: datetime, text: str, unit: str) -> None:
    assert (to_text(moment, format), unit_of(format)) == (text, unit)


@pytest.mark.parametrize(
    ("window", "settings", "sent"),
    [
        (DAY, {}, ("2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z")),
        (DAY, {"start": "exclusive"}, ("2026-09-30T23:59:59.999999Z", "2026-10-02T00:00:00Z")),
        (DAY, {"end": "inclusive"}, ("2026-10-01T00:00:00Z", "2026-10-01T23:59:59.999999Z")),
        (DAY, {"format": "epoch_s", "start": "exclusive", "end": "inclusive"}, ("1790812799", "1790899199")),
        (DAY, {"format": "epoch_ms", "start": "exclusive"}, ("1790812799999", "1790899200000")),
        (DAY, {"format": "date", "end": "inclusive"}, ("2026-10-01", "2026-10-01")),
        (DAY, {"format": "date", "start": "exclusive"}, ("2026-09-30", "2026-10-02")),
        # A bound finer than the format is widened: else the rows of the last hours would be missed.
        (HOUR, {"format": "date"}, ("2026-10-01", "2026-10-02")),
        (HOUR, {"format": "date", "end": "inclusive"}, ("2026-10-01", "2026-10-01")),
        (HOUR, {"format": "%Y-%m"}, ("2026-10", "2026-11")),
        (HOUR, {"format": "%Y-%m", "end": "inclusive", "start": "exclusive"}, ("2026-09", "2026-10")),
    ],
)
def test_bounds_miss_no_row(window: Window, settings: dict[str, str], sent: tuple[str, str]) -> None:
    assert bounds(window, Incremental(cursor_path="updated", start_param="a", end_param="b", **settings)) == sent


def test_units_floor_and_ceil() -> None:
    moment = utc(2026, 12, 31, 23, 59, 59, 999999)
    assert (
        ceil(moment, "second")
        == ceil(moment, "day")
        == ceil(moment, "month")
        == ceil(moment, "year")
        == utc(2027, 1, 1)
    )
    assert floor(moment, "month") == utc(2026, 12, 1)
    assert floor(moment, "year") == utc(2026, 1, 1)
    assert floor(moment, "millisecond") == utc(2026, 12, 31, 23, 59, 59, 999000)
    assert ceil(utc(2026, 10, 1), "day") == utc(2026, 10, 1)


PARAMS = {"expand": "owner", "filter": "updated >= {start}", "between": "><{start}|{end}", "braces": "{other}"}


@pytest.mark.parametrize(
    ("incremental", "window", "sent"),
    [
        (
            Incremental(cursor_path="updated", format="date", start_param="filter[updated][_gte]"),
            DAY,
            {
                "expand": "owner",
                "filter": "updated >= 2026-10-01",
                "between": "><2026-10-01|2026-10-02",
                "braces": "{other}",
                "filter[updated][_gte]": "2026-10-01",
            },
        ),
        (
            Incremental(cursor_path="updated", format="date", end_param="until"),
            DAY.reaching_back(timedelta(days=2)),
            {
                "expand": "owner",
                "filter": "updated >= 2026-09-29",
                "between": "><2026-09-29|2026-10-02",
                "braces": "{other}",
                "until": "2026-10-02",
            },
        ),
        # A full refresh asks for all history: nothing of a window is sent.
        (
            Incremental(cursor_path="updated", format="date", start_param="since"),
            None,
            {"expand": "owner", "braces": "{other}"},
        ),
    ],
)
def test_window_params(incremental: Incremental, window: Window | None, sent: dict[str, str]) -> None:
    assert window_params(PARAMS, incremental, window) == sent


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
        (pa.array(["2026-10-01T12:00:00.1234567Z"]), "iso8601", [NOON.replace(microsecond=123456)]),
        (
            pa.array(["2026-10-01T12:00:00.5z", "2026-10-01T12:00:00Z"]),
            "iso8601",
            [NOON.replace(microsecond=500000), NOON],
        ),
        (pa.array(["2026-10-01"]), "date", [utc(2026, 10, 1)]),
        (pa.array(["01/10/2026 12:00"]), "%d/%m/%Y %H:%M", [NOON]),
        (pa.nulls(2), "iso8601", [None, None]),
    ],
)
def test_cursor_values_are_read(values: pa.Array, format: str, read: list[datetime | None]) -> None:
    assert moments(pa.chunked_array([values]), format, name="updated").to_pylist() == read


@pytest.mark.parametrize(
    ("values", "format"),
    [
        (pa.array(["yesterday"]), "iso8601"),
        (pa.array(["2026-10-01T12:00:00Z"]), "epoch_ms"),
        (pa.array(["2026-13-01"]), "date"),
        (pa.array([1790856000], pa.int64()), "iso8601"),
        (pa.array([2**62], pa.int64()), "epoch_s"),
        (pa.array([True]), "epoch_s"),
    ],
)
def test_a_cursor_in_another_format_is_an_error_without_its_value(values: pa.Array, format: str) -> None:
    with pytest.raises(DataError, match=r"'updated' holds .* `incremental.format: ") as caught:
        moments(pa.chunked_array([values]), format, name="updated")
    assert str(values[0].as_py()) not in str(caught.value)


def test_a_window_is_half_open_and_keeps_rows_that_cannot_be_placed() -> None:
    times = [DAY.start - timedelta(microseconds=1), DAY.start, DAY.end - timedelta(microseconds=1), DAY.end, None]
    column = pa.chunked_array([pa.array(times, pa.timestamp("us", "UTC"))])
    assert inside(column, DAY).to_pylist() == [False, True, True, False, True]
