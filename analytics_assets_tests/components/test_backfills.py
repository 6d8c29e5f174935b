"""Backfills: one run over the range, or runs of `partitions.per_run` partitions on as many machines."""

from __future__ import annotations

import logging
from collections.abc import Callable

import dagster as dg
import pytest
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._time import get_current_timestamp

from analytics_assets_tests.components.conftest import JobHarness
from analytics_assets_tests.fake_api import builtin_server
from analytics_assets_tests.support.expected_rows import expected_rows
from analytics_assets_tests.support.project import ROOT

RECRUITING = (ROOT / "analytics_assets" / "defs" / "recruiting" / "defs.yaml").read_text()
CADENCE = "cadence: daily"
USERS = dg.AssetKey(["recruiting", "users"])
START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
DAYS = [f"2026-10-{day:02}" for day in range(1, 8)]


@pytest.fixture
def spread(build_harness: Callable[..., JobHarness]) -> JobHarness:
    """The API `recruiting` with at most three partitions a run."""
    assert RECRUITING.count(CADENCE) == 1
    return build_harness(builtin_server(), {"recruiting": RECRUITING.replace(CADENCE, f"{CADENCE}, per_run: 3")})


def requested_runs(instance: dg.DagsterInstance, keys: list[str]) -> list[tuple[str | None, str | None]]:
    """The ranges of the runs that a backfill of the partitions requests."""
    target = ModuleTarget("analytics_assets.definitions", None, str(ROOT), "analytics_assets")
    with create_test_daemon_workspace_context(target, instance) as workspace:
        graph = workspace.create_request_context().asset_graph
        backfill = PartitionBackfill.from_asset_partitions(
            backfill_id="backfill",
            asset_graph=graph,
            partition_names=keys,
            asset_selection=[USERS],
            backfill_timestamp=get_current_timestamp(),
            tags={},
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
        instance.add_backfill(backfill)
        assert [error for error in execute_backfill_iteration(workspace, logging.getLogger("backfill")) if error] == []
    return sorted((run.tags.get(START), run.tags.get(END)) for run in instance.get_runs())


def test_backfill_is_split_into_runs_of_the_number_of_partitions(
    spread: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALYTICS_DEFS_DIR", str(spread.folder / "defs"))
    with dg.instance_for_test() as instance:
        found = requested_runs(instance, DAYS)
    assert found == [("2026-10-01", "2026-10-03"), ("2026-10-04", "2026-10-06"), ("2026-10-07", "2026-10-07")]


def test_backfill_is_one_run_by_default(harness: JobHarness) -> None:
    with dg.instance_for_test() as instance:
        assert requested_runs(instance, DAYS) == [("2026-10-01", "2026-10-07")]


def test_runs_of_a_backfill_load_the_same_rows_in_any_order(spread: JobHarness) -> None:
    for days in (DAYS[6:], DAYS[:3], DAYS[3:6]):
        spread.run("recruiting_incremental", partitions=(days[0], days[-1]))
    assert spread.rows("recruiting.users") == expected_rows("recruiting.users", since=DAYS[0], until="2026-10-08")


def test_full_refresh_is_one_run_without_partitions(spread: JobHarness) -> None:
    assert spread.definitions.resolve_job_def("full_refresh").partitions_def is None
    spread.run("full_refresh")
    assert spread.rows("recruiting.users") == expected_rows("recruiting.users")
