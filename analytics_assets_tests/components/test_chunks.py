"""A range of partitions is loaded and marked chunk by chunk: a second attempt goes on where the first one ended."""

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
from analytics_assets_tests.components.conftest import Bench, materializations
from analytics_assets_tests.conftest import ROOT
from analytics_assets_tests.fake_api import builtin_server, faults
from analytics_assets_tests.support.expected_rows import held

BUILT_IN = (ROOT / "analytics_assets" / "defs" / "recruiting" / "defs.yaml").read_text()
PARTITIONS = "partitions: {cadence: daily, start: 2026-10-01, timezone: UTC}"
DAYS = [f"2026-10-0{day}" for day in range(1, 9)]
RANGE = (DAYS[0], DAYS[-1])
STARTS = ["1790812800000", "1791072000000", "1791331200000"]  # of October 1, 4 and 7
FAILS = faults.status(500, headers={"Retry-After": "0"})


@pytest.fixture
def chunked(build_bench: Callable[..., Bench]) -> Bench:
    """The built-in API `recruiting`, in chunks of three days."""
    assert PARTITIONS in BUILT_IN
    return build_bench(
        builtin_server(), {"recruiting": BUILT_IN.replace(PARTITIONS, PARTITIONS.replace("}", ", chunk: 3}"))}
    )


def starts_asked(bench: Bench, resource: str = "users") -> list[str]:
    """The windows that a run asked for, by their starts."""
    return list(dict.fromkeys(query["updated_at_start"] for query in bench.asked(f"/v1/{resource}")))


def marked(bench: Bench, run_id: str) -> list[str]:
    """The partitions of `users` that a run marked, in their order."""
    entries = bench.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = [entry.dagster_event for entry in entries if entry.dagster_event]
    return [event.partition or "" for event in events if event.asset_key == dg.AssetKey(["recruiting", "users"])]


def fail_once(bench: Bench, start: str) -> None:
    """The API fails when users of the window with that start are asked for, as often as one attempt asks."""
    bench.sandbox.faults.add(FAILS, path="/v1/users", times=4, query={"updated_at_start": start})


def run_again(bench: Bench, first: dg.ExecuteInProcessResult, tags: Mapping[str, str]) -> dg.DagsterRun:
    """Executes a run once more as the UI and the daemon do: as its child, with the tags of the way chosen."""
    bench.sandbox.requests.clear()
    job, parent = bench.definitions.resolve_job_def("recruiting_incremental"), first.dagster_run
    run = bench.instance.create_run_for_job(
        job, tags={**parent.tags, **tags}, parent_run_id=parent.run_id, root_run_id=parent.run_id
    )
    assert execute_run(InMemoryJob(job), run, bench.instance).success
    return run


def test_a_range_is_loaded_chunk_by_chunk(chunked: Bench) -> None:
    result = chunked.run("recruiting_incremental", partitions=RANGE)
    assert starts_asked(chunked) == STARTS
    assert marked(chunked, result.run_id) == DAYS
    assert chunked.rows("recruiting.users") == held("recruiting.users", since=DAYS[0], until="2026-10-09")
    told = materializations(result, "recruiting/users")
    windows = [metadata["window"] for metadata in told.values()]
    assert windows[::3] == [
        "[2026-10-01T00:00:00Z, 2026-10-04T00:00:00Z)",
        "[2026-10-04T00:00:00Z, 2026-10-07T00:00:00Z)",
        "[2026-10-07T00:00:00Z, 2026-10-09T00:00:00Z)",
    ]
    assert [*Counter(windows).values()] == [3, 3, 2]
    assert [told[day]["rows_loaded"] for day in DAYS[::3]] == [
        len(held("recruiting.users", since=since, until=until))
        for since, until in zip(DAYS[::3], [*DAYS[3::3], "2026-10-09"], strict=True)
    ]
    [rows] = {
        check.metadata["rows"].value
        for check in result.get_asset_check_evaluations()
        if check.asset_key.path[-1] == "users" and "rows" in check.metadata
    }
    assert rows == len(chunked.rows("recruiting.users"))


RESUMED: list[tuple[dict[str, str], list[str], list[str]]] = [
    ({RESUME_RETRY_TAG: "true"}, STARTS[1:], DAYS[3:]),  # "from failure", and the daemon
    ({}, STARTS, DAYS),  # "all steps"
]


@pytest.mark.parametrize(("tags", "starts", "partitions"), RESUMED, ids=["from failure", "all"])
def test_an_execution_of_a_failed_run(
    chunked: Bench, tags: dict[str, str], starts: list[str], partitions: list[str]
) -> None:
    fail_once(chunked, STARTS[1])
    first = chunked.run("recruiting_incremental", partitions=RANGE, ok=False)
    assert marked(chunked, first.run_id) == DAYS[:3]
    assert chunked.rows("recruiting.users") == held("recruiting.users", since=DAYS[0], until="2026-10-04")
    again = run_again(chunked, first, tags)
    assert starts_asked(chunked) == starts
    assert marked(chunked, again.run_id) == partitions
    assert chunked.rows("recruiting.users") == held("recruiting.users", since=DAYS[0], until="2026-10-09")


def test_a_third_execution_knows_both_before_it(chunked: Bench) -> None:
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
    assert starts_asked(chunked) == STARTS[2:]
    assert marked(chunked, third.run_id) == DAYS[6:]
    assert chunked.rows("recruiting.users") == held("recruiting.users", since=DAYS[0], until="2026-10-09")


def test_a_range_that_is_asked_for_again_is_loaded_again(chunked: Bench) -> None:
    chunked.run("recruiting_incremental", partitions=RANGE)
    result = chunked.run("recruiting_incremental", partitions=RANGE)
    assert starts_asked(chunked) == STARTS
    assert marked(chunked, result.run_id) == DAYS


def test_checks_tell_of_chunks_before_a_failure(chunked: Bench) -> None:
    rows: list[dict[str, Any]] = [dict(row) for row in builtin.rows("recruiting", "users")]
    for row in rows[::2]:
        row["name"] = 1
    chunked.sandbox.set_rows("recruiting", "/v1/users", rows)
    fail_once(chunked, STARTS[2])
    result = chunked.run("recruiting_incremental", partitions=RANGE, ok=False)
    [check] = [
        check
        for check in result.get_asset_check_evaluations()
        if (check.asset_key.path[-1], check.check_name) == ("users", "columns_keep_their_types")
    ]
    assert not check.passed
    assert str(check.metadata["name"].value).startswith("name__v_")
