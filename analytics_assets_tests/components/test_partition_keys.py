"""Partition keys that a run cannot load: refused in one line, before anything is requested or marked."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._cli.asset import asset_cli
from dagster._cli.job import job_cli

from analytics_assets.components.partitions import PartitionKeyError, WindowPartitionsDefinition, build_partitions_def
from analytics_assets.rest_api.config import Partitions
from analytics_assets_tests.components.conftest import JobHarness, failure_message, materializations

PARTITION = "dagster/partition"
START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
TODAY = datetime.now(timezone.utc).date()
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)
CHOICE = f"Choose a partition from 2026-10-01 to {YESTERDAY}"
NOT_OVER = f"partition {TODAY} is not over: its window ends at {TOMORROW}T00:00:00Z. {CHOICE}"
TOO_EARLY = f"partition 2026-09-30 is before the first one. {CHOICE}"
MALFORMED = "'2026-13-01' is not a partition key: keys are written as '2026-10-01'"


@dataclass(frozen=True, kw_only=True)
class Refused:
    name: str
    tags: Mapping[str, str]
    message: str


REFUSED = [
    Refused(name="today", tags={PARTITION: f"{TODAY}"}, message=NOT_OVER),
    Refused(name="range to today", tags={START: "2026-10-05", END: f"{TODAY}"}, message=NOT_OVER),
    Refused(name="range from today", tags={START: f"{TODAY}", END: f"{TOMORROW}"}, message=NOT_OVER),
    Refused(name="too early", tags={PARTITION: "2026-09-30"}, message=TOO_EARLY),
    Refused(name="range from too early", tags={START: "2026-09-30", END: "2026-10-05"}, message=TOO_EARLY),
    Refused(
        name="empty range",
        tags={START: "2026-10-05", END: "2026-10-01"},
        message="the partition range from 2026-10-05 to 2026-10-01 is empty: it must start before it ends",
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_partition_that_cannot_be_loaded_is_refused(harness: JobHarness, case: Refused) -> None:
    result = harness.run("recruiting_incremental", tags=case.tags, ok=False)
    assert failure_message(result, "recruiting__users") == f"recruiting/users: {case.message}"
    assert harness.server.requests == []
    assert materializations(result, "recruiting/users") == {}
    assert not (harness.folder / "warehouse.duckdb").exists()


def test_last_partition_that_is_over_is_loaded(harness: JobHarness) -> None:
    result = harness.run("recruiting_incremental", partition=f"{YESTERDAY}")
    assert materializations(result, "recruiting/users").keys() == {f"{YESTERDAY}"}


def test_full_refresh_ignores_partition_that_is_not_over(harness: JobHarness) -> None:
    result = harness.run("recruiting_full_refresh", partition=f"{TODAY}")
    assert f"{TODAY}" not in materializations(result, "recruiting/users")


def test_partition_of_asset_without_partitions_is_refused(snapshot_harness: JobHarness) -> None:
    result = snapshot_harness.run("treasury_snapshot", partition="2026-10-05", ok=False)
    assert failure_message(result, "treasury__cash_drawers") == (
        "treasury/cash_drawers: this asset has no partitions, and the run names one. Run it without a partition: it "
        "always loads all rows"
    )
    assert snapshot_harness.server.requests == []


def test_partitioned_and_other_assets_run_together(snapshot_harness: JobHarness) -> None:
    job = snapshot_harness.definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=snapshot_harness.instance,
        asset_selection=[dg.AssetKey(["recruiting", "users"]), dg.AssetKey(["treasury", "cash_drawers"])],
        tags={PARTITION: "2026-10-05"},
    )
    assert materializations(result, "recruiting/users").keys() == {"2026-10-05"}
    assert materializations(result, "treasury/cash_drawers").keys() == {None}


MODULE = ("-m", "analytics_assets.definitions")
EXECUTE = ("job", "execute", *MODULE, "-j", "recruiting_incremental", "--tags")
MATERIALIZE = ("asset", "materialize", *MODULE, "--select", "recruiting/users")


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    name: str
    command: Sequence[str]
    message: str


COMMANDS = [
    CommandLine(name="malformed tag", command=(*EXECUTE, f'{{"{PARTITION}": "2026-13-01"}}'), message=MALFORMED),
    CommandLine(
        name="malformed range",
        command=(*EXECUTE, f'{{"{START}": "2026-10-01", "{END}": "2026-13-01"}}'),
        message=MALFORMED,
    ),
    CommandLine(name="malformed option", command=(*MATERIALIZE, "--partition", "2026-13-01"), message=MALFORMED),
    CommandLine(name="option of today", command=(*MATERIALIZE, "--partition", f"{TODAY}"), message=NOT_OVER),
    CommandLine(name="option too early", command=(*MATERIALIZE, "--partition", "2026-09-30"), message=TOO_EARLY),
    CommandLine(
        name="range to today", command=(*MATERIALIZE, "--partition-range", f"2026-10-05...{TODAY}"), message=NOT_OVER
    ),
]


@pytest.mark.parametrize("case", COMMANDS, ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore:.*is superseded")  # Dagster's own, about its commands
def test_command_line_refuses_wrong_partition_in_one_line(case: CommandLine) -> None:
    group, *arguments = case.command
    result = CliRunner().invoke({"job": job_cli, "asset": asset_cli}[group], arguments)
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == f"Error: {case.message}"
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)


@dataclass(frozen=True, kw_only=True)
class BetweenPartitions:
    cadence: str
    key: str
    following: str
    timezone: str = "UTC"


BETWEEN_PARTITIONS = [
    BetweenPartitions(cadence="hourly", key="2026-10-05-00:30", following="2026-10-05-01:00"),
    BetweenPartitions(cadence="daily", key="2026-10-5", following="2026-10-05"),
    BetweenPartitions(cadence="weekly", key="2026-10-05", following="2026-10-11"),
    BetweenPartitions(cadence="monthly", key="2026-10-05", following="2026-11-01"),
    BetweenPartitions(cadence="monthly", key="2026-10-02", following="2026-11-01", timezone="Europe/Berlin"),
]


def partitions_def(cadence: str, timezone: str) -> WindowPartitionsDefinition:
    partitions = {"cadence": cadence, "start": "2026-10-01", "timezone": timezone}
    return build_partitions_def(Partitions.model_validate(partitions))


@pytest.mark.parametrize("case", BETWEEN_PARTITIONS, ids=lambda case: f"{case.cadence} {case.key}")
def test_key_must_be_the_start_of_a_partition(case: BetweenPartitions) -> None:
    with pytest.raises(PartitionKeyError) as error:
        partitions_def(case.cadence, case.timezone).time_window_for_partition_key(case.key)
    assert str(error.value) == (
        f"no partition starts at {case.key!r}: the next partition after it is {case.following!r}"
    )


def test_malformed_key_error_shows_the_format_of_the_cadence() -> None:
    with pytest.raises(PartitionKeyError) as error:
        partitions_def("hourly", "UTC").time_window_for_partition_key("2026-10-05")
    assert str(error.value) == "'2026-10-05' is not a partition key: keys are written as '2026-10-01-00:00'"


@pytest.mark.parametrize("cadence", ["hourly", "daily", "weekly", "monthly"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Santiago"])
def test_every_key_of_a_year_has_its_window(cadence: str, zone: str) -> None:
    """Clock changes included: the hour that occurs twice has two keys."""
    found = partitions_def(cadence, zone)
    keys = found.get_partition_keys(current_time=datetime(2027, 10, 1, tzinfo=timezone.utc))
    windows = [found.time_window_for_partition_key(key) for key in keys]
    assert all(before.end == after.start for before, after in itertools.pairwise(windows))


@pytest.mark.parametrize(
    ("cadence", "dagsters"),
    [
        ("hourly", dg.HourlyPartitionsDefinition("2026-10-01-00:00", timezone="Europe/Berlin")),
        ("daily", dg.DailyPartitionsDefinition("2026-10-01", timezone="Europe/Berlin")),
        ("weekly", dg.WeeklyPartitionsDefinition("2026-10-01", timezone="Europe/Berlin")),
        ("monthly", dg.MonthlyPartitionsDefinition("2026-10-01", timezone="Europe/Berlin")),
    ],
)
def test_partitions_equal_dagsters_own(cadence: str, dagsters: dg.TimeWindowPartitionsDefinition) -> None:
    """So that assets that users write in Python can be in one job with those of an API."""
    assert partitions_def(cadence, "Europe/Berlin") == dagsters
