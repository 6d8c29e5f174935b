"""Schedules: when they run, which partitions they request, and how they catch up after missed ticks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.workspace.load_target import ModuleTarget
from dagster._scheduler.scheduler import launch_scheduled_runs
from dagster._utils.schedules import schedule_execution_time_iterator

from analytics_assets_tests.components.conftest import JobHarness
from analytics_assets_tests.components.test_grids import BERLIN, DAILY, HOURLY, definitions, defs_yaml
from analytics_assets_tests.fake_api import builtin_server, faults
from analytics_assets_tests.support.expected_rows import expected_rows
from analytics_assets_tests.support.project import ROOT

UTC = ZoneInfo("UTC")
PARTITION = "dagster/partition"
START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
RECRUITING = (ROOT / "analytics_assets" / "defs" / "recruiting" / "defs.yaml").read_text()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance on disk: schedules open it by reference."""
    (tmp_path / "dagster_home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster_home")) as instance:
        yield instance


def evaluate(
    of: dg.Definitions, schedule: str, tick: datetime, instance: dg.DagsterInstance
) -> tuple[list[dict[str, str]], str | None]:
    """The partition tags of the runs that a schedule requests at a tick, and the message if it skips the tick."""
    repository = of.get_repository_def()
    context = dg.build_schedule_context(instance, scheduled_execution_time=tick, repository_def=repository)
    data = repository.get_schedule_def(schedule).evaluate_tick(context)
    requests = [
        {name: value for name, value in request.tags.items() if name in (PARTITION, START, END)}
        for request in data.run_requests or []
    ]
    return requests, data.skip_message


def ticks(of: dg.Definitions, schedule: str, since: datetime, until: datetime) -> list[datetime]:
    """The ticks of a schedule in [since, until)."""
    found = of.get_repository_def().get_schedule_def(schedule)
    times = schedule_execution_time_iterator(since.timestamp(), found.cron_schedule, found.execution_timezone)
    return list(takewhile(lambda tick: tick.timestamp() < until.timestamp(), times))


def test_hourly_schedule_requests_every_hour(folder: Path, instance: dg.DagsterInstance) -> None:
    found = definitions(folder, shop=defs_yaml("shop", HOURLY, "hour: 5, minute: 10, catch_up: 0"))
    day = datetime(2026, 10, 7, tzinfo=UTC)
    found_ticks = ticks(found, "shop_incremental_schedule", day, day + timedelta(days=1))
    assert [(tick.hour, tick.minute) for tick in found_ticks] == [(hour, 10) for hour in range(24)]
    for hour, tick in enumerate(found_ticks):
        requests, _ = evaluate(found, "shop_incremental_schedule", tick, instance)
        assert requests == [{PARTITION: f"{(day + timedelta(hours=hour - 1)):%Y-%m-%d-%H:%M}"}]


@dataclass(frozen=True, kw_only=True)
class Tick:
    partitions: str
    schedule: str
    time: str
    partition: str


TICKS = [
    Tick(partitions=DAILY, schedule="hour: 2, minute: 30", time="2026-10-07T02:30", partition="2026-10-06"),
    Tick(
        partitions=f"{DAILY}, {BERLIN}",
        schedule="hour: 2, minute: 30",
        time="2026-10-07T02:30",
        partition="2026-10-06",
    ),
    Tick(partitions=DAILY, schedule="minute: 45", time="2026-10-07T00:45", partition="2026-10-06"),
    Tick(
        partitions="cadence: weekly, start: 2026-10-04",
        schedule="hour: 6",
        time="2026-10-18T06:00",
        partition="2026-10-11",
    ),
    Tick(
        partitions="cadence: monthly, start: 2026-08-01",
        schedule="hour: 6",
        time="2026-10-01T06:00",
        partition="2026-09-01",
    ),
    Tick(
        partitions=f"{HOURLY}, {BERLIN}",
        schedule="minute: 15",
        time="2026-10-07T02:15",
        partition="2026-10-07-01:00",
    ),
]


