"""Endpoints of the sandbox: their body, their filter by time, and the parameters that they accept."""

from __future__ import annotations

from typing import Any

import pytest

from analytics_assets import sandbox
from analytics_assets.sandbox import OffsetPagination
from analytics_assets_tests.fake_api import serve_endpoint
from analytics_assets_tests.support.http_client import Query, get, http

ROWS: list[dict[str, Any]] = [{"id": n} for n in range(3)]
DAY = 86_400_000
TIMES: list[dict[str, Any]] = [
    {"id": 0, "at": 0},
    {"id": 1, "at": DAY},
    {"id": 2, "at": DAY + 500},
    {"id": 3, "at": 2 * DAY},
    {"id": 4, "at": None},
]
ISO_TIMES: list[dict[str, Any]] = [
    {"id": 0, "at": "1970-01-01T00:00:00Z"},
    {"id": 1, "at": "1970-01-02T00:00:00Z"},
    {"id": 2, "at": "1970-01-02T00:00:00.500Z"},
    {"id": 3, "at": "1970-01-03T01:00:00+01:00"},
    {"id": 4, "at": None},
]
SINCE_UNTIL = {"since": "{start}", "until": "{end}"}


def endpoint(rows: list[dict[str, Any]], **options: Any) -> sandbox.Endpoint:
    return sandbox.Endpoint("/rows", rows, pagination=OffsetPagination(), **options)


def test_values_are_returned_exactly() -> None:
    rows = [{"big": 2**63, "bigger": 10**30, "name": "Zoë 🚀", "nested": {"list": [None, 1.5]}}]
    with serve_endpoint(endpoint(rows)) as (_, url):
        response = get(url)
    assert response.json() == {"data": rows}
    assert b'"bigger":1000000000000000000000000000000' in response.data


@pytest.mark.parametrize(("format", "rows"), [("epoch_ms", TIMES), ("iso8601", ISO_TIMES)])
@pytest.mark.parametrize(
    ("since", "until", "ids"),
    [
        (None, None, [0, 1, 2, 3, 4]),
        (DAY, None, [1, 2, 3]),
        (DAY + 1, None, [2, 3]),
        (None, 2 * DAY, [0, 1, 2]),
        (DAY, 2 * DAY, [1, 2]),
    ],
)
def test_time_filter_is_half_open(
    format: str, rows: list[dict[str, Any]], since: int | None, until: int | None, ids: list[int]
) -> None:
    written = {
        DAY: "1970-01-02T00:00:00Z",
        DAY + 1: "1970-01-02T01:00:00.001+01:00",
        2 * DAY: "1970-01-03T00:00:00.000000Z",
    }
    query = {
        name: str(bound) if format == "epoch_ms" else written[bound]
        for name, bound in (("since", since), ("until", until))
        if bound is not None
    }
    with serve_endpoint(endpoint(rows, updated=sandbox.TimeFilter("at", SINCE_UNTIL, format))) as (_, url):
        assert [row["id"] for row in get(url, query).json()["data"]] == ids


@pytest.mark.parametrize(
    ("format", "query"),
    [
        ("iso8601", {"since": "1970-01-02"}),
        ("iso8601", {"since": "1970-01-02T00:00:00"}),
        ("epoch_ms", {"since": "1970-01-02T00:00:00Z"}),
        ("epoch_ms", {"since": ""}),
    ],
)
def test_bounds_in_another_format_are_rejected(format: str, query: Query) -> None:
    with serve_endpoint(endpoint(TIMES, updated=sandbox.TimeFilter("at", SINCE_UNTIL, format))) as (_, url):
        assert get(url, query).status == 400


def test_unknown_and_repeated_parameters_are_rejected() -> None:
    with serve_endpoint(endpoint(ROWS, params=frozenset({"expand"}))) as (_, url):
        assert get(url, {"expand": "owner"}).status == 200
        assert get(url, {"expnad": "owner"}).json() == {"error": "unknown query parameters: expnad"}
        assert get(f"{url}?expand=a&expand=b").status == 400


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/else", 404), ("POST", "/rows", 405)])
def test_other_paths_and_methods_are_rejected(method: str, path: str, status: int) -> None:
    with serve_endpoint(endpoint(ROWS)) as (_, url):
        assert http.request(method, url.replace("/rows", path)).status == status
