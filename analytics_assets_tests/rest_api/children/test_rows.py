"""Children in exact rows: the values of parents in requests and in columns, several levels, lists of values."""

from __future__ import annotations

from typing import Any

import pytest

from analytics_assets.rest_api.errors import CredentialsError, ResponseError
from analytics_assets_tests.fake_api import Row, faults
from analytics_assets_tests.support.children import child_api, tasks_of
from analytics_assets_tests.support.shop import Shop

PROJECTS = {"name": "projects", "endpoint": "/projects"}
TASKS: dict[str, Any] = {
    "name": "tasks",
    "primary_key": ["_projects_id", "id"],
    "include_from_parent": ["id"],
    "endpoint": "/projects/{resources.projects.id}/tasks",
}


def test_each_row_of_the_parent_is_read(any_shop: Shop) -> None:
    endpoints = {
        "/projects": [{"id": n} for n in (1, 2, 3)],
        "/projects/1/tasks": tasks_of(1, 1, 2, 3, 4),
        "/projects/2/tasks": [],
        "/projects/3/tasks": tasks_of(3, 1),
    }
    with child_api(any_shop, endpoints, [PROJECTS, TASKS]) as api:
        result = api.load("projects", "tasks")
        assert api.rows("tasks", "_projects_id", "id", "title") == [
            *((1, n, f"task {n} of 1") for n in (1, 2, 3, 4)),
            (3, 1, "task 1 of 3"),
        ]
        parents = result.statistics.parents
        assert parents
        assert (parents.read, parents.without_rows, parents.ignored) == (3, 1, 0)
        assert (result.rows, result.statistics.pages) == (5, 4)
        assert api.paths().count("/projects") == 1  # the parents come from their table
        before = api.rows("tasks", "_projects_id", "id", "_dlt_load_id")
        api.load("tasks")
        assert api.rows("tasks", "_projects_id", "id", "_dlt_load_id") == before


VALUES: dict[str, tuple[Any, Any, str]] = {  # of the parent's field, of the child's column, in the path
    "integer": (2**53 + 1, 2**53 + 1, "9007199254740993"),
    "big integer": (2**70, 2**70, "1180591620717411303424"),
    "negative": (-7, -7, "-7"),
    "text": ("a b&c=d?e#f%g/é+", "a b&c=d?e#f%g/é+", "a b&c=d?e#f%g/é+"),
    "boolean": (True, True, "true"),
    "fraction": (1.5, 1.5, "1.5"),
}


@pytest.mark.parametrize("case", VALUES)
def test_values_of_parents_are_requested_as_the_api_wrote_them(any_shop: Shop, case: str) -> None:
    value, column, path = VALUES[case]
    resources = [
        {**PROJECTS, "primary_key": "key"},
        {
            "name": "tasks",
            "include_from_parent": "ref",
            "endpoint": "/projects/{resources.projects.ref}/tasks",
        },
    ]
    endpoints: dict[str, list[Row]] = {
        "/projects": [{"key": 1, "ref": value}, {"key": 2, "ref": value}, {"key": 3, "ref": None}],
        f"/projects/{path}/tasks": [{"id": 1}],
    }
    with child_api(any_shop, endpoints, resources) as api:
        api.load("projects", "tasks")
        assert api.rows("tasks", "_projects_ref", "id") == [(column, 1)]
        assert api.paths() == ["/projects", f"/projects/{path}/tasks"]  # equal values are read once, null is not


@pytest.mark.parametrize(
    ("value", "path"), [(12, "12"), (2**70, str(2**70)), ("x/y z", "x/y z"), ("null", "null"), (False, "false")]
)
def test_nested_fields_of_parents(any_shop: Shop, value: Any, path: str) -> None:
    resources = [
        PROJECTS,
        {
            "name": "owners",
            "include_from_parent": ["owner.id", "owner", "name"],
            "write_disposition": "replace",
            "primary_key": None,
            "endpoint": {"path": "/owners/{resources.projects.owner.id}", "paginator": "single_page"},
        },
    ]
    endpoints: dict[str, list[Row]] = {
        "/projects": [
            {"id": 1, "owner": {"id": value}, "name": None},
            {"id": 2, "owner": {"id": None}},
            {"id": 3, "name": "x"},
        ],
        f"/owners/{path}": [{"age": 50}],
    }
    with child_api(any_shop, endpoints, resources) as api:
        api.load("projects", "owners")
        [(found, _owner, age)] = api.rows("owners", "_projects_owner_id", "CAST(_projects_owner AS VARCHAR)", "age")
        assert (found, age) == (value, 50)
        assert api.paths() == sorted(["/projects", f"/owners/{path}"])