@pytest.mark.parametrize("case", TICKS, ids=lambda case: f"{case.partitions}, {case.schedule}")
def test_schedule_requests_the_window_that_ended(folder: Path, instance: dg.DagsterInstance, case: Tick) -> None:
    found = definitions(folder, shop=defs_yaml("shop", case.partitions, f"{case.schedule}, catch_up: 0"))
    zone = ZoneInfo("Europe/Berlin" if BERLIN in case.partitions else "UTC")
    tick = datetime.fromisoformat(case.time).replace(tzinfo=zone)
    assert ticks(found, "shop_incremental_schedule", tick, tick + timedelta(minutes=1)) == [tick]
    assert evaluate(found, "shop_incremental_schedule", tick, instance) == ([{PARTITION: case.partition}], None)


def test_snapshots_run_daily_in_the_same_time_zone(folder: Path) -> None:
    found = definitions(folder, shop=defs_yaml("shop", f"{HOURLY}, {BERLIN}", "hour: 5, minute: 10"))
    schedule = found.get_repository_def().get_schedule_def("shop_snapshot_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("10 5 * * *", "Europe/Berlin")


def test_no_partition_is_over_yet(folder: Path, instance: dg.DagsterInstance) -> None:
    found = definitions(folder, shop=defs_yaml("shop", DAILY))
    tick = datetime(2026, 10, 1, 12, tzinfo=UTC)
    assert evaluate(found, "shop_incremental_schedule", tick, instance) == ([], "No partition is over yet.")


@pytest.fixture
def scheduled(build_harness: Callable[..., JobHarness]) -> Callable[[int], JobHarness]:
    """The API `recruiting`, with a bound for catching up."""

    def build(catch_up: int = 31) -> JobHarness:
        schedule = "schedule: {hour: 2, minute: 0"
        assert schedule in RECRUITING
        return build_harness(
            builtin_server(), {"recruiting": RECRUITING.replace(schedule, f"{schedule}, catch_up: {catch_up}")}
        )

    return build


def requests_of(harness: JobHarness, day: int) -> tuple[list[dict[str, str]], str | None]:
    """What the schedule requests at 02:00 of a day in October."""
    tick = datetime(2026, 10, day, 2, tzinfo=UTC)
    return evaluate(harness.definitions, "recruiting_incremental_schedule", tick, harness.instance)


def test_first_tick_requests_all_partitions_up_to_the_bound(scheduled: Callable[..., JobHarness]) -> None:
    assert requests_of(scheduled(), 8) == ([{START: "2026-10-01", END: "2026-10-07"}], None)


@pytest.mark.parametrize(("catch_up", "first"), [(1, "2026-10-06"), (3, "2026-10-04")])
def test_bound_counts_the_partitions_before_the_newest(
    scheduled: Callable[..., JobHarness], catch_up: int, first: str
) -> None:
    assert requests_of(scheduled(catch_up), 8) == ([{START: first, END: "2026-10-07"}], None)


def test_missed_days_are_loaded_once(scheduled: Callable[..., JobHarness]) -> None:
    """Down from the 4th to the 6th."""
    harness = scheduled()
    loaded: list[str] = []
    for day in (3, 7, 8):
        [tags], _ = requests_of(harness, day)
        result = harness.run("recruiting_incremental", tags=tags)
        loaded += [
            event.partition or ""
            for event in result.get_asset_materialization_events()
            if event.asset_key == dg.AssetKey(["recruiting", "users"])
        ]
        assert requests_of(harness, day) == (
            [],
            f"All partitions up to 2026-10-0{day - 1} are loaded or were requested.",
        )
    assert loaded == [f"2026-10-0{day}" for day in range(1, 8)]
    assert harness.rows("recruiting.users") == expected_rows("recruiting.users", since="2026-10-01", until="2026-10-08")


def test_partitions_that_a_person_loaded_are_not_requested(scheduled: Callable[..., JobHarness]) -> None:
    harness = scheduled()
    harness.run("recruiting_incremental", partitions=("2026-10-01", "2026-10-02"))
    harness.run("recruiting_incremental", partition="2026-10-05")
    assert requests_of(harness, 8) == (
        [{START: "2026-10-03", END: "2026-10-04"}, {START: "2026-10-06", END: "2026-10-07"}],
        None,
    )


def test_full_refresh_counts_as_loaded(scheduled: Callable[..., JobHarness]) -> None:
    harness = scheduled()
    harness.run("recruiting_full_refresh")
    requests, skipped = requests_of(harness, 8)
    assert (requests, bool(skipped)) == ([], True)


def test_partition_is_requested_if_one_asset_lacks_it(scheduled: Callable[..., JobHarness]) -> None:
    harness = scheduled()
    harness.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=harness.instance,
        asset_selection=[dg.AssetKey(["recruiting", "users"])],
        tags={START: "2026-10-01", END: "2026-10-06"},
    )
    assert requests_of(harness, 8) == ([{START: "2026-10-01", END: "2026-10-07"}], None)


