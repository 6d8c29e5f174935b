"""Runs whose process is killed: the next run repairs the tables, and the daemon starts a run again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from analytics_assets_tests.components.conftest import write_defs
from analytics_assets_tests.support.expected_rows import COLUMNS, expected_rows, stored_rows
from analytics_assets_tests.support.project import ROOT, Project
from analytics_assets_tests.support.ui import launch_run, query_graphql, serve_ui

pytestmark = pytest.mark.e2e

LOCATION = "analytics_assets.definitions"
BUILT_IN = ROOT / "analytics_assets" / "defs" / "recruiting" / "defs.yaml"
USERS = dg.AssetKey(["recruiting", "users"])
LOADED = "recruiting/users: 240 rows (all history) into recruiting_sandbox.users"


def materialized(instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[tuple[str, str]]:
    """The assets and partitions that a run materialized."""
    entries = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = [entry.get_dagster_event() for entry in entries]
    return {(event.asset_key.path[-1], event.partition or "") for event in events if event.asset_key}


def ended_windows() -> int:
    return (datetime.now(timezone.utc).date() - datetime(2026, 10, 1, tzinfo=timezone.utc).date()).days


def kill_and_run_again(project: Project, seconds: float) -> tuple[bool, int]:
    """Kill a full refresh after it has loaded a table, run it again, and compare all tables.

    Args:
        project: The project.
        seconds: Between the load of the table and the kill.

    Returns:
        Whether the run was killed in time, and the number of windows that it had materialized.
    """
    temporary = project.folder / "temporary"
    temporary.mkdir(exist_ok=True)
    environ = {"TMPDIR": str(temporary)}
    killed = project.execute_and_kill("full_refresh", after=LOADED, seconds=seconds, env=environ)
    with dg.DagsterInstance.from_config(str(project.folder / ".dagster")) as instance:
        [last] = instance.get_runs(limit=1)
        windows = sum(asset == USERS.path[-1] for asset, _ in materialized(instance, last))
    console = project.execute("full_refresh", env=environ)
    assert "waiting" not in console
    assert list(temporary.iterdir()) == []
    for table in COLUMNS:
        assert stored_rows(project.warehouse, table.replace(".", "_sandbox.")) == expected_rows(table)
    with dg.DagsterInstance.from_config(str(project.folder / ".dagster")) as instance:
        assert len(instance.get_materialized_partitions(USERS)) == ended_windows()
    return killed, windows


def test_run_killed_while_it_records_partitions_can_be_run_again(project: Project) -> None:
    killed, windows = kill_and_run_again(project, 0.05)
    assert killed
    assert windows < ended_windows()


@pytest.mark.soak
def test_many_killed_runs_can_be_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance, project = random.Random(4), Project(tmp_path / "project")
    kills = [kill_and_run_again(project, chance.uniform(0, 1.0)) for _ in range(10)]
    with capsys.disabled():
        windows = ", ".join(str(windows) for _, windows in kills)
        print(f"\ndagster job execute: {sum(killed for killed, _ in kills)} kills; windows materialized: {windows}")


def eventually(read: Callable[[], Any], *, seconds: float = 300) -> Any:
    """Call `read` until the value is not empty."""
    end = time.monotonic() + seconds
    while not (value := read()) and time.monotonic() < end:
        time.sleep(0.1)
    assert value
    return value


@pytest.mark.soak
def test_daemon_restarts_a_run_whose_process_was_killed(project: Project) -> None:
    text = BUILT_IN.read_text()
    assert "timezone: UTC}" in text
    project.env["ANALYTICS_DEFS_DIR"] = str(
        write_defs(project.folder / "defs", {"recruiting": text.replace("timezone: UTC}", "timezone: UTC, chunk: 2}")})
    )
    tags = {"dagster/asset_partition_range_start": "2026-10-01", "dagster/asset_partition_range_end": "2026-11-15"}
    with (
        serve_ui(project, "dagster", "dev", "-m", LOCATION) as url,
        dg.DagsterInstance.from_config(str(project.folder / ".dagster")) as instance,
    ):
        query_graphql(url, "{version}")
        launch_run(url, LOCATION, "recruiting_incremental", tags)
        [first] = eventually(instance.get_runs)
        eventually(lambda: len(materialized(instance, first)) > 10)
        starts = instance.all_logs(first.run_id, of_type=dg.DagsterEventType.STEP_START)
        os.kill(starts[0].get_dagster_event().pid or 0, signal.SIGKILL)
        finished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS])
        [second] = eventually(lambda: instance.get_runs(finished))
        assert second.parent_run_id == first.run_id
        before, after = materialized(instance, first), materialized(instance, second)
    assert not before & after
    assert len(before | after) == 2 * 46
    for table in ("opportunities", "users"):
        rows = expected_rows(f"recruiting.{table}", since="2026-10-01", until="2026-11-16")
        assert stored_rows(project.warehouse, f"recruiting_sandbox.{table}") == rows
