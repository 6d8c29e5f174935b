"""Windows: query parameters and slices."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone

import pytest

from analytics_assets.rest_api.config import Incremental
from analytics_assets.rest_api.windows import (
    Window,
    bounds,
    ceil,
    filters_both_ends,
    floor,
    format_timestamp,
    resolution,
    slices,
    window_params,
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc]


DAY = Window(utc(2026, 10, 1), utc(2026, 10, 2))
HOUR = Window(utc(2026, 10, 1, 5), utc(2026, 10, 1, 6))


@pytest.mark.parametrize(
    ("format", "timestamp", "text", "unit"),
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
def test_format_and_resolution(format: str, timestamp: datetime, text: str, unit: str) -> None:
    assert (format_timestamp(timestamp, format), resolution(format)) == (text, unit)


@pytest.mark.parametrize(
    ("window", "settings", "expected"),
    [
        (DAY, {}, ("2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z")),
        (DAY, {"start": "exclusive"}, ("2026-09-30T23:59:59.999999Z", "2026-10-02T00:00:00Z")),
        (DAY, {"end": "inclusive"}, ("2026-10-01T00:00:00Z", "2026-10-01T23:59:59.999999Z")),
        (DAY, {"format": "epoch_s", "start": "exclusive", "end": "inclusive"}, ("1790812799", "1790899199")),
        (DAY, {"format": "epoch_ms", "start": "exclusive"}, ("1790812799999", "1790899200000")),
        (DAY, {"format": "date", "end": "inclusive"}, ("2026-10-01", "2026-10-01")),
        (DAY, {"format": "date", "start": "exclusive"}, ("2026-09-30", "2026-10-02")),
        # The bounds are widened to the unit of the format, so that no row is missed.
        (HOUR, {"format": "date"}, ("2026-10-01", "2026-10-02")),
        (HOUR, {"format": "date", "end": "inclusive"}, ("2026-10-01", "2026-10-01")),
        (HOUR, {"format": "%Y-%m"}, ("2026-10", "2026-11")),
        (HOUR, {"format": "%Y-%m", "end": "inclusive", "start": "exclusive"}, ("2026-09", "2026-10")),
    ],
)
def test_bounds_include_every_row(window: Window, settings: dict[str, str], expected: tuple[str, str]) -> None:
    assert bounds(window, Incremental(cursor_path="updated", start_param="a", end_param="b", **settings)) == expected


def test_floor_and_ceil() -> None:
    timestamp = utc(2026, 12, 31, 23, 59, 59, 999999)
    assert (
        ceil(timestamp, "second")
        == ceil(timestamp, "day")
        == ceil(timestamp, "month")
        == ceil(timestamp, "year")
        == utc(2027, 1, 1)
    )
    assert floor(timestamp, "month") == utc(2026, 12, 1)
    assert floor(timestamp, "year") == utc(2026, 1, 1)
    assert floor(timestamp, "millisecond") == utc(2026, 12, 31, 23, 59, 59, 999000)
    assert ceil(utc(2026, 10, 1), "day") == utc(2026, 10, 1)


PARAMS = {"expand": "owner", "filter": "updated >= {start}", "between": "><{start}|{end}", "braces": "{other}"}


@pytest.mark.parametrize(
    ("incremental", "window", "expected"),
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
            DAY.with_lookback(timedelta(days=2)),
            {
                "expand": "owner",
                "filter": "updated >= 2026-09-29",
                "between": "><2026-09-29|2026-10-02",
                "braces": "{other}",
                "until": "2026-10-02",
            },
        ),
        # A full refresh reads all history.
        (
            Incremental(cursor_path="updated", format="date", start_param="since"),
            None,
            {"expand": "owner", "braces": "{other}"},
        ),
    ],
)
def test_window_params(incremental: Incremental, window: Window | None, expected: dict[str, str]) -> None:
    assert window_params(PARAMS, incremental, window) == expected


@pytest.mark.parametrize(
    ("window", "format", "count", "edges"),
    [
        (DAY, "epoch_ms", 4, [0, 6, 12, 18, 24]),
        (DAY, "iso8601", 1, [0, 24]),
        (DAY, "%Y-%m-%d %H", 3, [0, 8, 16, 24]),
        # No slice is shorter than a day, the unit of the format.
        (DAY, "date", 4, [0, 24]),
        (Window(utc(2026, 10, 1), utc(2026, 10, 4)), "date", 12, [0, 24, 48, 72]),
        (HOUR, "date", 4, [5, 6]),
    ],
)
def test_slices_cover_the_window_once(window: Window, format: str, count: int, edges: list[int]) -> None:
    timestamps = [DAY.start + timedelta(hours=hours) for hours in edges]
    parts = slices(window, Incremental(start_param="a", end_param="b", format=format), count)
    assert [(each.start, each.end) for each in parts] == list(itertools.pairwise(timestamps))


@pytest.mark.parametrize(
    ("params", "incremental", "expected"),
    [
        ({}, {"start_param": "a", "end_param": "b"}, True),
        ({"filter": "{start}..{end}"}, {}, True),
        ({"filter": "before {end}"}, {"start_param": "a"}, True),
        ({}, {"start_param": "a"}, False),
        ({"filter": "since {start}"}, {}, False),
    ],
)
def test_filters_both_ends(params: dict[str, str], incremental: dict[str, str], expected: bool) -> None:
    assert filters_both_ends(params, Incremental(**incremental)) is expected
