"""Invented data never counts as real: not in partitions, not for retries, and not for schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.storage.tags import RESUME_RETRY_TAG

from analytics_assets.definitions import build_definitions
from analytics_assets_tests.components.conftest import DEFS, JobHarness, materializations, write_defs
from analytics_assets_tests.fake_api import FakeServer, builtin_server, faults, serve
from analytics_assets_tests.support.expected_rows import expected_rows

USERS = dg.AssetKey(["recruiting", "users"])
DRAWERS = dg.AssetKey(["treasury", "cash_drawers"])
DAY, NEXT = "2026-10-02", "2026-10-03"
WARNING = (
    "recruiting/users: loading invented data from the sandbox into recruiting_sandbox.users, since none of the "
    "variables of recruiting is set. To load real data, set them: RECRUITING_BASE_URL, RECRUITING_CLIENT_ID, "
    "RECRUITING_CLIENT_SECRET, RECRUITING_REFRESH_TOKEN, RECRUITING_TOKEN_URL, RECRUITING_API_KEY"
)


@pytest.fixture
def sandbox(folder: Path, instance: dg.DagsterInstance) -> JobHarness:
    """The built-in APIs with none of their variables set. `treasury` has no partitions."""
    recruiting, treasury = ((DEFS / api / "defs.yaml").read_text() for api in ("recruiting", "treasury"))
    lines = [line for line in treasury.splitlines() if not line.lstrip().startswith(("incremental:", "partitions:"))]
    recruiting = recruiting.replace("timezone: UTC}", "timezone: UTC, chunk: 2}")
    defs = write_defs(folder / "defs", {"recruiting": recruiting, "treasury": "\n".join(lines)})
    return JobHarness(folder, FakeServer([]), build_definitions({"ANALYTICS_DEFS_DIR": str(defs)}), instance)


@pytest.fixture
def set_credentials(sandbox: JobHarness, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Sets the variables of both APIs: from then on a server serves that counts as real."""
    with ExitStack() as stack:

        def set_variables() -> None:
            sandbox.server = builtin_server()
            for name, value in sandbox.server.variables(stack.enter_context(serve(sandbox.server))).items():
                monkeypatch.setenv(name, value)

        yield set_variables


@pytest.fixture
def stored_instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance on disk: schedules open it by reference."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def sources(instance: dg.DagsterInstance, key: dg.AssetKey) -> list[object]:
    """The sources of the materializations that the UI shows."""
    records = instance.fetch_materializations(key, limit=1_000).records
    marks = [record.asset_materialization for record in records if record.asset_materialization]
    return [mark.metadata["source"].value for mark in marks]


def warnings(harness: JobHarness, result: dg.ExecuteInProcessResult) -> list[str]:
    return [entry.user_message for entry in harness.instance.all_logs(result.run_id) if entry.level == 30]


@pytest.mark.parametrize("before", ["recruiting_full_refresh", "full_refresh"])
def test_first_real_load_removes_the_marks_of_the_sandbox(
    sandbox: JobHarness, set_credentials: Callable[[], None], before: str
) -> None:
    invented = sandbox.run(before)
    assert WARNING in warnings(sandbox, invented)
    assert len(sandbox.instance.get_materialized_partitions(USERS)) > 40
    set_credentials()
    result = sandbox.run("recruiting_incremental", partition=DAY)
    assert sandbox.instance.get_materialized_partitions(USERS) == {DAY}
    assert sources(sandbox.instance, USERS) == ["API"]
    assert warnings(sandbox, result) == []
    assert sandbox.rows("recruiting.users") == expected_rows("recruiting.users", since=DAY, until=NEXT)
    checks = [check.check_name for check in result.get_asset_check_evaluations() if check.asset_key == USERS]
    stored = sandbox.instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(USERS, name) for name in checks]
    )
    assert {record.run_id for record in stored.values()} == {result.run_id}


def test_all_chunks_of_the_first_real_load_are_marked(sandbox: JobHarness, set_credentials: Callable[[], None]) -> None:
    sandbox.run("recruiting_full_refresh")
    set_credentials()
    sandbox.run("recruiting_incremental", partitions=("2026-10-01", "2026-10-05"))
    days = {f"2026-10-0{day}" for day in range(1, 6)}
    assert sandbox.instance.get_materialized_partitions(USERS) == days
    sandbox.run("recruiting_incremental", partition="2026-10-07")
    assert sandbox.instance.get_materialized_partitions(USERS) == days | {"2026-10-07"}


