"""Endpoints of the fake API: where rows are in the body, every kind of time filter, and rows that change."""

from __future__ import annotations

from typing import Any

import pytest

from analytics_assets_tests.fake_api import (
    CursorPagination,
    Endpoint,
    OffsetPagination,
    PageNumberPagination,
    TimeFilter,
    serve_endpoint,
)
from analytics_assets_tests.support.http_client import Query, get

ROWS: list[dict[str, Any]] = [{"id": n} for n in range(3)]
DAY = 86_400_000


@pytest.mark.parametrize(
    ("selector", "body"),
    [
        ("$", ROWS),
        ("data", {"data": ROWS}),
        ("data.items", {"data": {"items": ROWS}}),
        ("items[*].data", {"items": [{"data": row} for row in ROWS]}),
        ("items.*.data", {"items": {str(row["id"]): {"data": row} for row in ROWS}}),
        ("items.*.data[*]", {"items": {"0": {"data": ROWS[:2]}, "2": {"data": ROWS[2:]}}}),
        ("result.items[*].node.data", {"result": {"items": [{"node": {"data": row}} for row in ROWS]}}),
    ],
)
def test_rows_are_where_the_selector_says(selector: str, body: Any) -> None:
    with serve_endpoint(Endpoint("/v1/rows", ROWS, selector=selector)) as (_, url):
        assert get(url).json() == body


def test_selectors_alternate_from_page_to_page() -> None:
    endpoint = Endpoint(
        "/rows", ROWS, selector=("items[*].data", "items.*.data"), pagination=PageNumberPagination(default_limit=2)
    )
    with serve_endpoint(endpoint) as (_, url):
        items = [get(url, {"page": page}).json()["items"] for page in "01"]
    assert items == [[{"data": {"id": 0}}, {"data": {"id": 1}}], {"2": {"data": {"id": 2}}}]


def test_totals_and_cursors_are_beside_nested_rows() -> None:
    pagination = CursorPagination(default_limit=2, cursor_path="data.next", total_path="data.total")
    endpoint = Endpoint("/rows", ROWS, selector="data.items", pagination=pagination, extra={"ok": True})
    with serve_endpoint(endpoint) as (_, url):
        body = get(url).json()
    assert body == {"ok": True, "data": {"total": 3, "next": body["data"]["next"], "items": ROWS[:2]}}


TIMES: list[dict[str, Any]] = [
    {"id": 0, "at": 0},
    {"id": 1, "at": DAY},
    {"id": 2, "at": DAY + 500},
    {"id": 3, "at": 2 * DAY},
    {"id": 4, "at": None},
]
SINCE_UNTIL = {"since": "{start}", "until": "{end}"}


@pytest.mark.parametrize(
    ("updated", "query", "ids"),
    [
        (TimeFilter("at", SINCE_UNTIL, "epoch_ms"), {}, [0, 1, 2, 3, 4]),
        (TimeFilter("at", SINCE_UNTIL, "epoch_ms"), {"since": str(DAY)}, [1, 2, 3]),
        (TimeFilter("at", SINCE_UNTIL, "epoch_ms"), {"since": str(DAY), "until": str(2 * DAY)}, [1, 2]),
        (
            TimeFilter("at", SINCE_UNTIL, "epoch_ms", start="exclusive", end="inclusive"),
            {"since": str(DAY), "until": str(2 * DAY)},
            [2, 3],
        ),
        (TimeFilter("at", SINCE_UNTIL, "epoch_ms", ignored=True), {"since": str(DAY)}, [0, 1, 2, 3, 4]),
        (TimeFilter("at", SINCE_UNTIL, "epoch_s", "epoch_ms"), {"since": "86400", "until": "172800"}, [1, 2]),
        (TimeFilter("at", SINCE_UNTIL, "epoch_s", "epoch_ms", start="exclusive"), {"since": "86400"}, [3]),
        (TimeFilter("at", SINCE_UNTIL, "iso8601", "epoch_ms"), {"since": "1970-01-02T00:00:00Z"}, [1, 2, 3]),
        (TimeFilter("at", SINCE_UNTIL, "iso8601", "epoch_ms"), {"since": "1970-01-02T01:00:00.0001+01:00"}, [2, 3]),
        (TimeFilter("at", SINCE_UNTIL, "date", "epoch_ms", end="inclusive"), {"until": "1970-01-02"}, [0, 1, 2]),
        (TimeFilter("at", SINCE_UNTIL, "date", "epoch_ms"), {"until": "1970-01-02"}, [0]),
        (TimeFilter("at", SINCE_UNTIL, "%Y%m%d %H:%M", "epoch_ms"), {"since": "19700102 00:00"}, [1, 2, 3]),
        (TimeFilter("at", {"on": "><{start}|{end}"}, "date", "epoch_ms"), {"on": "><1970-01-02|1970-01-03"}, [1, 2]),
        (TimeFilter("at", {"filter": "at >= {start}"}, "epoch_ms"), {"filter": f"at >= {DAY + 1}"}, [2, 3]),
        (TimeFilter("at", {"filter[at][_gte]": "{start}"}, "epoch_ms"), {"filter[at][_gte]": str(DAY)}, [1, 2, 3]),
    ],
)
def test_time_filter_selects_the_rows_within_its_bounds(updated: TimeFilter, query: Query, ids: list[int]) -> None:
    endpoint = Endpoint("/rows", TIMES, updated=updated, pagination=OffsetPagination(total_path="total"))
    with serve_endpoint(endpoint) as (_, url):
        body = get(url, query).json()
    assert [row["id"] for row in body["data"]] == ids
    assert body["total"] == len(ids)


def test_hidden_field_is_filtered_by_but_not_returned() -> None:
    updated = TimeFilter("at", SINCE_UNTIL, "epoch_ms", hidden=True)
    with serve_endpoint(Endpoint("/rows", TIMES, updated=updated)) as (_, url):
        assert get(url, {"since": str(2 * DAY)}).json() == {"data": [{"id": 3}]}


@pytest.mark.parametrize(
    ("format", "query"),
    [
        ("iso8601", {"since": "1970-01-02"}),
        ("iso8601", {"since": "1970-01-02T00:00:00"}),
        ("epoch_ms", {"since": "1970-01-02T00:00:00Z"}),
        ("epoch_s", {"since": "1.5"}),
        ("date", {"since": "1970-01-02T00:00:00Z"}),
        ("epoch_ms", {"since": ""}),
    ],
)
def test_bounds_in_another_format_are_rejected(format: str, query: Query) -> None:
    updated = TimeFilter("at", SINCE_UNTIL, format, "epoch_ms")
    with serve_endpoint(Endpoint("/rows", TIMES, updated=updated)) as (_, url):
        assert get(url, query).status == 400


def test_only_a_strict_api_rejects_unknown_parameters() -> None:
    with serve_endpoint(Endpoint("/rows", ROWS)) as (_, url):
        assert get(url, {"expand": "owner"}).status == 400
    with serve_endpoint(Endpoint("/rows", ROWS), strict=False) as (_, url):
        assert get(url, {"expand": "owner"}).status == 200


def test_rows_can_change_between_two_pages() -> None:
    endpoint = Endpoint("/rows", ROWS, pagination=OffsetPagination(default_limit=2))
    with serve_endpoint(endpoint) as (server, url):
        first = get(url).json()["data"]
        server.set_rows("shop", "/rows", ROWS[1:])
        second = get(url, {"offset": "2"}).json()["data"]
    assert first == ROWS[:2]
    assert second == []  # the row at the border of the pages is never read
