"""Windows: query parameters and slices."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from analytics_assets.rest_api.config import Endpoint, Incremental
from analytics_assets.rest_api.windows import (
    Window,
    bounds,
    ceil,
    filters_both_ends,
    floor,
    format_timestamp,
    resolution,
    slices,
    window_bindings,
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc, arg-type]


DAY = Window(utc(2026, 10, 1), utc(2026, 10, 2))
HOUR = Window(utc(2026, 10, 1, 5), utc(2026, 10, 1, 6))


@dataclass(frozen=True, kw_only=True)
class FormatCase:
    format: str
    timestamp: datetime
    text: str
    unit: str


@pytest.mark.parametrize(
    "case",
    [
        FormatCase(format="iso8601", timestamp=utc(2026, 10, 1), text="2026-10-01T00:00:00Z", unit="microsecond"),
        FormatCase(
            format="iso8601",
            timestamp=utc(2026, 10, 1, 0, 0, 0, 500000),
            text="2026-10-01T00:00:00.500000Z",
            unit="microsecond",
        ),
        FormatCase(
            format="iso8601",
            timestamp=datetime(2026, 10, 1, 2, tzinfo=timezone(timedelta(hours=2))),
            text="2026-10-01T00:00:00Z",
            unit="microsecond",
        ),
        FormatCase(format="epoch_s", timestamp=utc(2026, 10, 1), text="1790812800", unit="second"),
        FormatCase(
            format="epoch_ms", timestamp=utc(2026, 10, 1, 0, 0, 0, 1999), text="1790812800001", unit="millisecond"
        ),
        FormatCase(format="date", timestamp=utc(2026, 10, 1, 23), text="2026-10-01", unit="day"),
        FormatCase(
            format="%Y-%m-%d %H:%M:%S", timestamp=utc(2026, 10, 1, 1, 2, 3), text="2026-10-01 01:02:03", unit="second"
        ),
        FormatCase(format="%d/%m/%Y %H:%M", timestamp=utc(2026, 10, 1, 1, 2), text="01/10/2026 01:02", unit="minute"),
        FormatCase(format="%Y%m", timestamp=utc(2026, 10, 31), text="202610", unit="month"),
        FormatCase(
            format="%Y-%m-%dT%H:%M:%S.%f",
            timestamp=utc(2026, 10, 1),
            text="2026-10-01T00:00:00.000000",
            unit="microsecond",
        ),
    ],
)
def test_format_and_resolution(case: FormatCase) -> None:
    assert (format_timestamp(case.timestamp, case.format), resolution(case.format)) == (case.text, case.unit)


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
    assert bounds(window, Incremental.model_validate({"start_param": "a", "end_param": "b", **settings})) == expected


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


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("date", {"start": "2026-10-01", "end": "2026-10-02"}),
        ("epoch_s", {"start": 1790812800, "end": 1790899200}),
        ("%Y%m%d", {"start": "20261001", "end": "20261002"}),
    ],
)
def test_bounds_are_numbers_in_epoch_formats_only(format: str, expected: dict[str, Any]) -> None:
    assert window_bindings(DAY, Incremental(start_param="since", format=format)) == expected


@pytest.mark.parametrize("incremental", [None, Incremental(start_param="since")])
def test_no_window_has_no_bounds(incremental: Incremental | None) -> None:
    assert window_bindings(None, incremental) == {}
    assert window_bindings(DAY, None) == {}


@dataclass(frozen=True, kw_only=True)
class SliceCase:
    window: Window
    format: str
    count: int
    edges: list[int]


@pytest.mark.parametrize(
    "case",
    [
        SliceCase(window=DAY, format="epoch_ms", count=4, edges=[0, 6, 12, 18, 24]),
        SliceCase(window=DAY, format="iso8601", count=1, edges=[0, 24]),
        SliceCase(window=DAY, format="%Y-%m-%d %H", count=3, edges=[0, 8, 16, 24]),
        # No slice is shorter than a day, the unit of the format.
        SliceCase(window=DAY, format="date", count=4, edges=[0, 24]),
        SliceCase(window=Window(utc(2026, 10, 1), utc(2026, 10, 4)), format="date", count=12, edges=[0, 24, 48, 72]),
        SliceCase(window=HOUR, format="date", count=4, edges=[5, 6]),
    ],
)
def test_slices_cover_the_window_once(case: SliceCase) -> None:
    timestamps = [DAY.start + timedelta(hours=hours) for hours in case.edges]
    parts = slices(case.window, Incremental(start_param="a", end_param="b", format=case.format), case.count)
    assert [(each.start, each.end) for each in parts] == list(itertools.pairwise(timestamps))


@pytest.mark.parametrize(
    ("request_parts", "incremental", "expected"),
    [
        ({}, {"start_param": "a", "end_param": "b"}, True),
        ({"params": {"filter": "{start}..{end}"}}, {}, True),
        ({"params": {"filter": "before {end}"}}, {"start_param": "a"}, True),
        ({"path": "/days/{start}", "json_": {"where": [{"until": "{end}"}]}}, {}, True),
        ({"path": "/days/{start}", "headers": {"X-Until": "{end}"}}, {}, True),
        ({"data": "from={start}&to={end}"}, {}, True),
        ({"data": {"to": "{end}"}}, {"start_param": "a"}, True),
        ({}, {"start_param": "a"}, False),
        ({"params": {"filter": "since {start}"}}, {}, False),
        ({"json_": {"start": "{{start}}{end}"}}, {}, False),
    ],
)
def test_filters_both_ends(request_parts: dict[str, Any], incremental: dict[str, str], expected: bool) -> None:
    endpoint = Endpoint.model_validate({"path": "/rows", **request_parts, "incremental": incremental})
    assert filters_both_ends(endpoint) is expected
