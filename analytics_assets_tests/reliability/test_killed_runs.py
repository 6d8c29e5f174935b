"""`dagster job execute` killed while it writes its events, then run again."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import pytest

from analytics_assets_tests.components.tables import COLUMNS, held, stored
from analytics_assets_tests.conftest import Project

USERS = dg.AssetKey(["recruiting", "users"])
LOADED = "recruiting/users: 240 rows (all history) into recruiting_sandbox.users"


def ended_windows() -> int:
    return (datetime.now(timezone.utc).date() - datetime(2026, 10, 1, tzinfo=timezone.utc).date()).days


def kill_and_run_again(project: Project, seconds: float) -> tuple[bool, int]:
    """Whether the run was killed in time, and how many windows it had marked by then."""
    temp = project.folder / "temp"
    temp.mkdir(exist_ok=True)
    environ = {"TMPDIR": str(temp)}
    killed = project.execute_and_kill("full_refresh", after=LOADED, seconds=seconds, env=environ)
    with dg.DagsterInstance.from_config(str(project.folder / ".dagster")) as instance:
        [last, *_] = instance.get_runs(limit=1)
        events = instance.all_logs(last.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        marked = sum(entry.get_dagster_event().asset_key == USERS for entry in events)
    console = project.execute("full_refresh", env=environ)
    assert "waiting" not in console
    assert list(temp.iterdir()) == []
    for table in COLUMNS:
        assert stored(project.warehouse, table.replace(".", "_sandbox.")) == held(table)
    with dg.DagsterInstance.from_config(str(project.folder / ".dagster")) as instance:
        assert len(instance.get_materialized_partitions(USERS)) == ended_windows()
    return killed, marked


def test_a_run_that_is_killed_while_it_marks_windows(project: Project) -> None:
    killed, marked = kill_and_run_again(project, 0.05)
    assert killed
    assert marked < ended_windows()


@pytest.mark.soak
def test_many_killed_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance, project = random.Random(4), Project(tmp_path / "project")
    kills = [kill_and_run_again(project, chance.uniform(0, 1.0)) for _ in range(10)]
    with capsys.disabled():
        marked = ", ".join(str(windows) for _, windows in kills)
        print(f"\ndagster job execute: {sum(killed for killed, _ in kills)} kills survived; windows marked: {marked}")
