"""Children that cannot be loaded: nothing is written, and the error names the parent's key and not its value."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from analytics_assets.rest_api.errors import CredentialsError, DataError, ResponseError, RestApiError, WarehouseError
from analytics_assets_tests.fake_api import OffsetPagination, Row, faults
from analytics_assets_tests.rest_api.children.test_replacing import IGNORE
from analytics_assets_tests.rest_api.children.test_rows import PROJECTS, TASKS
from analytics_assets_tests.support.children import child_api, tasks_of
from analytics_assets_tests.support.shop import Shop

SECRET_ID = "customer-4711"


def test_failure_on_the_second_page_of_one_parent_writes_nothing(
    any_shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    endpoints = {
        "/projects": [{"id": f"{SECRET_ID}-{n}"} for n in range(5)],
        **{f"/projects/{SECRET_ID}-{n}/tasks": tasks_of(n, *range(5)) for n in range(5)},
    }
    with child_api(any_shop, endpoints, [PROJECTS, TASKS]) as api:
        api.load("projects")
        api.server.faults.add(faults.status(500), path=f"{SECRET_ID}-3/tasks", page=2, times=None)
        with caplog.at_level(logging.DEBUG), pytest.raises(ResponseError) as failed:
            api.load("tasks")
        assert "/shop/projects/{resources.projects.id}/tasks, page" in str(failed.value)
        assert SECRET_ID not in str(failed.value) + caplog.text
        assert "shop.tasks" not in any_shop.tables()
        api.server.faults.clear()
        api.load("tasks")
        assert len(api.rows("tasks", "_projects_id", "id")) == 25


def test_failing_connections_do_not_log_the_values_of_parents(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    endpoints = {"/projects": [{"id": SECRET_ID}], f"/projects/{SECRET_ID}/tasks": tasks_of(1, 1)}
    with child_api(shop, endpoints, [PROJECTS, TASKS]) as api:
        api.load("projects")
        api.server.faults.add(faults.close(), path="/tasks", times=None)
        with caplog.at_level(logging.DEBUG), pytest.raises(RestApiError) as failed:
            api.load("tasks")
        assert "{resources.projects.id}" in str(failed.value)
        assert "{resources.projects.id}" in caplog.text
        assert SECRET_ID not in str(failed.value) + caplog.text


@pytest.mark.parametrize(
    "actions", [[], [{"status_code": 422, "action": "fail"}], [{"status_code": 422, "action": "retry"}]]
)
def test_reason_of_the_api_does_not_show_the_values_of_parents(
    shop: Shop, caplog: pytest.LogCaptureFixture, actions: list[dict[str, Any]]
) -> None:
    handler = {"backoff_factor": 0, "response_actions": actions}
    tasks = {**TASKS, "endpoint": {"path": TASKS["endpoint"], "error_handler": handler}}
    with child_api(
        shop, {"/projects": [{"id": SECRET_ID}], f"/projects/{SECRET_ID}/tasks": []}, [PROJECTS, tasks]
    ) as api:
        api.load("projects")
        body = f'{{"message": "No plan for {SECRET_ID}"}}'.encode()
        api.server.faults.add(faults.status(422, body=body), path="/tasks", times=None)
        with caplog.at_level(logging.DEBUG), pytest.raises(RestApiError, match=r"422 \(No plan for \*\*\*\)") as failed:
            api.load("tasks")
        assert SECRET_ID not in str(failed.value) + caplog.text


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_value_that_would_change_the_path_is_an_error_with_the_path(shop: Shop, value: str) -> None:
    with child_api(shop, {"/projects": [{"id": value}]}, [PROJECTS, TASKS]) as api:
        api.load("projects")
        with pytest.raises(
            ResponseError, match=r"`endpoint\.path: /projects/\{resources\.projects\.id\}/tasks`: a value"
        ):
            api.load("tasks")
        assert api.paths() == ["/projects"]


def test_missing_table_of_the_parent_names_what_to_load_first(any_shop: Shop) -> None:
    with child_api(any_shop, {"/projects": [{"id": 1}]}, [PROJECTS, TASKS]) as api:
        with pytest.raises(
            WarehouseError, match=r"parent's table shop\.projects does not exist: load 'projects' first"
        ):
            api.load("tasks")
        assert api.paths() == []


def test_parent_without_rows_is_a_warning(any_shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    projects = {**PROJECTS, "columns": {"id": {"type": "integer"}}}
    with child_api(any_shop, {"/projects": []}, [projects, TASKS]) as api:
        result = api.load("projects", "tasks")
        assert (result.rows, result.statistics.parents and result.statistics.parents.read) == (0, 0)
        assert "tasks: the parent's table shop.projects has no rows: nothing is requested" in caplog.text


def test_rows_without_a_value_are_counted_in_a_warning(any_shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    tasks = {**TASKS, "include_from_parent": ["ref"], "primary_key": "id", "endpoint": "/t/{resources.projects.ref}"}
    endpoints: dict[str, list[Row]] = {"/projects": [{"id": 1, "ref": 5}, {"id": 2}], "/t/5": [{"id": 1}]}
    with child_api(any_shop, endpoints, [PROJECTS, tasks]) as api:
        api.load("projects", "tasks")
        assert "shop.projects: 1 rows have no value for 'ref': nothing is requested for them" in caplog.text


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("idd", r"has no column 'idd' for the field 'idd'\. Its columns are id, owner, name, "),
        ("name.first", r"column 'name' of the parent's table shop\.projects is text and has no nested field 'first'"),
        ("owner", "an object or a list"),
    ],
)
def test_fields_that_the_parent_does_not_have(any_shop: Shop, field: str, message: str) -> None:
    tasks = {**TASKS, "include_from_parent": [], "primary_key": "id", "endpoint": f"/t/{{resources.projects.{field}}}"}
    projects: list[Row] = [{"id": 1, "owner": {"x": 1}, "name": "n"}]
    with child_api(any_shop, {"/projects": projects}, [PROJECTS, tasks]) as api:
        api.load("projects")
        with pytest.raises(RestApiError, match=message):
            api.load("tasks")


def test_field_with_values_of_several_types_is_refused(any_shop: Shop) -> None:
    tasks = {**TASKS, "include_from_parent": [], "primary_key": "id", "endpoint": "/t/{resources.projects.ref}"}
    with child_api(any_shop, {"/projects": [{"id": 1, "ref": 1}, {"id": 2, "ref": "b"}]}, [PROJECTS, tasks]) as api:
        api.load("projects")
        with pytest.raises(WarehouseError, match=r"the columns 'ref' and 'ref__v_text'\. Declare its type"):
            api.load("tasks")


def test_parents_that_vanished_since_they_were_listed_are_ignored(any_shop: Shop) -> None:
    endpoint = {"path": "/projects/{resources.projects.id}/tasks", "error_handler": IGNORE}
    endpoints = {"/projects": [{"id": n} for n in (1, 2, 3)], "/projects/2/tasks": tasks_of(2, 1)}
    with child_api(any_shop, endpoints, [PROJECTS, {**TASKS, "endpoint": endpoint}]) as api:
        result = api.load("projects", "tasks")
        assert api.rows("tasks", "_projects_id", "id") == [(2, 1)]
        parents = result.statistics.parents
        assert parents
        assert (parents.read, parents.without_rows, parents.ignored) == (3, 2, 2)


def test_load_fails_if_all_parents_were_ignored(any_shop: Shop) -> None:
    endpoint = {"path": "/projets/{resources.projects.id}/tasks", "error_handler": IGNORE}
    with child_api(any_shop, {"/projects": [{"id": 1}, {"id": 2}]}, [PROJECTS, {**TASKS, "endpoint": endpoint}]) as api:
        api.load("projects")
        with pytest.raises(ResponseError, match=r"ignores the responses to all reads \(404: 2\)"):
            api.load("tasks")
        assert "shop.tasks" not in any_shop.tables()


KEYS: dict[str, tuple[dict[str, Any], list[Row], bool]] = {  # keys of the child, rows of the second parent, conflict
    "rows differ": ({}, [{"id": 1, "title": "other"}], True),
    "columns of the parent differ": ({"include_from_parent": ["id"]}, [{"id": 1, "title": "same"}], True),
    "rows are equal": ({}, [{"id": 1, "title": "same"}], False),
}


@pytest.mark.parametrize("case", KEYS)
def test_one_key_under_two_parents_is_an_error_if_the_rows_differ(any_shop: Shop, case: str) -> None:
    keys, second, is_error = KEYS[case]
    tasks = {"name": "tasks", "endpoint": TASKS["endpoint"], **keys}
    endpoints: dict[str, list[Row]] = {
        "/projects": [{"id": 1}, {"id": 2}],
        "/projects/1/tasks": [{"id": 1, "title": "same"}, {"id": 2, "title": "own"}],
        "/projects/2/tasks": second,
    }
    with child_api(any_shop, endpoints, [PROJECTS, tasks]) as api:
        api.load("projects")
        if is_error:
            with pytest.raises(DataError, match=r"1 keys occur in rows of several parents.* Add _projects_id to"):
                api.load("tasks")
            assert "shop.tasks" not in any_shop.tables()
        else:
            api.load("tasks")
            assert api.rows("tasks", "id", "title") == [(1, "same"), (2, "own")]


def test_records_must_not_have_the_field_of_the_parents_column(any_shop: Shop) -> None:
    endpoints: dict[str, list[Row]] = {"/projects": [{"id": 1}], "/projects/1/tasks": [{"id": 1, "_projects_id": 9}]}
    with child_api(any_shop, endpoints, [PROJECTS, TASKS]) as api:
        api.load("projects")
        with pytest.raises(DataError, match="the records have a field for the column '_projects_id'"):
            api.load("tasks")


REPEATED: dict[str, tuple[list[str], list[str], str]] = {  # included fields, key, error
    "key without the included field": (["customer", "id"], ["_orders_customer", "id"], r"or add _orders_id to"),
    "key without the parent": (["id"], ["id"], r"or add _orders_id to"),
    "key with the included field": (["id"], ["_orders_id", "id"], ""),
    "included fields are equal": (["customer"], ["_orders_customer", "id"], ""),
}


@pytest.mark.parametrize("case", REPEATED)
def test_rows_of_the_parent_with_equal_requests_must_not_differ_in_included_fields(any_shop: Shop, case: str) -> None:
    include, key, error = REPEATED[case]
    orders: list[Row] = [{"id": 1, "customer": 7}, {"id": 2, "customer": 7}]
    customers = {
        "name": "customers",
        "primary_key": key,
        "include_from_parent": include,
        "endpoint": "/customers/{resources.orders.customer}",
    }
    endpoints: dict[str, list[Row]] = {"/orders": orders, "/customers/7": [{"id": 1}]}
    with child_api(any_shop, endpoints, [{"name": "orders", "endpoint": "/orders"}, customers]) as api:
        api.load("orders")
        if error:
            with pytest.raises(DataError, match=f"1 rows of the parent 'orders' have the same customer as .*{error}"):
                api.load("customers")
            assert api.paths() == ["/orders"]
        else:
            api.load("customers")
            assert len(api.rows("customers", *key)) == len({tuple(order[name] for name in include) for order in orders})


@pytest.mark.parametrize("fields", [["id", "Id"], ["a.b", "a_b"]])
def test_two_included_fields_of_one_column_are_an_error(shop: Shop, fields: list[str]) -> None:
    projects: list[Row] = [{"id": 1, "a": {"b": 1}, "a_b": 2}]
    tasks = {**TASKS, "include_from_parent": fields, "primary_key": "id"}
    with child_api(shop, {"/projects": projects, "/projects/1/tasks": []}, [PROJECTS, tasks]) as api:
        api.load("projects")
        with pytest.raises(DataError, match=r"'_projects_.*' and '_projects_.*' would be one column: remove one of"):
            api.load("tasks")


def test_variable_without_values_is_an_error_and_keeps_the_rows(shop: Shop) -> None:
    stock = {
        "name": "stock",
        "primary_key": None,
        "write_disposition": "replace",
        "endpoint": {"path": "/{region}/stock", "for_each": {"region": {"env": "REGIONS"}}},
    }
    with child_api(shop, {"/eu/stock": [{"id": 1}]}, [stock], environ={"REGIONS": "eu"}) as api:
        api.load("stock")
        api.environ["REGIONS"] = " , "
        with pytest.raises(CredentialsError, match=r"`endpoint\.for_each\.region`: REGIONS has no values between its"):
            api.load("stock")
        assert api.rows("stock", "id") == [(1,)]


def test_rows_without_a_key_are_skipped_with_their_values_of_the_parent(any_shop: Shop) -> None:
    endpoints: dict[str, list[Row]] = {
        "/projects": [{"id": n} for n in (1, 2)],
        "/projects/1/tasks": [{"id": None}, {"id": 1}],
        "/projects/2/tasks": [{"id": 2}, {"id": None}, {"id": 3}],
    }
    with child_api(any_shop, endpoints, [PROJECTS, {**TASKS, "null_key": "skip"}]) as api:
        result = api.load("projects", "tasks")
        assert api.rows("tasks", "_projects_id", "id") == [(1, 1), (2, 2), (2, 3)]
        assert result.statistics.rows_without_key == 2


def test_rows_that_moved_under_one_parent_are_read_again_for_this_parent_only(any_shop: Shop) -> None:
    paginator = {"type": "offset", "limit": 3, "total_path": "total"}
    endpoint = {"path": "/projects/{resources.projects.id}/tasks", "paginator": paginator}
    endpoints = {"/projects": [{"id": 1}, {"id": 2}], **{f"/projects/{n}/tasks": tasks_of(n, 1, 2, 3) for n in (1, 2)}}
    pages = OffsetPagination(total_path="total")
    with child_api(any_shop, endpoints, [PROJECTS, {**TASKS, "endpoint": endpoint}], child_pages=pages) as api:
        api.load("projects")
        api.server.faults.add(faults.status(200, body=b'{"data": [{"id": 1}], "total": 3}'), path="/1/tasks", times=1)
        api.server.faults.add(faults.status(200, body=b'{"data": [], "total": 3}'), path="/1/tasks", times=1)
        api.load("tasks")
        assert api.rows("tasks", "_projects_id", "id") == [(n, task) for n in (1, 2) for task in (1, 2, 3)]
        assert api.server.faults.unused() == []
        assert api.paths().count("/projects/2/tasks") == 1
