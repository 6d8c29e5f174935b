"""Children in Dagster: lineage, order of steps, failed parents, partitions of parents and children, metadata."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import create_execution_plan, execute_run
from dagster._core.execution.plan.state import KnownExecutionState

from analytics_assets_tests.components.conftest import JobHarness, last_metadata, materializations
from analytics_assets_tests.fake_api import Api, CursorPagination, Endpoint, FakeServer, TimeFilter, faults

API = """\
type: analytics_assets.components.RestApi
attributes:
  client: {base_url: {env: %(prefix)s_BASE_URL}}
  resource_defaults:
    primary_key: id
    endpoint:
      data_selector: data
      paginator: {type: cursor, cursor_param: cursor, cursor_path: next}
      error_handler: {retry_on_status_codes: []}
  resources:
    - name: comments
      primary_key: [_tasks_id, id]
      include_from_parent: id
      endpoint:
        path: /tasks/{resources.tasks.id}/comments
    - name: tasks
      include_from_parent: id
      endpoint:
        path: /projects/{resources.projects.id}/tasks%(tasks)s
    - name: projects
      endpoint:
        path: /projects%(projects)s
  partitions: {cadence: daily, start: 2026-10-01, chunk: 2}
"""
FILTERED = "\n        incremental: {cursor_path: updated_at, start_param: since, end_param: until}"
FOLLOWING = "\n        incremental: {from_parent: true}"
UPDATED = TimeFilter("updated_at", {"since": "{start}", "until": "{end}"})
DAYS = [f"2026-10-0{number}" for number in (1, 2, 3)]


def api(name: str) -> Api:
    """Three projects, which changed on three days; each has a task, which has a comment."""
    pages = CursorPagination()
    projects = [{"id": n, "updated_at": f"{day}T12:00:00Z"} for n, day in enumerate(DAYS, 1)]
    endpoints = [Endpoint("/projects", projects, pagination=pages, updated=UPDATED)]
    for n in (1, 2, 3):
        endpoints.append(Endpoint(f"/projects/{n}/tasks", [{"id": 10 * n}], pagination=pages))
        endpoints.append(Endpoint(f"/tasks/{10 * n}/comments", [{"id": "a"}], pagination=pages))
    return Api(name, endpoints)


def defs_yaml(name: str = "shop", *, projects: str = "", tasks: str = "") -> str:
    return API % {"prefix": name.upper(), "projects": projects, "tasks": tasks}


def shop(build_harness: Callable[..., JobHarness], *, projects: str = "", tasks: str = "") -> JobHarness:
    return build_harness(FakeServer([api("shop")]), {"shop": defs_yaml(projects=projects, tasks=tasks)})


def steps(result: dg.ExecuteInProcessResult, event_type: dg.DagsterEventType) -> list[str | None]:
    return [event.step_key for event in result.all_events if event.event_type == event_type]


STARTED, SKIPPED = dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SKIPPED
IN_ORDER = ["shop__projects", "shop__tasks", "shop__comments"]


def test_lineage_leads_from_parents_to_children(build_harness: Callable[..., JobHarness]) -> None:
    graph = shop(build_harness).definitions.resolve_asset_graph()
    parents = {key: graph.get(dg.AssetKey(["shop", key])).parent_keys for key in ("projects", "tasks", "comments")}
    assert {key: {each.to_user_string() for each in found} for key, found in parents.items()} == {
        "projects": {"shop_api/projects"},
        "tasks": {"shop_api/tasks", "shop/projects"},
        "comments": {"shop_api/comments", "shop/tasks"},
    }


def test_snapshot_job_loads_parents_first(build_harness: Callable[..., JobHarness]) -> None:
    harness = shop(build_harness)
    result = harness.run("shop_snapshot")
    assert steps(result, STARTED) == IN_ORDER
    assert sorted(row["_tasks_id"] for row in harness.rows("shop.comments")) == [10, 20, 30]
    metadata = last_metadata(result, "shop/tasks")
    assert {name: metadata[name] for name in metadata if name.startswith("parents_")} == {
        "parents_read": 3,
        "parents_without_rows": 0,
        "parents_ignored": 0,
    }
    assert not any(name.startswith("parents_") for name in last_metadata(result, "shop/projects"))
    assert metadata["dagster/column_lineage"].deps_by_column == {
        "id": [dg.TableColumnDep(dg.AssetKey(["shop_api", "tasks"]), "id")],
        "_projects_id": [dg.TableColumnDep(dg.AssetKey(["shop", "projects"]), "id")],
    }


def test_failed_parent_skips_its_children_and_reexecution_loads_what_is_missing(
    build_harness: Callable[..., JobHarness],
) -> None:
    harness = shop(build_harness)
    harness.server.faults.add(faults.status(403), path="/projects/2/tasks", times=1)
    failed = harness.run("shop_snapshot", ok=False)
    assert steps(failed, STARTED) == IN_ORDER[:2]
    assert harness.rows("shop.projects")
    again = run_from_failure(harness, failed)
    assert again.success
    assert harness.queries("/projects") == []  # its step succeeded
    assert len(harness.rows("shop.comments")) == 3


def run_from_failure(harness: JobHarness, failed: dg.ExecuteInProcessResult) -> dg.JobExecutionResult | Any:
    """Re-execute a run "from failure", as the UI does: its failed steps, and those that were skipped."""
    harness.server.requests.clear()
    job, parent = harness.definitions.resolve_job_def("shop_snapshot"), failed.dagster_run
    steps_to_run, known = KnownExecutionState.build_resume_retry_reexecution(harness.instance, parent)
    assert sorted(steps_to_run) == sorted(IN_ORDER[1:])
    plan = create_execution_plan(job, step_keys_to_execute=list(steps_to_run), known_state=known)
    run = harness.instance.create_run_for_job(
        job, execution_plan=plan, tags=parent.tags, parent_run_id=parent.run_id, root_run_id=parent.run_id
    )
    return execute_run(InMemoryJob(job), run, harness.instance)


@pytest.mark.parametrize("name", ["shop_full_refresh", "full_refresh"])
@pytest.mark.parametrize("projects", ["", FILTERED])
def test_full_refresh_loads_parents_first(build_harness: Callable[..., JobHarness], name: str, projects: str) -> None:
    harness = shop(build_harness, projects=projects)
    result = harness.run(name)
    assert steps(result, STARTED) == IN_ORDER
    assert steps(result, SKIPPED) == []
    assert len(harness.rows("shop.comments")) == 3


def test_full_refresh_over_different_partitions_loads_parents_first(build_harness: Callable[..., JobHarness]) -> None:
    weekly = defs_yaml("store", projects=FILTERED).replace("cadence: daily", "cadence: weekly")
    files = {"shop": defs_yaml(projects=FILTERED, tasks=FOLLOWING), "store": weekly}
    harness = build_harness(FakeServer([api("shop"), api("store")]), files)
    result = harness.run("full_refresh")
    order = [step for step in steps(result, STARTED) if step and step.startswith("shop")]
    assert order == IN_ORDER
    assert len(harness.rows("shop.comments")) == len(harness.rows("store.comments")) == 3
    harness.server.faults.add(faults.status(403), path="/shop/projects", times=1)
    failed = harness.run("full_refresh", ok=False)
    assert "shop__tasks" not in steps(failed, STARTED)
    assert "store__comments" in steps(failed, STARTED)


def test_range_of_partitions_loads_all_chunks_of_the_parent_before_the_child(
    build_harness: Callable[..., JobHarness],
) -> None:
    """The parent has more than one chunk: it marks its partitions itself, and its step still has an output."""
    harness = shop(build_harness, projects=FILTERED, tasks=FOLLOWING)
    result = harness.run("shop_incremental", partitions=(DAYS[0], DAYS[-1]))
    assert steps(result, STARTED) == IN_ORDER[:2]
    assert [row["id"] for row in harness.rows("shop.tasks")] == [10, 20, 30]
    for key in ("shop/projects", "shop/tasks"):
        assert sorted(materializations(result, key), key=str) == DAYS
        events = [
            event
            for event in result.get_asset_materialization_events()
            if event.asset_key == dg.AssetKey(key.split("/"))
        ]
        assert len(events) == len(DAYS)


def test_partition_of_the_child_depends_on_the_same_partition_of_the_parent(
    build_harness: Callable[..., JobHarness],
) -> None:
    harness = shop(build_harness, projects=FILTERED, tasks=FOLLOWING)
    harness.run("shop_incremental", partition=DAYS[1])
    assert [row["id"] for row in harness.rows("shop.tasks")] == [20]
    graph = harness.definitions.resolve_asset_graph()
    mapping = graph.get_partition_mapping(dg.AssetKey(["shop", "tasks"]), dg.AssetKey(["shop", "projects"]))
    assert isinstance(mapping, dg.TimeWindowPartitionMapping)
    comments = graph.get_partition_mapping(dg.AssetKey(["shop", "comments"]), dg.AssetKey(["shop", "tasks"]))
    assert isinstance(comments, dg.AllPartitionMapping)


def test_child_of_a_partitioned_parent_is_loaded_by_the_snapshot_job(build_harness: Callable[..., JobHarness]) -> None:
    harness = shop(build_harness, projects=FILTERED)
    harness.run("shop_incremental", partitions=(DAYS[0], DAYS[1]))
    harness.run("shop_snapshot")
    assert [row["id"] for row in harness.rows("shop.tasks")] == [10, 20]