def test_failed_run_is_not_requested_again(scheduled: Callable[..., JobHarness]) -> None:
    """A person decides: its failure is in the list of runs."""
    harness = scheduled()
    harness.server.faults.add(faults.status(403), path="/v1/users", times=None)
    harness.run("recruiting_incremental", partitions=("2026-10-01", "2026-10-06"), ok=False)
    assert requests_of(harness, 8) == ([{PARTITION: "2026-10-07"}], None)


def test_older_partitions_are_named_in_the_log(
    scheduled: Callable[..., JobHarness], capfd: pytest.CaptureFixture[str]
) -> None:
    harness = scheduled(catch_up=2)
    harness.run("recruiting_incremental", partition="2026-10-02")
    capfd.readouterr()
    requests_of(harness, 8)
    assert (
        capfd.readouterr()
        .err.splitlines()[-1]
        .endswith(
            " - WARNING - 3 older partitions are not loaded, from 2026-10-01 to 2026-10-04. `schedule.catch_up` is 2: "
            "raise it, or load them by hand"
        )
    )


def test_scheduler_catches_up_after_three_days_down(harness: JobHarness, tmp_path: Path) -> None:
    """Dagster's own scheduler, with the time of each iteration set. The runs are executed in this process."""
    overrides = {
        "run_launcher": {
            "module": "dagster._core.launcher.sync_in_memory_run_launcher",
            "class": "SyncInMemoryRunLauncher",
        },
        "run_coordinator": {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"},
    }
    with (
        dg.instance_for_test(temp_dir=str(tmp_path / "dagster_home"), overrides=overrides) as instance,
        create_test_daemon_workspace_context(
            ModuleTarget("analytics_assets.definitions", None, str(ROOT), "analytics_assets"), instance
        ) as workspace,
    ):
        location = workspace.create_request_context().get_code_location("analytics_assets")
        [repository] = location.get_repositories().values()
        with freeze_time(datetime(2026, 10, 3, 1, tzinfo=UTC)):
            instance.start_schedule(repository.get_schedule("recruiting_incremental_schedule"))
        runs = []
        for now in (datetime(2026, 10, 3, 2, 1, tzinfo=UTC), datetime(2026, 10, 7, 12, tzinfo=UTC)):
            with freeze_time(now):
                list(launch_scheduled_runs(workspace, logging.getLogger("scheduler"), now, {}))
                runs.append(instance.get_runs(limit=1)[0])
        assert [(run.tags.get(START), run.tags.get(END), run.status) for run in runs] == [
            ("2026-10-01", "2026-10-02", dg.DagsterRunStatus.SUCCESS),
            ("2026-10-03", "2026-10-06", dg.DagsterRunStatus.SUCCESS),
        ]
