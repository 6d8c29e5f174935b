"""Cadences and time zones: the windows that runs load, and full refreshes over APIs that differ in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from analytics_assets.definitions import build_definitions
from analytics_assets_tests.components.conftest import (
    JobHarness,
    failure_message,
    last_metadata,
    materializations,
    write_defs,
)
from analytics_assets_tests.fake_api import Api, Bearer, Endpoint, FakeServer, OffsetPagination, TimeFilter, faults

API = """\
type: analytics_assets.components.RestApi
attributes:
  client:
    base_url: {env: %(prefix)s_BASE_URL}
    auth: {type: bearer, token: {env: %(prefix)s_API_TOKEN}}
  resource_defaults:
    primary_key: id
    endpoint: {data_selector: data, paginator: {type: offset, limit: 100}}
  resources:
    - name: orders
      endpoint:
        path: /v1/orders
        incremental: {cursor_path: updated_at, start_param: since, end_param: until}
    - name: customers
      endpoint: {path: /v1/customers}
  partitions: {%(partitions)s}
  schedule: {%(schedule)s}
"""
HOURLY = "cadence: hourly, start: 2026-10-01"
DAILY = "cadence: daily, start: 2026-10-01"
BERLIN = "timezone: Europe/Berlin"


def defs_yaml(api: str, partitions: str, schedule: str = "hour: 0") -> str:
    return API % {"prefix": api.upper(), "partitions": partitions, "schedule": schedule}


def definitions(folder: Path, **files: str) -> dg.Definitions:
    return build_definitions({"ANALYTICS_DEFS_DIR": str(write_defs(folder / "defs", files))})


def job_names(of: dg.Definitions) -> set[str]:
    return {name for name in of.get_repository_def().job_names if not name.startswith("__")}


def two_grids(build_harness: Callable[..., JobHarness]) -> JobHarness:
    """Two APIs whose partitions differ: Dagster has no asset job over both."""
    rows = [{"id": day, "updated_at": f"2026-10-{day + 1:02}T00:00:00Z"} for day in range(31)]
    updated = TimeFilter("updated_at", {"since": "{start}", "until": "{end}"})
    pagination = OffsetPagination(max_limit=100)
    endpoints = [
        Endpoint("/v1/orders", rows, pagination=pagination, updated=updated),
        Endpoint("/v1/customers", rows[:5], pagination=pagination),
    ]
    server = FakeServer([Api(name, endpoints, auth=Bearer("token")) for name in ("shop", "store")])
    weekly = defs_yaml("store", "cadence: weekly, start: 2026-10-04")
    return build_harness(server, {"shop": defs_yaml("shop", DAILY), "store": weekly})


def test_full_refresh_covers_apis_with_different_partitions(build_harness: Callable[..., JobHarness]) -> None:
    harness = two_grids(build_harness)
    harness.run("shop_incremental", partition="2026-10-05")
    harness.server.set_rows("shop", "/v1/orders", [{"id": 99, "updated_at": "2026-10-07T00:00:00Z"}])
    result = harness.run("full_refresh")
    assert {table: len(harness.rows(f"{table}")) for table in ("shop.orders", "store.orders", "store.customers")} == {
        "shop.orders": 1,
        "store.orders": 31,
        "store.customers": 5,
    }
    assert all(not {"since", "until"} & query.keys() for query in harness.queries("/v1/orders"))
    assert {"2026-10-01", "2026-10-31"} <= materializations(result, "shop/orders").keys()
    assert {"2026-10-04", "2026-10-11"} <= materializations(result, "store/orders").keys()
    assert materializations(result, "store/customers").keys() == {None}
    assert last_metadata(result, "store/orders")["mode"] == "full refresh"
    steps = {event.step_key for event in result.all_events if event.is_step_success}
    assert steps == {f"{api}__{resource}" for api in ("shop", "store") for resource in ("orders", "customers")}
    checks = {
        (record.dagster_event.asset_check_evaluation_data.asset_key.to_user_string(), evaluation.check_name)
        for record in harness.instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        if record.dagster_event and (evaluation := record.dagster_event.asset_check_evaluation_data)
    }
    assert ("shop/orders", "columns_keep_their_types") in checks
    assert ("store/orders", "complete") in checks


def test_full_refresh_over_different_partitions_loads_the_others_if_one_fails(
    build_harness: Callable[..., JobHarness],
) -> None:
    harness = two_grids(build_harness)
    harness.server.faults.add(faults.status(403), path="/shop/v1/orders", times=None)
    result = harness.run("full_refresh", ok=False)
    assert failure_message(result, "shop__orders").startswith("shop/orders: GET ")
    assert len(harness.rows("store.orders")) == 31
    assert materializations(result, "shop/orders") == {}


def test_each_full_refresh_job_carries_the_mode(folder: Path) -> None:
    found = definitions(folder, shop=defs_yaml("shop", DAILY), store=defs_yaml("store", HOURLY))
    jobs = {name: found.resolve_job_def(name) for name in job_names(found) if name.endswith("full_refresh")}
    assert jobs.keys() == {"full_refresh", "shop_full_refresh", "store_full_refresh"}
    assert all(job.tags["analytics/mode"] == "full_refresh" for job in jobs.values())


@pytest.mark.parametrize("other", [DAILY, f"{DAILY}, timezone: UTC"])
def test_full_refresh_over_equal_partitions_is_an_asset_job(folder: Path, other: str) -> None:
    found = definitions(folder, shop=defs_yaml("shop", DAILY), store=defs_yaml("store", other))
    assert len(list(found.resolve_job_def("full_refresh").asset_layer.selected_asset_keys)) == 4


def test_day_of_25_hours(build_harness: Callable[..., JobHarness]) -> None:
    """In Berlin clocks were set back on 2026-10-25: the day is 22:00 UTC to 23:00 UTC of the next day."""
    rows = [{"id": hour, "updated_at": f"2026-10-{24 + hour // 24}T{hour % 24:02}:00:00Z"} for hour in range(72)]
    harness = shop(build_harness, rows, f"{DAILY}, {BERLIN}")
    result = harness.run("shop_incremental", partition="2026-10-25")
    assert [row["id"] for row in harness.rows("shop.orders")] == list(range(22, 47))
    [metadata] = materializations(result, "shop/orders").values()
    assert metadata["window"] == "[2026-10-24T22:00:00Z, 2026-10-25T23:00:00Z)"
    harness.run("shop_incremental", partitions=("2026-10-24", "2026-10-26"))
    assert [row["id"] for row in harness.rows("shop.orders")] == list(range(71))


def test_25_hourly_partitions_cover_a_day_of_25_hours(build_harness: Callable[..., JobHarness]) -> None:
    rows = [{"id": n, "updated_at": f"2026-10-25T{n // 2:02}:{n % 2 * 30:02}:00Z"} for n in range(8)]
    harness = shop(build_harness, rows, f"{HOURLY}, {BERLIN}")
    grid = harness.definitions.resolve_job_def("shop_incremental").partitions_def
    assert isinstance(grid, dg.TimeWindowPartitionsDefinition)
    keys = [key for key in grid.get_partition_keys() if key.startswith("2026-10-25-0")][:6]
    for key in keys:
        harness.run("shop_incremental", partition=key)
    assert [row["id"] for row in harness.rows("shop.orders")] == list(range(8))


@pytest.mark.parametrize(
    ("partitions", "partition", "ids"),
    [
        ("cadence: weekly, start: 2026-10-04", "2026-10-11", range(10, 17)),
        ("cadence: monthly, start: 2026-09-01", "2026-10-01", range(31)),
        (HOURLY, "2026-10-03-00:00", range(2, 3)),
        ("cadence: daily, start: 2026-10-01T06:00", "2026-10-03", range(2, 3)),
    ],
)
def test_every_cadence_loads_its_window(
    build_harness: Callable[..., JobHarness], partitions: str, partition: str, ids: range
) -> None:
    rows = [{"id": day, "updated_at": f"2026-10-{day + 1:02}T00:00:00Z"} for day in range(31)]
    harness = shop(build_harness, rows, partitions)
    harness.run("shop_incremental", partition=partition)
    assert [row["id"] for row in harness.rows("shop.orders")] == list(ids)


def shop(build_harness: Callable[..., JobHarness], rows: list[dict[str, object]], partitions: str) -> JobHarness:
    filtered = TimeFilter("updated_at", {"since": "{start}", "until": "{end}"})
    endpoint = Endpoint("/v1/orders", rows, pagination=OffsetPagination(max_limit=100), updated=filtered)
    return build_harness(
        FakeServer([Api("shop", [endpoint], auth=Bearer("token"))]), {"shop": defs_yaml("shop", partitions)}
    )
