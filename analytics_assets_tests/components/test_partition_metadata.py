"""The numbers of a partition are of that partition, and those of the whole chunk are on its last partition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from analytics_assets.sandbox import builtin
from analytics_assets_tests.components.conftest import JobHarness, materializations
from analytics_assets_tests.fake_api import Api, Endpoint, FakeServer, OffsetPagination, TimeFilter, builtin_server
from analytics_assets_tests.support.expected_rows import expected_rows
from analytics_assets_tests.support.project import ROOT

DAYS = [f"2026-10-0{day}" for day in range(1, 8)]
WEEK = (DAYS[0], DAYS[-1])
OF_CHUNK = {
    "chunk_partitions",
    "chunk_rows_loaded",
    "dagster/row_count",
    "requests",
    "retries",
    "pages",
    "bytes_received",
    "seconds",
    "rows_per_second",
}
EVENTS = """\
type: analytics_assets.components.RestApi
attributes:
  client: {base_url: {env: SHOP_BASE_URL}}
  resources:
    - name: events
      primary_key: id
      endpoint:
        path: /v1/events
        data_selector: data
        paginator: {type: offset, limit: 100}
        incremental: {start_param: since, end_param: until%s}
  partitions: {cadence: daily, start: 2026-10-01, timezone: %s}
