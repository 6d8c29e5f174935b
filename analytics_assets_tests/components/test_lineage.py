"""Lineage leads to the fields of the endpoint, and each load is seen on the endpoint's asset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from analytics_assets.sandbox import builtin
from analytics_assets_tests.components.conftest import DEFS, JobHarness, last_metadata
from analytics_assets_tests.fake_api import Api, Endpoint, FakeServer, OffsetPagination, TimeFilter, builtin_server
from analytics_assets_tests.support.expected_rows import COLUMNS, snake_case

EVENTS = """\
type: analytics_assets.components.RestApi
attributes:
  client: {base_url: {env: SHOP_BASE_URL}}
  resources:
    - name: events
      primary_key: id
      columns: {id: {type: integer}, soldFor: {type: number}}
      endpoint:
        path: /v1/events?debug=HUSH
        data_selector: data
        paginator: {type: offset, limit: 2, total_path: total}
        incremental: {cursor_path: meta.changedAt, start_param: since, end_param: until}
  partitions: {cadence: daily, start: 2026-10-01}
"""
ROWS: list[dict[str, Any]] = [
    {"id": 1, "Amount": 5, "meta": {"changedAt": "2026-10-01T06:00:00Z"}},
    {"id": 2, "Amount": 6, "meta": {"changedAt": "2026-10-01T07:00:00Z"}},
    {"id": 3, "Amount": "seven", "meta": {"changedAt": "2026-10-01T08:00:00Z"}},
]


@pytest.fixture
def events(build_harness: Callable[..., JobHarness]) -> JobHarness:
    pages = OffsetPagination(max_limit=100, total_path="total")
    filters = TimeFilter("meta.changedAt", {"since": "{start}", "until": "{end}"}, ignored=True)
    endpoint = Endpoint("/v1/events", ROWS, pagination=pages, updated=filters, params=frozenset({"debug"}))
    return build_harness(FakeServer([Api("shop", [endpoint])]), {"shop": EVENTS})


def observations(result: dg.ExecuteInProcessResult, key: str) -> list[dict[str, Any]]:
    """The metadata values of the observations of an asset."""
    return [
        {name: value.value for name, value in event.asset_observation_data.asset_observation.metadata.items()}
        for event in result.get_asset_observation_events()
        if event.asset_key == dg.AssetKey(key.split("/"))
    ]


def sources(lineage: dg.TableColumnLineage) -> dict[str, tuple[str, str]]:
    """The endpoint and the field of each column."""
    found: dict[str, tuple[str, str]] = {}
    for column, deps in lineage.deps_by_column.items():
        [dep] = deps
        found[column] = (dep.asset_key.to_user_string(), dep.column_name)
    return found


def test_each_column_leads_to_the_field_of_the_endpoint(harness: JobHarness) -> None:
    result = harness.run("full_refresh")
    for table, columns in COLUMNS.items():
        api, name = table.split(".")
        lineage = last_metadata(result, f"{api}/{name}")["dagster/column_lineage"]
        assert sources(lineage) == {snake_case(field): (f"{api}_api/{name}", field) for field in columns}


def test_nested_cursors_variants_and_fields_without_rows(events: JobHarness) -> None:
    metadata = last_metadata(events.run("shop_incremental", partition="2026-10-01"), "shop/events")
    assert {column: field for column, (_, field) in sources(metadata["dagster/column_lineage"]).items()} == {
        "id": "id",
        "sold_for": "soldFor",
        "amount": "Amount",
        "amount__v_text": "Amount",
        "meta": "meta",
        "meta_changed_at": "meta.changedAt",
    }


def test_each_load_is_an_observation_of_the_endpoint(events: JobHarness) -> None:
    result = events.run("shop_incremental", partition="2026-10-01")
    [observed] = observations(result, "shop_api/events")
    timed, url = observed.pop("api_seconds"), observed.pop("url")
    assert timed > 0
    assert url.endswith("/shop/v1/events")
    assert observed == {
        "status": 200,
        "total": 3,
        "requests": 2,
        "retries": 0,
        "pages": 2,
        "rows": 3,
        "bytes_received": last_metadata(result, "shop/events")["bytes_received"],
        "window": "[2026-10-01T00:00:00Z, 2026-10-02T00:00:00Z)",
        "source": "API",
    }
    metadata = last_metadata(result, "shop/events")
    assert (metadata["api_total"], metadata["api_path"]) == (3, "/shop/v1/events")
    assert "HUSH" not in str((metadata, url))


def test_a_full_refresh_of_ops_observes_all_endpoints(build_harness: Callable[..., JobHarness]) -> None:
    """Two grids: the job runs an op for each asset."""
    defs = {
        api: text.replace("cadence: daily", "cadence: weekly") if api == "treasury" else text
        for api, text in ((api, (DEFS / api / "defs.yaml").read_text()) for api in ("recruiting", "treasury"))
    }
    harness = build_harness(builtin_server(), defs)
    result = harness.run("full_refresh")
    for api, name in builtin.ROWS:
        [observed] = observations(result, f"{api}_api/{name}")
        assert (observed["status"], observed["rows"]) == (200, len(builtin.rows(api, name)))