def test_times_are_requested_in_the_format_of_the_api(any_shop: Shop) -> None:
    columns = {"day": {"type": "string", "format": "date"}, "at": {"type": "integer", "format": "epoch_ms"}}
    resources = [
        {**PROJECTS, "columns": columns},
        {
            "name": "tasks",
            "include_from_parent": ["day", "at"],
            "endpoint": {
                "path": "/days/{resources.projects.day}/{resources.projects.at}",
                "params": {"region": "{resources.projects.changed}"},
            },
        },
    ]
    resources[0]["columns"] = {**columns, "changed": {"type": "string", "format": "date-time"}}
    project = {"id": 1, "day": "2026-10-05", "at": 1_790_812_800_123, "changed": "2026-10-05T12:30:00.5Z"}
    endpoints: dict[str, list[Row]] = {"/projects": [project], "/days/2026-10-05/1790812800123": [{"id": 1}]}
    with child_api(any_shop, endpoints, resources) as api:
        api.load("projects", "tasks")
        in_utc = "CAST(_projects_at AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
        [(day, at)] = api.rows("tasks", "CAST(_projects_day AS VARCHAR)", f"CAST({in_utc} AS VARCHAR)")
        assert (day, at) == ("2026-10-05", "2026-10-01 00:00:00.123")
        assert api.server.requests[-1].request.query["region"] == "2026-10-05T12:30:00.500000Z"


def test_children_of_children(any_shop: Shop) -> None:
    comments = {
        "name": "comments",
        "primary_key": ["_tasks__projects_id", "_tasks_id", "id"],
        "include_from_parent": ["_projects_id", "id"],
        "endpoint": "/projects/{resources.tasks._projects_id}/tasks/{resources.tasks.id}/comments",
    }
    endpoints = {
        "/projects": [{"id": 1}, {"id": 2}],
        "/projects/1/tasks": tasks_of(1, 1, 2),
        "/projects/2/tasks": tasks_of(2, 1),
        "/projects/1/tasks/1/comments": [{"id": "a"}],
        "/projects/1/tasks/2/comments": [{"id": "a"}, {"id": "b"}],
        "/projects/2/tasks/1/comments": [{"id": "a"}],
    }
    with child_api(any_shop, endpoints, [comments, TASKS, PROJECTS]) as api:
        api.load("projects", "tasks", "comments")
        assert api.rows("comments", "_tasks__projects_id", "_tasks_id", "id") == [
            *((1, 1, "a"), (1, 2, "a"), (1, 2, "b"), (2, 1, "a"))
        ]


def test_one_object_for_each_parent(any_shop: Shop) -> None:
    details = {
        "name": "details",
        "endpoint": {"path": "/projects/{resources.projects.id}", "data_selector": "$", "paginator": "single_page"},
    }
    endpoints: dict[str, list[Row]] = {"/projects": [{"id": 1}, {"id": 2}]}
    with child_api(any_shop, {**endpoints, "/projects/1": [], "/projects/2": []}, [PROJECTS, details]) as api:
        for number in (1, 2):
            api.server.faults.add(
                faults.status(200, body=f'{{"id": {number}, "size": 1.25}}'.encode()), path=f"/projects/{number}"
            )
        api.load("projects", "details")
        assert api.rows("details", "id", "size") == [(1, 1.25), (2, 1.25)]
        api.server.faults.add(
            faults.status(200, body=b'{"error": "no rights", "code": 7}'), path="/projects/1", times=2
        )
        with pytest.raises(ResponseError, match=r"leads to an object that seems to be an error"):
            api.load("details")


def test_resolve_params_as_dlt_writes_them(shop: Shop) -> None:
    tasks = {
        **TASKS,
        "endpoint": {
            "path": "/projects/{project_id}/tasks",
            "params": {"project_id": {"type": "resolve", "resource": "projects", "field": "id"}},
        },
    }
    endpoints = {"/projects": [{"id": 5}], "/projects/5/tasks": tasks_of(5, 1)}
    with child_api(shop, endpoints, [PROJECTS, tasks]) as api:
        api.load("projects", "tasks")
        assert api.rows("tasks", "_projects_id", "id") == [(5, 1)]
        assert api.server.requests[-1].request.query == {}


