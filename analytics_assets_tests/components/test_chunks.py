"""A range of partitions is loaded and marked chunk by chunk. A retry continues after the last loaded chunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.storage.tags import RESUME_RETRY_TAG

from analytics_assets.sandbox import builtin
from analytics_assets_tests.components.conftest import JobHarness, materializations
from analytics_assets_tests.fake_api import builtin_server, faults
from analytics_assets_tests.support.expected_rows import expected_rows
from analytics_assets_tests.support.project import ROOT

BUILT_IN = (ROOT / "analytics_assets" / "defs" / "recruiting" / "defs.yaml").read_text()
PARTITIONS = "partitions: {cadence: daily, start: 2026-10-01, timezone: UTC}"
DAYS = [f"2026-10-0{day}" for day in range(1, 9)]
RANGE = (DAYS[0], DAYS[-1])
STARTS = ["1790812800000", "1791072000000", "1791331200000"]  # of October 1, 4 and 7
FAILS = faults.status(500, headers={"Retry-After": "0"})


@pytest.fixture
def chunked(build_harness: Callable[..., JobHarness]) -> JobHarness:
    """The built-in API `recruiting`, in chunks of three days."""
    assert PARTITIONS in BUILT_IN
    return build_harness(
        builtin_server(), {"recruiting": BUILT_IN.replace(PARTITIONS, PARTITIONS.replace("}", ", chunk: 3}"))}
    )


def requested_starts(harness: JobHarness, resource: str = "users") -> list[str]:
    """The starts of the windows that a run requested."""
    return list(dict.fromkeys(query["updated_at_start"] for query in harness.queries(f"/v1/{resource}")))


def marked(harness: JobHarness, run_id: str) -> list[str]:
    """The partitions of `users` that a run marked as materialized, in order."""
    entries = harness.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = [entry.dagster_event for entry in entries if entry.dagster_event]
    return [event.partition or "" for event in events if event.asset_key == dg.AssetKey(["recruiting", "users"])]


def fail_once(harness: JobHarness, start: str) -> None:
    """The API fails for the window with that start, as often as one attempt repeats the request."""
    harness.server.faults.add(FAILS, path="/v1/users", times=4, query={"updated_at_start": start})


def run_again(
    harness: JobHarness, first: dg.ExecuteInProcessResult | dg.JobExecutionResult, tags: Mapping[str, str]
) -> dg.DagsterRun:
    """Re-execute a run as the UI and the daemon do: as a child run, with the tags of the chosen way."""
    harness.server.requests.clear()
    job, parent = harness.definitions.resolve_job_def("recruiting_incremental"), first.dagster_run
    run = harness.instance.create_run_for_job(
        job, tags={**parent.tags, **tags}, parent_run_id=parent.run_id, root_run_id=parent.run_id
    )
    assert execute_run(InMemoryJob(job), run, harness.instance).success
    return run


def test_a_range_is_loaded_chunk_by_chunk(chunked: JobHarness) -> None:
    result = chunked.run("recruiting_incremental", partitions=RANGE)
    assert requested_starts(chunked) == STARTS
    assert marked(chunked, result.run_id) == DAYS
    assert chunked.rows("recruiting.users") == expected_rows("recruiting.users", since=DAYS[0], until="2026-10-09")
    found = materializations(result, "recruiting/users")
    windows = [metadata["window"] for metadata in found.values()]
    assert windows[::3] == [
        "[2026-10-01T00:00:00Z, 2026-10-04T00:00:00Z)",
        "[2026-10-04T00:00:00Z, 2026-10-07T00:00:00Z)",
        "[2026-10-07T00:00:00Z, 2026-10-09T00:00:00Z)",
    ]
    assert [*Counter(windows).values()] == [3, 3, 2]
    assert [found[day]["chunk_rows_loaded"] for day in (DAYS[2], DAYS[5], DAYS[7])] == [
        len(expected_rows("recruiting.users", since=since, until=until))
        for since, until in zip(DAYS[::3], [*DAYS[3::3], "2026-10-09"], strict=True)
    ]
    [rows] = {
        check.metadata["rows"].value
        for check in result.get_asset_check_evaluations()
        if (check.asset_key.path[-1], check.check_name) == ("users", "api_honours_the_window")
    }
    assert rows == len(chunked.rows("recruiting.users"))


RESUMED: list[tuple[dict[str, str], list[str], list[str]]] = [
    ({RESUME_RETRY_TAG: "true"}, STARTS[1:], DAYS[3:]),  # "from failure", and the daemon
    ({}, STARTS, DAYS),  # "all steps"
]


@pytest.mark.parametrize(("tags", "starts", "partitions"), RESUMED, ids=["from failure", "all"])
def test_re_execution_of_a_failed_run(
    chunked: JobHarness, tags: dict[str, str], starts: list[str], partitions: list[str]
) -> None:
    fail_once(chunked, STARTS[1])
    first = chunked.run("recruiting_incremental", partitions=RANGE, ok=False)
    assert marked(chunked, first.run_id) == DAYS[:3]
    assert chunked.rows("recruiting.users") == expected_rows("recruiting.users", since=DAYS[0], until="2026-10-04")
    again = run_again(chunked, first, tags)
    assert requested_starts(chunked) == starts
    assert marked(chunked, again.run_id) == partitions
    assert chunked.rows("recruiting.users") == expected_rows("recruiting.users", since=DAYS[0], until="2026-10-09")


def test_third_execution_continues_after_both_earlier_ones(chunked: JobHarness) -> None:
    tags = {RESUME_RETRY_TAG: "true"}
    fail_once(chunked, STARTS[1])
    first = chunked.run("recruiting_incremental", partitions=RANGE, ok=False)
    fail_once(chunked, STARTS[2])
    job = chunked.definitions.resolve_job_def("recruiting_incremental")
    run = chunked.instance.create_run_for_job(
        job, tags={**first.dagster_run.tags, **tags}, parent_run_id=first.run_id, root_run_id=first.run_id
    )
    with execute_run(InMemoryJob(job), run, chunked.instance) as second:
        assert not second.success
    assert marked(chunked, run.run_id) == DAYS[3:6]
    third = run_again(chunked, second, tags)
    assert requested_starts(chunked) == STARTS[2:]
    assert marked(chunked, third.run_id) == DAYS[6:]
    assert chunked.rows("recruiting.users") == expected_rows("recruiting.users", since=DAYS[0], until="2026-10-09")


def test_range_that_is_requested_again_is_loaded_again(chunked: JobHarness) -> None:
    chunked.run("recruiting_incremental", partitions=RANGE)
    result = chunked.run("recruiting_incremental", partitions=RANGE)
    assert requested_starts(chunked) == STARTS
    assert marked(chunked, result.run_id) == DAYS


def test_checks_report_chunks_before_a_failure(chunked: JobHarness) -> None:
    rows: list[dict[str, Any]] = [dict(row) for row in builtin.rows("recruiting", "users")]
    for row in rows[::2]:
        row["active"] = "sometimes"
    chunked.server.set_rows("recruiting", "/v1/users", rows)
    fail_once(chunked, STARTS[2])
    result = chunked.run("recruiting_incremental", partitions=RANGE, ok=False)
    [check] = [
        check
        for check in result.get_asset_check_evaluations()
        if (check.asset_key.path[-1], check.check_name) == ("users", "columns_keep_their_types")
    ]
    assert not check.passed
    assert str(check.metadata["active"].value).startswith("active__v_")
