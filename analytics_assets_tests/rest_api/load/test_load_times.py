"""Requests that contain the time of the load."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.config import LoadTime, parse_config
from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets.rest_api.load.table import load_table
from analytics_assets.rest_api.windows import load_time_value
from analytics_assets_tests.fake_api import Api, Endpoint, FakeServer, OffsetPagination, faults, serve
from analytics_assets_tests.support.loaders import Loader

NOW = datetime(2026, 3, 1, 23, 59, 58, 123456, timezone.utc)
ROWS = [{"id": n, "day": f"2026-02-{n:02}"} for n in range(1, 29)]


@pytest.mark.parametrize(
    ("time", "value"),
    [
        ({"now": "date"}, "2026-03-01"),
        ({"now": "date", "minus": "30 days"}, "2026-01-30"),
        ({"now": "date", "plus": "PT2S"}, "2026-03-02"),
        ({"now": "iso8601"}, "2026-03-01T23:59:58Z"),
        ({"now": "epoch_s"}, 1772409598),
        ({"now": "epoch_ms", "minus": "PT1H"}, 1772405998123),
        ({"now": "%d/%m/%Y %H:%M:%S.%f"}, "01/03/2026 23:59:58.123456"),
    ],
)
def test_time_of_the_load_in_each_format(time: dict[str, Any], value: str | int) -> None:
    assert load_time_value(NOW, LoadTime.model_validate(time)) == value


def test_all_requests_of_a_load_contain_the_same_time(tmp_path: Path) -> None:
    endpoint = {
        "path": "/{today}/orders",
        "method": "POST",
        "params": {"range": "{month_ago},{today}"},
        "headers": {"X-Day": "{today}"},
        "json": {"until": "{seconds}", "label": "at {seconds}"},
        "data_selector": "data",
        "paginator": {"type": "offset", "limit": 10},
        "values": {
            "today": {"now": "date"},
            "month_ago": {"now": "date", "minus": "28 days"},
            "seconds": {"now": "epoch_s"},
        },
    }
    config = parse_config(
        {
            "client": {"base_url": {"env": "SHOP_BASE_URL"}, "max_concurrency": 2},
            "resources": [{"name": "orders", "primary_key": "id", "endpoint": endpoint}],
        }
    )
    orders = Endpoint(
        "/2026-03-01/orders",
        ROWS,
        pagination=OffsetPagination(),
        params=frozenset({"range", "until", "label"}),
        method="POST",
    )
    server = FakeServer([Api("shop", [orders])])
    server.faults.add(faults.status(503, headers={"Retry-After": "0"}), page=2)
    with serve(server) as url:
        loader = Loader("shop", server.variables(url), tmp_path)
        load_table(
            LoadRequest(
                api="shop",
                client=config.client,
                resource=config.resolved_resources()[0],
                warehouse=Warehouse(duckdb_path=loader.file, state_dir=tmp_path / "state"),
                dataset="shop",
                environ=loader.environ,
                now=NOW,
            )
        )
    assert [row["id"] for row in loader.rows("orders")] == list(range(1, 29))
    sent = [record.request for record in server.requests]
    assert len(sent) >= 5
    assert {each.query["range"] for each in sent} == {"2026-02-01,2026-03-01"}
    assert {each.headers["x-day"] for each in sent} == {"2026-03-01"}
    bodies = [json.loads(each.body) for each in sent]
    assert all(body == {"until": 1772409598, "label": "at 1772409598"} for body in bodies)


def test_load_begins_now(tmp_path: Path) -> None:
    config = parse_config(
        {
            "client": {"base_url": {"env": "SHOP_BASE_URL"}},
            "resources": [
                {
                    "name": "orders",
                    "primary_key": "id",
                    "endpoint": {
                        "path": "/orders",
                        "params": {"at": "{now}"},
                        "data_selector": "data",
                        "paginator": "single_page",
                        "values": {"now": {"now": "epoch_ms"}},
                    },
                }
            ],
        }
    )
    server = FakeServer([Api("shop", [Endpoint("/orders", ROWS, params=frozenset({"at"}))])])
    before = datetime.now(timezone.utc).timestamp()
    with serve(server) as url:
        Loader("shop", server.variables(url), tmp_path).load(config, "orders")
    [request] = [record.request for record in server.requests]
    assert int(before * 1000) <= int(request.query["at"]) <= datetime.now(timezone.utc).timestamp() * 1000
