"""Which parents are read, and what happens to rows that vanished: snapshots, windows, full refresh, `replace_by`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from analytics_assets_tests.fake_api import Row
from analytics_assets_tests.rest_api.children.test_rows import PROJECTS, TASKS
from analytics_assets_tests.support.children import INCREMENTAL, ChildApi, child_api, tasks_of
from analytics_assets_tests.support.loaders import day
from analytics_assets_tests.support.shop import Shop

FOLLOWING = {"path": "/projects/{resources.projects.id}/tasks", "incremental": {"from_parent": True}}
WINDOWED_PROJECTS = {"name": "projects", "endpoint": {"path": "/projects", "incremental": INCREMENTAL}}


def project(number: int, changed: int) -> Row:
    return {"id": number, "updated_at": f"2026-10-{changed:02}T12:00:00Z"}


@contextmanager
def following(shop: Shop) -> Iterator[ChildApi]:
    """Three projects that changed on the days 1, 2 and 3, and tasks that follow them; all are loaded."""
    endpoints = {
        "/projects": [project(n, n) for n in (1, 2, 3)],
        **{f"/projects/{n}/tasks": tasks_of(n, 1, 2) for n in (1, 2, 3)},
    }
    tasks = {"name": "tasks", "primary_key": ["_projects_id", "id"], "endpoint": FOLLOWING}
    with child_api(shop, endpoints, [WINDOWED_PROJECTS, tasks]) as api:
        api.load("projects", "tasks", window=day(1, 3))
        assert api.rows("tasks", "_projects_id", "id") == [(n, task) for n in (1, 2, 3) for task in (1, 2)]
        api.server.requests.clear()
        yield api


def test_rows_of_changed_parents_are_replaced_as_a_whole(every_shop: Shop) -> None:
    with following(every_shop) as api:
        for n in (1, 2, 3):
            api.set_rows(f"/projects/{n}/tasks", tasks_of(n, 2, 3))
        result = api.load("tasks", window=day(2))
        assert api.paths() == ["/projects/2/tasks"]
        assert api.rows("tasks", "_projects_id", "id") == [*((1, 1), (1, 2)), *((2, 2), (2, 3)), *((3, 1), (3, 2))]
        assert result.statistics.parents
        assert result.statistics.parents.read == 1


def test_rows_of_parents_that_are_gone_are_deleted(every_shop: Shop) -> None:
    with following(every_shop) as api:
        every_shop.query("DELETE FROM shop.projects WHERE id = 3")
        api.load("tasks", window=day(1))
        assert api.rows("tasks", "_projects_id", "id") == [(n, task) for n in (1, 2) for task in (1, 2)]
        every_shop.query("DELETE FROM shop.projects")
        result = api.load("tasks", window=day(5))
        assert api.rows("tasks", "id") == []
        assert result.rows == 0


def test_a_window_without_changed_parents_changes_nothing(any_shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    with following(any_shop) as api, caplog.at_level(logging.INFO, "analytics_assets"):
        before = api.rows("tasks", "_projects_id", "id", "_dlt_load_id")
        api.load("tasks", window=day(4))
        assert api.rows("tasks", "_projects_id", "id", "_dlt_load_id") == before
        assert api.paths() == []
        assert "tasks: no row of shop.projects changed in the window: nothing is requested" in caplog.text


@pytest.mark.parametrize("days", [(1, 2, 3, 4), (4, 3, 2, 1), (2, 4, 4, 1, 3, 2)])
def test_windows_can_be_replayed_in_any_order(any_shop: Shop, days: tuple[int, ...]) -> None:
    with following(any_shop) as api:
        api.set_rows("/projects", [project(1, 4), project(2, 2), project(4, 4)])
        api.server.faults.clear()
        for n, tasks in ((1, (2, 3)), (2, (1,)), (3, ())):
            api.set_rows(f"/projects/{n}/tasks", tasks_of(n, *tasks))
        any_shop.query("DELETE FROM shop.projects WHERE id = 3")
        api.resources = [WINDOWED_PROJECTS, {**api.resources[1], "endpoint": {**FOLLOWING, "error_handler": IGNORE}}]
        for number in days:
            api.load("projects", "tasks", window=day(number))
        assert api.rows("tasks", "_projects_id", "id") == [(1, 2), (1, 3), (2, 1)]


def test_parents_without_a_time_are_read_with_each_window(any_shop: Shop) -> None:
    with following(any_shop) as api:
        any_shop.query("UPDATE shop.projects SET updated_at = NULL WHERE id = 1")
        api.load("tasks", window=day(3))
        assert api.paths() == ["/projects/1/tasks", "/projects/3/tasks"]


def test_lookback_reads_parents_that_changed_before_the_window(any_shop: Shop) -> None:
    with following(any_shop) as api:
        incremental = {"from_parent": True, "lookback": "1 day"}
        api.resources = [api.resources[0], {**api.resources[1], "endpoint": {**FOLLOWING, "incremental": incremental}}]
        api.load("tasks", window=day(3))
        assert api.paths() == ["/projects/2/tasks", "/projects/3/tasks"]


def test_full_refresh_reads_all_parents_and_replaces_the_table(any_shop: Shop) -> None:
    with following(any_shop) as api:
        any_shop.query("DELETE FROM shop.projects WHERE id = 3")
        api.set_rows("/projects/1/tasks", tasks_of(1, 7))
        result = api.load("tasks", full_refresh=True)
        assert api.rows("tasks", "_projects_id", "id") == [(1, 7), (2, 1), (2, 2)]
        assert result.mode == "replace"


@pytest.mark.parametrize(("replace_by", "kept"), [(None, [(1, 1), (3, 1)]), ("parent", [])])
def test_snapshot_replaces_the_rows_of_each_parent_if_asked_to(
    any_shop: Shop, replace_by: str | None, kept: list[tuple[int, int]]
) -> None:
    endpoints = {
        "/projects": [{"id": n} for n in (1, 2, 3)],
        **{f"/projects/{n}/tasks": tasks_of(n, 1) for n in (1, 2, 3)},
    }
    with child_api(any_shop, endpoints, [PROJECTS, {**TASKS, "replace_by": replace_by}]) as api:
        api.load("projects", "tasks")
        api.set_rows("/projects/1/tasks", tasks_of(1, 2))
        api.set_rows("/projects/2/tasks", tasks_of(2, 1, 2))
        any_shop.query("DELETE FROM shop.projects WHERE id = 3")
        api.load("tasks")
        assert api.rows("tasks", "_projects_id", "id") == sorted([*kept, (1, 2), (2, 1), (2, 2)])


def test_child_with_its_own_filter_reads_the_window_of_each_parent(any_shop: Shop) -> None:
    endpoint = {"path": "/projects/{resources.projects.id}/tasks", "incremental": INCREMENTAL}
    tasks = [{"id": n, "updated_at": f"2026-10-{n:02}T00:00:00Z"} for n in range(1, 6)]
    endpoints = {"/projects": [{"id": 1}, {"id": 2}], "/projects/1/tasks": tasks, "/projects/2/tasks": tasks[:2]}
    with child_api(any_shop, endpoints, [PROJECTS, {**TASKS, "endpoint": endpoint}]) as api:
        api.load("projects")
        result = api.load("tasks", window=day(2, 3))
        assert api.rows("tasks", "_projects_id", "id") == [(1, 2), (1, 3), (2, 2)]
        assert {record.request.query["since"] for record in api.server.requests[1:]} == {"2026-10-02T00:00:00Z"}
        assert result.statistics.rows_outside_window == 0


IGNORE: dict[str, Any] = {"response_actions": [{"status_code": 404, "action": "ignore"}]}


def test_rows_of_other_parents_that_a_window_overwrites_are_counted_in_a_warning(
    every_shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = {"path": "/projects/{resources.projects.id}/tasks", "incremental": INCREMENTAL}
    tasks = {"name": "tasks", "include_from_parent": ["id"], "endpoint": endpoint}
    first, second = ([{"id": 1, "updated_at": f"2026-10-0{day}T00:00:00Z"}] for day in (1, 2))
    endpoints = {"/projects": [{"id": 1}, {"id": 2}], "/projects/1/tasks": first, "/projects/2/tasks": second}
    with child_api(every_shop, endpoints, [PROJECTS, tasks]) as api:
        api.load("projects")
        for window in (day(1), day(1), day(2)):
            assert "were replaced" not in caplog.text
            api.load("tasks", window=window)
        assert (
            "shop/tasks: 1 stored rows were replaced by rows with the same key and another _projects_id" in caplog.text
        )


def test_keys_of_several_parents_with_different_cursors_are_counted_in_a_warning(
    any_shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = {"path": "/projects/{resources.projects.id}/tasks", "incremental": INCREMENTAL}
    first, second = ([{"id": 1, "updated_at": f"2026-10-0{day}T00:00:00Z"}] for day in (1, 2))
    endpoints = {"/projects": [{"id": 1}, {"id": 2}], "/projects/1/tasks": first, "/projects/2/tasks": second}
    with child_api(any_shop, endpoints, [PROJECTS, {"name": "tasks", "endpoint": endpoint}]) as api:
        api.load("projects", "tasks", window=day(1, 2))
        assert (
            "shop/tasks: 1 keys occur in rows of several parents or values of `for_each`, with different cursors: the "
            "newest row of each key is loaded. If they are different rows, add _projects_id to `primary_key`, and "
            "their fields to `include_from_parent`" in caplog.text
        )
