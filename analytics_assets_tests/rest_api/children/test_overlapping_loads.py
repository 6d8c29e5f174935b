"""Loads of one child that overlap: a load deletes no rows of parents that exist and that it has not read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

import pytest

from analytics_assets.rest_api.destination.pipeline import TablePipeline
from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets_tests.fake_api import Row
from analytics_assets_tests.harness.stopped_loads import StoppedLoad, stopped_load
from analytics_assets_tests.support.children import INCREMENTAL, ChildApi, child_api, tasks_of
from analytics_assets_tests.support.loaders import day
from analytics_assets_tests.support.shop import Shop

BEFORE_WRITE = (TablePipeline, "load")  # parents and rows are read; the load holds no lock
FROM_PARENT = {"incremental": {"from_parent": True}}
BY_ID = {"region": "id"}
BY_TIME_AND_OWNER = {"region": "born", "kind": "owner.id"}  # parameters, and fields of the parent
BORN = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00.5Z", "2026-01-03T00:00:00Z")


def project(number: int, owner: Any = None) -> Row:
    """A project that changed on the day with its number."""
    changed = f"2026-10-0{number}T12:00:00Z"
    return {"id": number, "updated_at": changed, "born": BORN[number - 1], "owner": {"id": owner or f"o'{number}"}}


@contextmanager
def two_projects(shop: Shop, keys: dict[str, str], endpoint: dict[str, Any]) -> Iterator[ChildApi]:
    """Projects 1 and 2, each with the tasks 1 and 7; all are loaded. Then the API deletes the tasks 7."""
    params = {name: f"{{resources.projects.{field}}}" for name, field in keys.items()}
    tasks = {
        "name": "tasks",
        "primary_key": [*(f"_projects_{field}" for field in keys.values()), "id"],
        "replace_by": "parent",
        "endpoint": {"path": "/tasks", "params": params, **endpoint},
    }
    projects = {
        "name": "projects",
        "columns": {"born": {"type": "string", "format": "date-time"}},
        "endpoint": {"path": "/projects", "incremental": INCREMENTAL},
    }
    endpoints = {"/projects": [project(1), project(2)], "/tasks": tasks_of(0, 1, 7)}
    with child_api(shop, endpoints, [projects, tasks]) as api:
        api.load("projects", window=day(1, 2))
        api.load("tasks", window=day(1, 2) if endpoint else None)
        api.set_rows("/tasks", tasks_of(0, 1))
        yield api


def tasks_by_project(api: ChildApi, column: str) -> list[list[int]]:
    """The tasks of each project that has some."""
    groups = itertools.groupby(api.rows("tasks", column, "id"), key=itemgetter(0))
    return [[task for _, task in tasks] for _, tasks in groups]


@contextmanager
def stopped(api: ChildApi, endpoint: dict[str, Any]) -> Iterator[StoppedLoad]:
    """A load of the tasks of project 1, or of all without a window, that has read them and not written them."""
    postgres, lakehouse = api.shop.postgres, api.shop.lakehouse
    environ = {"DESTINATION__POSTGRES__CREDENTIALS": postgres.credentials} if postgres else {}
    environ |= lakehouse.environ if lakehouse else {}
    request = api.request("tasks", window=day(1) if endpoint else None)
    with stopped_load(request, environ, stop=BEFORE_WRITE) as load:
        yield load


@pytest.mark.parametrize(
    ("keys", "endpoint", "full_refresh", "expected"),
    [
        (BY_ID, {}, False, [[1], [1], [1, 3]]),  # of projects that both read, the load that writes last wins
        (BY_ID, FROM_PARENT, True, [[1], [1, 3], [1, 3]]),
        (BY_ID, FROM_PARENT, False, [[1], [1, 7], [1, 3]]),
        (BY_TIME_AND_OWNER, FROM_PARENT, False, [[1], [1, 7], [1, 3]]),
    ],
    ids=["snapshots", "full refresh", "windows", "time and nested field"],
)
def test_rows_of_a_parent_that_appears_during_a_load_stay(
    every_shop: Shop, keys: dict[str, str], endpoint: dict[str, Any], full_refresh: bool, expected: list[list[int]]
) -> None:
    column = f"_projects_{list(keys.values())[-1].replace('.', '_')}"
    with two_projects(every_shop, keys, endpoint) as api, stopped(api, endpoint) as slow:
        api.set_rows("/projects", [project(3)])
        api.load("projects", window=day(3))
        api.set_rows("/tasks", tasks_of(0, 1, 3))
        api.load("tasks", window=day(3) if endpoint and not full_refresh else None, full_refresh=full_refresh)
        assert tasks_by_project(api, column)[2] == [1, 3]
        assert slow.resume() == ""
        assert tasks_by_project(api, column) == expected


def test_rows_of_a_parent_that_vanishes_during_a_load_are_deleted(every_shop: Shop) -> None:
    with two_projects(every_shop, BY_ID, FROM_PARENT) as api, stopped(api, FROM_PARENT) as slow:
        every_shop.query("DELETE FROM shop.projects WHERE id = 2")
        assert slow.resume() == ""
        assert api.rows("tasks", "_projects_id", "id") == [(1, 1)]


def test_parent_that_the_column_cannot_name_fails_loads_that_do_not_read_it(shop: Shop) -> None:
    with two_projects(shop, {"region": "owner.id"}, FROM_PARENT) as api:
        api.set_rows("/projects", [project(3, owner=3)])
        api.load("projects", window=day(3))
        with pytest.raises(
            WarehouseError, match=r"another type than the column '_projects_owner_id' \(text\).*refresh"
        ):
            api.load("tasks", window=day(1))
        assert tasks_by_project(api, "_projects_owner_id") == [[1, 7], [1, 7]]
