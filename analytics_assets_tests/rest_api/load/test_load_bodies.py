"""Loads of windows whose bounds are in the body or in the path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.config import RestApiConfig, parse_config
from analytics_assets_tests.fake_api import (
    Api,
    CursorPagination,
    Endpoint,
    FakeServer,
    OffsetPagination,
    PageNumberPagination,
    Pagination,
    TimeFilter,
    faults,
    serve,
)
from analytics_assets_tests.support.loaders import Loader, day

OCTOBER = datetime(2026, 10, 1, tzinfo=timezone.utc)
UPDATED = [int((OCTOBER + timedelta(minutes=20 * n)).timestamp() * 1000) for n in range(72 * 4)]  # four days
ROWS = [{"id": n, "updated": updated} for n, updated in enumerate(UPDATED)]
RANGE = {"range": {"from": "{start}", "to": "{end}", "label": "from {start}"}}
CURSOR = {"type": "cursor", "limit": 10, "limit_body_path": "size", "cursor_body_path": "after", "cursor_path": "next"}
OFFSET = {"type": "offset", "limit": 10, "limit_body_path": "size", "offset_body_path": "at", "total_path": "total"}
PAGINATIONS: Mapping[str, tuple[Pagination, Mapping[str, Any]]] = {
    "cursor": (CursorPagination(limit_param="size", cursor_param="after"), CURSOR),
    "offset": (OffsetPagination(limit_param="size", offset_param="at", total_path="total"), OFFSET),
}


def described(concurrency: int = 4, **endpoint: Any) -> RestApiConfig:
    return parse_config(
        {
            "client": {"base_url": {"env": "SHOP_BASE_URL"}, "max_concurrency": concurrency},
            "partitions": {"cadence": "daily", "start": "2026-10-01"},
            "resources": [{"name": "orders", "primary_key": "id", "endpoint": {"data_selector": "data", **endpoint}}],
        }
    )


def searched(pagination: Pagination, method: str = "POST") -> Endpoint:
    bounds = TimeFilter("updated", {"range.from": "{start}", "range.to": "{end}"}, format="epoch_ms")
    return Endpoint(
        "/orders", ROWS, pagination=pagination, updated=bounds, params=frozenset({"range.label"}), method=method
    )


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("kind", PAGINATIONS)
def test_bounds_in_the_body_select_the_window(kind: str, concurrency: int, tmp_path: Path) -> None:
    pagination, paginator = PAGINATIONS[kind]
    incremental = {"cursor_path": "updated", "format": "epoch_ms"}
    config = described(concurrency, method="POST", json=RANGE, paginator=paginator, incremental=incremental)
    server = FakeServer([Api("shop", [searched(pagination)])])
    with serve(server) as url:
        loader = Loader("shop", server.variables(url), tmp_path)
        result = loader.load(config, "orders", window=day(2, 3))
        assert [row["id"] for row in loader.rows("orders")] == list(range(72, 216))
        assert result.statistics.rows_outside_window == 0
        ranges = [json.loads(record.request.body)["range"] for record in server.requests]
        assert {type(each[bound]) for each in ranges for bound in ("from", "to")} == {int}
        assert all(each["label"] == f"from {each['from']}" for each in ranges)
        has_slices = len({each["from"] for each in ranges}) > 1
        assert has_slices == (concurrency > 1 and kind == "cursor")  # with a total, pages are requested by offset

        loader.load(config, "orders", full_refresh=True)
        assert [row["id"] for row in loader.rows("orders")] == list(range(288))
        last = json.loads(server.requests[-1].request.body)["range"]
        assert (last["from"], last["to"]) == (0, 4102444800000)


@pytest.mark.parametrize("kind", PAGINATIONS)
def test_get_sends_its_body_with_each_page(kind: str, tmp_path: Path) -> None:
    pagination, paginator = PAGINATIONS[kind]
    incremental = {"cursor_path": "updated", "format": "epoch_ms"}
    config = described(method="GET", json=RANGE, paginator=paginator, incremental=incremental)
    server = FakeServer([Api("shop", [searched(pagination, "GET")])])
    server.faults.add(faults.status(503, headers={"Retry-After": "0"}), page=2)
    with serve(server) as url:
        loader = Loader("shop", server.variables(url), tmp_path)
        loader.load(config, "orders", window=day(2, 3))
    assert [row["id"] for row in loader.rows("orders")] == list(range(72, 216))
    bodies = [json.loads(record.request.body) for record in server.requests]
    assert all({"range", "size"} <= body.keys() for body in bodies)
    assert {record.request.method for record in server.requests} == {"GET"}
    assert {record.request.headers["content-type"] for record in server.requests} == {"application/json"}


def test_get_sends_a_form(tmp_path: Path) -> None:
    paginator = {"type": "page_number", "start_from_page": 0, "page_body_path": "page"}
    config = described(method="GET", data={"state": "all"}, paginator=paginator)
    orders = Endpoint("/orders", ROWS, pagination=PageNumberPagination(), params=frozenset({"state"}), method="GET")
    server = FakeServer([Api("shop", [orders])])
    with serve(server) as url:
        loader = Loader("shop", server.variables(url), tmp_path)
        loader.load(config, "orders")
    assert [row["id"] for row in loader.rows("orders")] == list(range(288))
    assert server.requests[0].request.form() == {"state": "all", "page": "0"}


def test_replayed_windows_give_the_same_table(tmp_path: Path) -> None:
    pagination, paginator = PAGINATIONS["cursor"]
    incremental = {"cursor_path": "updated", "format": "epoch_ms"}
    config = described(method="POST", json=RANGE, paginator=paginator, incremental=incremental)
    server = FakeServer([Api("shop", [searched(pagination)])])
    with serve(server) as url:
        loader = Loader("shop", server.variables(url), tmp_path)
        for first, last in ((3, 4), (1, 1), (2, 3), (1, 1)):
            loader.load(config, "orders", window=day(first, last))
    assert loader.rows("orders") == [
        {"id": row["id"], "updated": datetime.fromtimestamp(row["updated"] / 1000, tz=timezone.utc)} for row in ROWS
    ]


def test_bounds_in_the_path_and_in_a_header_select_the_window(tmp_path: Path) -> None:
    days = [
        Endpoint(
            f"/days/{OCTOBER + timedelta(days=n):%Y-%m-%d}",
            [{**row, "day": f"2026-10-0{n + 1}"} for row in ROWS[72 * n : 72 * n + 72]],
            method="PUT",
        )
        for n in range(4)
    ]
    incremental = {"cursor_path": "day", "format": "date"}
    config = described(
        path="/days/{start}",
        method="PUT",
        headers={"X-Until": "{end}"},
        paginator="single_page",
        incremental=incremental,
    )
    server = FakeServer([Api("shop", days)])
    with serve(server) as url:
        loader = Loader("shop", server.variables(url), tmp_path)
        for n in (2, 1):
            loader.load(config, "orders", window=day(n))
        assert [row["id"] for row in loader.rows("orders")] == list(range(144))
        assert [record.request.headers["x-until"] for record in server.requests] == ["2026-10-03", "2026-10-02"]