def test_assets_without_partitions_and_jobs_of_ops_are_wiped_too(
    sandbox: JobHarness, set_credentials: Callable[[], None]
) -> None:
    sandbox.run("treasury_snapshot")
    assert sources(sandbox.instance, DRAWERS) == ["sandbox: invented data"]
    set_credentials()
    sandbox.run("full_refresh")
    assert sources(sandbox.instance, DRAWERS) == ["API"]
    assert set(sources(sandbox.instance, USERS)) == {"API"}


def test_failed_real_load_removes_nothing(sandbox: JobHarness, set_credentials: Callable[[], None]) -> None:
    sandbox.run("recruiting_full_refresh")
    before = sandbox.instance.get_materialized_partitions(USERS)
    set_credentials()
    sandbox.server.faults.add(faults.status(400), path="/v1/users", times=100)
    sandbox.run("recruiting_incremental", partition=DAY, ok=False)
    assert sandbox.instance.get_materialized_partitions(USERS) == before


@pytest.mark.parametrize(
    ("job", "key", "partition"), [("recruiting_incremental", USERS, DAY), ("treasury_snapshot", DRAWERS, None)]
)
def test_sandbox_leaves_the_marks_of_real_data(
    sandbox: JobHarness,
    set_credentials: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    job: str,
    key: dg.AssetKey,
    partition: str | None,
) -> None:
    set_credentials()
    sandbox.run(job, partition=partition)
    for name in sandbox.server.variables("http://127.0.0.1:1"):
        monkeypatch.delenv(name)
    result = sandbox.run(job, partition=partition)
    name = key.to_user_string()
    assert materializations(result, name) == {}
    assert sources(sandbox.instance, key) == ["API"]
    [observation] = [event for event in result.get_asset_observation_events() if event.asset_key == key]
    assert observation.asset_observation_data.asset_observation.metadata["source"].value == "sandbox: invented data"
    assert any("are of real data and stay as they are" in line for line in warnings(sandbox, result))
    assert sandbox.rows(f"{name.replace('/', '_sandbox.')}")


def test_run_that_continues_one_of_the_sandbox_loads_all_of_it(
    sandbox: JobHarness, set_credentials: Callable[[], None]
) -> None:
    wanted = ("2026-10-01", "2026-10-04")
    failed = sandbox.run("recruiting_incremental", partitions=wanted)
    sandbox.instance.report_run_failed(failed.dagster_run)
    set_credentials()
    job = sandbox.definitions.resolve_job_def("recruiting_incremental")
    stored = sandbox.instance.get_run_by_id(failed.run_id)
    assert stored is not None
    assert stored.tags["analytics/source"] == "sandbox"
    run = sandbox.instance.create_run_for_job(
        job, tags={**stored.tags, RESUME_RETRY_TAG: "true"}, parent_run_id=failed.run_id, root_run_id=failed.run_id
    )
    with execute_run(InMemoryJob(job), run, sandbox.instance):
        pass
    assert sandbox.rows("recruiting.users") == expected_rows("recruiting.users", since=wanted[0], until="2026-10-05")
    again = sandbox.instance.get_run_by_id(run.run_id)
    assert again is not None
    assert again.tags["analytics/source"] == "api"


def test_schedule_requests_what_only_the_sandbox_loaded(
    sandbox: JobHarness, stored_instance: dg.DagsterInstance
) -> None:
    sandbox.instance = stored_instance
    sandbox.run("recruiting_incremental", partitions=("2026-10-01", "2026-10-06"))
    repository = sandbox.definitions.get_repository_def()
    tick = datetime(2026, 10, 8, 2, tzinfo=ZoneInfo("UTC"))
    context = dg.build_schedule_context(sandbox.instance, scheduled_execution_time=tick, repository_def=repository)
    data = repository.get_schedule_def("recruiting_incremental_schedule").evaluate_tick(context)
    [request] = data.run_requests or []
    assert request.tags["dagster/asset_partition_range_start"] == "2026-10-01"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-10-07"