def test_each_combination_of_values_is_read(any_shop: Shop) -> None:
    stock = {
        "name": "stock",
        "primary_key": ["_region", "_kind", "id"],
        "endpoint": {
            "path": "/{region}/stock",
            "params": {"kind": "{kind}"},
            "for_each": {"region": ["eu", "us"], "kind": [1, 2]},
        },
    }
    endpoints: dict[str, list[Row]] = {"/eu/stock": [{"id": 1}], "/us/stock": []}
    with child_api(any_shop, endpoints, [stock]) as api:
        parents = api.load("stock").statistics.parents
        assert api.rows("stock", "_region", "_kind", "id") == [("eu", 1, 1), ("eu", 2, 1)]
        assert parents
        assert (parents.read, parents.without_rows) == (4, 2)


def test_values_from_the_environment(shop: Shop) -> None:
    stock = {
        "name": "stock",
        "primary_key": ["_region", "id"],
        "endpoint": {"path": "/{region}/stock", "for_each": {"region": ["eu", {"env": "SHOP_REGIONS"}]}},
    }
    endpoints: dict[str, list[Row]] = {f"/{region}/stock": [{"id": 1}] for region in ("eu", "us", "asia")}
    with child_api(shop, endpoints, [stock], environ={"SHOP_REGIONS": " us, asia ,us,"}) as api:
        api.load("stock")
        assert api.rows("stock", "_region", "id") == [("asia", 1), ("eu", 1), ("us", 1)]
        api.environ.clear()
        with pytest.raises(CredentialsError, match=r"`endpoint\.for_each\.region`: SHOP_REGIONS is not set"):
            api.load("stock")


def test_values_of_placeholders_are_the_same_for_all_requests(shop: Shop) -> None:
    def stock(name: str, **endpoint: Any) -> dict[str, Any]:
        values = {"account": {"env": "SHOP_ACCOUNT"}, "region": "eu"}
        return {"name": name, "endpoint": {"values": values, "path": "/{account}/{region}/stock", **endpoint}}

    resources = [stock("all"), stock("by_kind", path="/{account}/{kind}", for_each={"kind": ["new"]})]
    endpoints: dict[str, list[Row]] = {"/a7/eu/stock": [{"id": 1}], "/a7/new": [{"id": 2}]}
    with child_api(shop, endpoints, resources, environ={"SHOP_ACCOUNT": "a7"}) as api:
        api.load("all")
        api.load("by_kind")
        assert api.rows("all", "id") == [(1,)]
        assert api.rows("by_kind", "_kind", "id") == [("new", 2)]
        api.environ.clear()
        with pytest.raises(CredentialsError, match=r"`endpoint\.values\.account`: SHOP_ACCOUNT is not set"):
            api.load("all")


def test_values_combine_with_a_parent(any_shop: Shop) -> None:
    tasks = {
        **TASKS,
        "primary_key": ["_projects_id", "_region", "id"],
        "endpoint": {
            "path": "/projects/{resources.projects.id}/tasks",
            "params": {"region": "{region}"},
            "for_each": {"region": ["eu", "us"]},
        },
    }
    endpoints = {"/projects": [{"id": 1}, {"id": 2}], "/projects/1/tasks": tasks_of(1, 1), "/projects/2/tasks": []}
    with child_api(any_shop, endpoints, [PROJECTS, tasks]) as api:
        parents = api.load("projects", "tasks").statistics.parents
        assert api.rows("tasks", "_projects_id", "_region", "id") == [(1, "eu", 1), (1, "us", 1)]
        assert parents
        assert (parents.read, parents.without_rows) == (2, 1)


def test_two_thousand_parents(shop: Shop) -> None:
    ids = range(1, 2_001)
    endpoints: dict[str, list[Row]] = {
        "/projects": [{"id": n} for n in ids],
        **{f"/projects/{n}/tasks": tasks_of(n, *range(n % 3)) for n in ids},
    }
    projects = {"name": "projects", "endpoint": {"path": "/projects", "params": {"limit": 2_000}}}
    with child_api(shop, endpoints, [projects, TASKS], concurrency=16) as api:
        result = api.load("projects", "tasks")
        assert api.rows("tasks", "_projects_id", "id") == [(n, number) for n in ids for number in range(n % 3)]
        parents = result.statistics.parents
        assert parents
        assert (parents.read, parents.without_rows) == (2_000, 666)
