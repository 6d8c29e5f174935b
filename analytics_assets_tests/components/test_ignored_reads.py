"""Reads that `response_actions` ignores: in the metadata, in the check `complete`, and in the run log."""

from __future__ import annotations

from collections.abc import Callable

from analytics_assets_tests.components.conftest import JobHarness, last_metadata
from analytics_assets_tests.fake_api import Api, Endpoint, FakeServer, OffsetPagination, TimeFilter, faults

ORDERS = """\
type: analytics_assets.components.RestApi
attributes:
  client: {base_url: {env: SHOP_BASE_URL}}
  resources:
    - name: orders
      primary_key: id
      endpoint:
        path: /v1/orders
        data_selector: data
        paginator: {type: offset, limit: 2}
        incremental: {cursor_path: updatedAt, start_param: since, end_param: until}
        response_actions: [{status_code: 404, action: ignore}]
  partitions: {cadence: daily, start: 2026-10-01, chunk: 1}
"""
ROWS = [{"id": n, "updatedAt": f"2026-10-0{n}T06:00:00Z"} for n in (1, 2, 3)]


def test_ignored_windows_are_counted_and_pass_the_check(build_harness: Callable[..., JobHarness]) -> None:
    updated = TimeFilter("updatedAt", {"since": "{start}", "until": "{end}"})
    endpoint = Endpoint("/v1/orders", ROWS, pagination=OffsetPagination(max_limit=100), updated=updated)
    harness = build_harness(FakeServer([Api("shop", [endpoint])]), {"shop": ORDERS})
    harness.server.faults.add(faults.status(404), query={"since": "2026-10-02T00:00:00Z"}, times=None)

    result = harness.run("shop_incremental", partition="2026-10-02")
    assert last_metadata(result, "shop/orders")["ignored_reads"] == 1
    [check] = [check for check in result.get_asset_check_evaluations() if check.check_name == "complete"]
    assert check.passed
    assert check.metadata["ignored_reads"].value == 1
    warning = "1 of 1 reads are without rows: `response_actions` ignores them (404: 1)"
    assert any(line.endswith(warning) for line in harness.log_lines(result))

    result = harness.run("shop_incremental", partitions=("2026-10-01", "2026-10-03"))
    assert [row["id"] for row in harness.rows("shop.orders")] == [1, 3]
    [check] = [check for check in result.get_asset_check_evaluations() if check.check_name == "complete"]
    assert check.passed
    assert (check.metadata["ignored_reads"].value, check.metadata["rows_read"].value) == (1, 2)


def test_ignored_read_of_all_history_fails_the_run(build_harness: Callable[..., JobHarness]) -> None:
    endpoint = Endpoint("/v1/orders", ROWS, pagination=OffsetPagination(max_limit=100))
    harness = build_harness(FakeServer([Api("shop", [endpoint])]), {"shop": ORDERS})
    harness.run("shop_full_refresh")
    harness.server.faults.add(faults.status(404), times=None)
    harness.run("shop_full_refresh", ok=False)
    assert [row["id"] for row in harness.rows("shop.orders")] == [1, 2, 3]
