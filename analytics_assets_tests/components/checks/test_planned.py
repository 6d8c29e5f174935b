"""Evaluations that Dagster plans leave nothing behind in the history of a check."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from analytics_assets_tests.components.checks.conftest import BuildShop, faults, order
from analytics_assets_tests.components.conftest import JobHarness

KEY = dg.AssetKey(["shop", "orders"])
ROWS = [order(n, day=n) for n in range(1, 8)]
CHECKS = (
    "api_honours_the_window",
    "columns_are_known",
    "columns_keep_their_types",
    "complete",
    "key_is_unique_and_present",
    "rows_as_usual",
    "rows_gone_from_api",
)


def history(harness: JobHarness) -> dict[str, list[AssetCheckExecutionRecordStatus]]:
    """What the UI shows as the execution history of each check, newest first."""
    storage = harness.instance.event_log_storage
    return {
        name: [
            record.status
            for record in storage.get_asset_check_execution_history(dg.AssetCheckKey(KEY, name), limit=100)
        ]
        for name in CHECKS
    }


@pytest.mark.parametrize("last", ["2026-10-01", "2026-10-07"], ids=["one partition", "a range"])
def test_run_adds_one_result_to_each_check(shop: BuildShop, last: str) -> None:
    harness = shop(ROWS)
    harness.run("shop_incremental", partitions=("2026-10-01", last))
    without = ("rows_gone_from_api",)  # windows say nothing about it
    assert history(harness) == {
        name: [] if name in without else [AssetCheckExecutionRecordStatus.SUCCEEDED] for name in CHECKS
    }


def test_full_refresh_adds_nothing_to_checks_of_windows(shop: BuildShop) -> None:
    harness = shop(ROWS)
    harness.run("shop_full_refresh")
    found = history(harness)
    assert found["api_honours_the_window"] == found["rows_as_usual"] == []
    assert found["rows_gone_from_api"] == [AssetCheckExecutionRecordStatus.SUCCEEDED]


@pytest.mark.parametrize("job", ["shop_incremental", "shop_full_refresh"])
def test_failed_load_adds_nothing(shop: BuildShop, job: str) -> None:
    harness = shop(ROWS)
    partition = "2026-10-01" if job == "shop_incremental" else None
    harness.run(job, partition=partition)
    before = history(harness)
    harness.server.faults.add(faults.status(403), path="/v1/orders")
    harness.run(job, partition=partition, ok=False)
    assert history(harness) == before
