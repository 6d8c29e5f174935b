"""An API with one resource, whose rows and settings each test chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg
import pytest

from analytics_assets_tests.components.conftest import JobHarness
from analytics_assets_tests.fake_api import (
    Api,
    CursorPagination,
    Endpoint,
    FakeServer,
    OffsetPagination,
    TimeFilter,
    faults,
)

Row = dict[str, Any]
BuildShop = Callable[..., JobHarness]
CURSOR = "{type: cursor, limit: 2, cursor_param: cursor, cursor_path: next}"
OFFSET = "{type: offset, limit: 2}"
WINDOWS = "incremental: {cursor_path: at, start_param: since, end_param: until}"
SHOP = """\
type: analytics_assets.components.RestApi
attributes:
  client: {base_url: {env: SHOP_BASE_URL}, max_concurrency: 1}
%(api)s
  resources:
    - name: orders
      primary_key: id
%(resource)s
      endpoint:
        path: /v1/orders
        data_selector: data
        error_handler: {max_retries: 0}
        paginator: %(paginator)s
        %(incremental)s
  partitions: {cadence: daily, start: 2026-10-01}
"""
__all__ = ["CURSOR", "OFFSET", "SHOP", "WINDOWS", "faults"]


def order(number: int, day: int = 1, **fields: Any) -> Row:
    return {"id": number, "at": f"2026-10-{day:02}T06:00:00Z", **fields}


def evaluations(result: dg.ExecuteInProcessResult, harness: JobHarness) -> dict[str, dg.AssetCheckEvaluation]:
    """The results of the checks of `shop/orders` in a run, by name."""
    events = harness.instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [entry.dagster_event.asset_check_evaluation_data for entry in events if entry.dagster_event]
    return {check.check_name: check for check in found if check.asset_key.path == ["shop", "orders"]}


def numbers(check: dg.AssetCheckEvaluation) -> dict[str, Any]:
    return {name: value.value for name, value in check.metadata.items()}


@pytest.fixture
def shop(build_harness: Callable[..., JobHarness]) -> BuildShop:
    """Builds a harness for `shop/orders`. `api` and `resource` are lines of the YAML."""

    def build(
        rows: Sequence[Row] = (),
        *,
        windows: bool = True,
        paginator: str = CURSOR,
        total: bool = False,
        api: str = "",
        resource: str = "",
        **updated: Any,
    ) -> JobHarness:
        pagination = (
            OffsetPagination(max_limit=2, total_path="total" if total else None)
            if "offset" in paginator
            else CursorPagination(default_limit=2)
        )
        filtered = TimeFilter("at", {"since": "{start}", "until": "{end}"}, **updated) if windows else None
        endpoint = Endpoint("/v1/orders", list(rows), pagination=pagination, updated=filtered)
        text = SHOP % {
            "api": f"  {api}" if api else "",
            "resource": f"      {resource}" if resource else "",
            "paginator": paginator,
            "incremental": WINDOWS if windows else "",
        }
        return build_harness(FakeServer([Api("shop", [endpoint])]), {"shop": text})

    return build