"""


def day_after(day: str) -> str:
    return (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()


def rows_of(day: str) -> int:
    return len(expected_rows("recruiting.users", since=day, until=day_after(day)))


def build_events(
    build_harness: Callable[..., JobHarness], times: list[str], *, cursor: str = "", timezone: str = "UTC"
) -> JobHarness:
    rows: list[dict[str, Any]] = [{"id": number, "at": time} for number, time in enumerate(times)]
    updated = TimeFilter("at", {"since": "{start}", "until": "{end}"})
    endpoint = Endpoint("/v1/events", rows, pagination=OffsetPagination(max_limit=100), updated=updated)
    return build_harness(FakeServer([Api("shop", [endpoint])]), {"shop": EVENTS % (cursor, timezone)})


@pytest.fixture(params=["one chunk", "chunks of three days"])
def week(request: pytest.FixtureRequest, build_harness: Callable[..., JobHarness]) -> Mapping[str, Mapping[str, Any]]:
    """The metadata of each day after a range of seven days."""
    text = (ROOT / "analytics_assets" / "defs" / "recruiting" / "defs.yaml").read_text()
    if request.param == "chunks of three days":
        text = text.replace("timezone: UTC}", "timezone: UTC, chunk: 3}")
    harness = build_harness(builtin_server(), {"recruiting": text})
    found = materializations(harness.run("recruiting_incremental", partitions=WEEK), "recruiting/users")
    assert list(found) == DAYS
    return {str(day): metadata for day, metadata in found.items()}


def test_rows_of_a_range_are_counted_by_partition(week: Mapping[str, Mapping[str, Any]]) -> None:
    counts = {day: rows_of(day) for day in DAYS}
    assert {day: metadata["rows_loaded"] for day, metadata in week.items()} == counts
    assert {day: metadata["dagster/partition_row_count"] for day, metadata in week.items()} == counts
    newest = {row["updatedAt"] / 1000 for row in builtin.rows("recruiting", "users")}
    for day, metadata in week.items():
        midnight = datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()
        assert metadata["newest_cursor"] == max(at for at in newest if midnight <= at < midnight + 86_400)


def test_numbers_of_a_chunk_are_on_its_last_partition(week: Mapping[str, Mapping[str, Any]]) -> None:
    last = [day for day, metadata in week.items() if metadata.keys() & OF_CHUNK]
    assert last in (DAYS[-1:], [DAYS[2], DAYS[5], DAYS[6]])
    assert all(week[day].keys() >= OF_CHUNK for day in last)
    assert sum(week[day]["chunk_partitions"] for day in last) == 7
    assert sum(week[day]["chunk_rows_loaded"] for day in last) == sum(map(rows_of, DAYS))


def test_a_single_partition_has_the_same_metadata_as_the_last_of_a_range(harness: JobHarness) -> None:
    week = materializations(harness.run("recruiting_incremental", partitions=WEEK), "recruiting/users")
    day = materializations(harness.run("recruiting_incremental", partition=DAYS[-1]), "recruiting/users")
    assert day.keys() == {DAYS[-1]}
    assert day[DAYS[-1]].keys() == week[DAYS[-1]].keys()
    assert day[DAYS[-1]]["rows_loaded"] == week[DAYS[-1]]["rows_loaded"] == rows_of(DAYS[-1])


def test_a_full_refresh_is_counted_by_partition(harness: JobHarness) -> None:
    found = materializations(harness.run("recruiting_full_refresh"), "recruiting/users")
    assert len(found) > 40
    assert {str(day): metadata["rows_loaded"] for day, metadata in found.items()} == {
        str(day): rows_of(str(day)) for day in found
    }
    assert {metadata["mode"] for metadata in found.values()} == {"full refresh"}
    assert {metadata["window"] for metadata in found.values()} == {"all history"}
    *others, last = found.values()
    assert not any(metadata.keys() & OF_CHUNK for metadata in others)
    assert last["chunk_rows_loaded"] == len(builtin.rows("recruiting", "users"))
    assert last["chunk_partitions"] == len(found)


def test_rows_without_a_cursor_field_are_not_counted_by_partition(build_harness: Callable[..., JobHarness]) -> None:
    harness = build_events(build_harness, [f"{day}T12:00:00Z" for day in DAYS])
    found = materializations(harness.run("shop_incremental", partitions=WEEK), "shop/events")
    *others, last = found.values()
    assert not any({"rows_loaded", "dagster/partition_row_count"} & metadata.keys() for metadata in others)
    assert (last["rows_loaded"], last["chunk_rows_loaded"]) == (7, 7)
    assert "dagster/partition_row_count" not in last
    assert last["rows_by_partition"].startswith("unknown: the rows have no cursor")


def test_a_single_partition_without_a_cursor_field_is_counted(build_harness: Callable[..., JobHarness]) -> None:
    harness = build_events(build_harness, [f"{day}T12:00:00Z" for day in DAYS])
    [metadata] = materializations(harness.run("shop_incremental", partition=DAYS[0]), "shop/events").values()
    assert (metadata["rows_loaded"], metadata["dagster/partition_row_count"]) == (1, 1)
    assert "rows_by_partition" not in metadata


def test_rows_of_the_lookback_count_for_the_chunk_only(build_harness: Callable[..., JobHarness]) -> None:
    times = [f"{day}T12:00:00Z" for day in DAYS]
    harness = build_events(build_harness, times, cursor=", cursor_path: at, lookback: 2 days")
    found = materializations(harness.run("shop_incremental", partitions=(DAYS[2], DAYS[3])), "shop/events")
    assert {day: metadata["rows_loaded"] for day, metadata in found.items()} == {DAYS[2]: 1, DAYS[3]: 1}
    assert found[DAYS[3]]["chunk_rows_loaded"] == 4


def test_partitions_follow_the_time_zone(build_harness: Callable[..., JobHarness]) -> None:
    """In Berlin the day of 2026-10-25 has 25 hours."""
    times = ["2026-10-24T21:59:59Z", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z"]
    harness = build_events(build_harness, times, cursor=", cursor_path: at", timezone="Europe/Berlin")
    result = harness.run("shop_incremental", partitions=("2026-10-24", "2026-10-26"))
    found = materializations(result, "shop/events")
    assert [metadata["rows_loaded"] for metadata in found.values()] == [1, 2, 1]


def test_a_downstream_asset_runs_after_a_range(harness: JobHarness) -> None:
    """The step of a range in one chunk has an output, so that steps after it are not skipped."""
    asset = harness.definitions.get_repository_def().assets_defs_by_key[dg.AssetKey(["recruiting", "users"])]

    @dg.asset(deps=[asset.key], partitions_def=asset.partitions_def, backfill_policy=dg.BackfillPolicy.single_run())
    def report() -> None: ...

    definitions = dg.Definitions.merge(
        harness.definitions,
        dg.Definitions(assets=[report], jobs=[dg.define_asset_job("both", [asset.key, report.key])]),
    )
    harness.definitions = definitions
    assert len(materializations(harness.run("both", partitions=WEEK), "report")) == 7
