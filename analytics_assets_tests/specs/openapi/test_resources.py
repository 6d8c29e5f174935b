"""Resources, keys, columns, parents and windows of OpenAPI documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.errors import ConfigError
from analytics_assets.specs.openapi import convert_openapi
from analytics_assets_tests.specs.openapi.documents import (
    NUMBER,
    TASK,
    TEXT,
    converted,
    document,
    endpoint,
    get,
    list_of,
    query,
)

TIME = {"type": "string", "format": "date-time"}
PROJECT = {"type": "object", "properties": {"id": NUMBER, "slug": TEXT}}


def path_parameters(*names: str, **schema: Any) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": {**TEXT, **schema}} for name in names]


def record(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


RESPONSES = {
    "bare list": (list_of(TASK), "$"),
    "data": ({"type": "object", "properties": {"data": list_of(TASK)}}, "data"),
    "name of the resource": (record(total=NUMBER, tasks=list_of(TASK), errors=list_of(TASK)), "tasks"),
    "envelope in an envelope": (record(data=record(items=list_of(TASK)), meta=record(n=NUMBER)), "data.items"),
    "reference": ({"$ref": "#/components/schemas/Tasks"}, "results"),
    "allOf": ({"allOf": [record(total=NUMBER), record(results=list_of(TASK))]}, "results"),
    "oneOf with null": ({"oneOf": [{"type": "null"}, list_of(TASK)]}, "$"),
    "another name": (record(total=NUMBER, found=list_of(TASK)), "found"),
}


@pytest.mark.parametrize(("schema", "selector"), RESPONSES.values(), ids=RESPONSES)
def test_records_are_found(schema: dict[str, Any], selector: str, tmp_path: Path) -> None:
    components = {"schemas": {"Tasks": record(results=list_of({"$ref": "#/components/schemas/Task"})), "Task": TASK}}
    result, config = converted(document({"/tasks": get(schema)}, components=components), tmp_path)
    assert endpoint(result)["data_selector"] == selector
    assert list(config.resolved_resources()[0].columns) == ["id", "name"]


NOT_LISTS = {
    "one record with a list": ("/tasks/{id}", record(id=NUMBER, items=list_of(TASK))),
    "a record with an id": ("/me", record(id=NUMBER, teams=list_of(TASK))),
    "a list of texts": ("/names", list_of(TEXT)),
}


@pytest.mark.parametrize(("path", "schema"), NOT_LISTS.values(), ids=NOT_LISTS)
def test_other_responses_are_no_resources(path: str, schema: dict[str, Any], tmp_path: Path) -> None:
    result, _ = converted(document({"/projects": get(list_of(PROJECT)), path: get(schema)}), tmp_path)
    assert [each["name"] for each in result.attributes["resources"]] == ["projects"]


def test_undescribed_response_is_not_carried_unless_it_is_picked(tmp_path: Path) -> None:
    paths = {"/tasks": get(list_of(TASK)), "/logs": get({})}
    result, _ = converted(document(paths), tmp_path)
    assert result.messages() == [
        "resources: GET /logs: the document does not describe its response; `--only /logs` writes it"
    ]
    picked, _ = converted(document(paths), tmp_path, only=["/logs"])
    assert "decide: the document does not describe the response: where are the records?" in picked.to_yaml()


def test_path_parameters_are_parents(tmp_path: Path) -> None:
    paths = {
        "/v1/projects": get(list_of(PROJECT)),
        "/v1/projects/{project_id}/tasks": get(list_of(TASK), path_parameters("project_id")),
        "/v1/projects/{project_id}/tasks/{task_id}/comments": get(
            list_of(TASK), path_parameters("project_id", "task_id")
        ),
    }
    result, _ = converted(document(paths), tmp_path)
    projects, tasks, comments = result.attributes["resources"]
    assert "error_handler" not in projects["endpoint"]
    assert tasks["primary_key"] == ["_projects_id", "id"]
    assert tasks["endpoint"]["path"] == "/v1/projects/{resources.projects.id}/tasks"
    assert tasks["endpoint"]["error_handler"] == {"response_actions": [{"status_code": 404, "action": "ignore"}]}
    assert comments["include_from_parent"] == ["_projects_id", "id"]
    assert comments["primary_key"] == ["_tasks__projects_id", "_tasks_id", "id"]
    assert comments["endpoint"]["path"] == (
        "/v1/projects/{resources.tasks._projects_id}/tasks/{resources.tasks.id}/comments"
    )


def test_parameter_without_list_endpoint_is_a_variable(tmp_path: Path) -> None:
    path = "/repos/{owner}/{repo}/issues"
    paths = {
        path: get(list_of(TASK), path_parameters("owner", "repo")),
        f"{path}/{{number}}/comments": get(list_of(TASK), path_parameters("owner", "repo", "number")),
    }
    result, _ = converted(document(paths), tmp_path)
    issues, comments = result.attributes["resources"]
    assert issues["endpoint"]["for_each"] == {"owner": {"env": "SHOP_OWNER"}, "repo": {"env": "SHOP_REPO"}}
    assert issues["primary_key"] == ["_owner", "_repo", "id"]
    assert "for_each" in comments["endpoint"]  # no field of an issue is named `number`
    assert "decide: no list endpoint has `owner`: set SHOP_OWNER to its values" in result.to_yaml()


def test_parents_own_values_reach_the_child(tmp_path: Path) -> None:
    paths = {
        "/{region}/projects": get(list_of(PROJECT), path_parameters("region", enum=["eu", "us"])),
        "/{region}/projects/{id}/tasks": get(list_of(TASK), path_parameters("region", "id")),
    }
    result, _ = converted(document(paths), tmp_path)
    projects, tasks = result.attributes["resources"]
    assert projects["endpoint"]["for_each"] == {"region": ["eu", "us"]}
    assert tasks["endpoint"]["path"] == "/{resources.projects._region}/projects/{resources.projects.id}/tasks"
    assert tasks["primary_key"] == ["_projects__region", "_projects_id", "id"]


KEYS = {
    "the parameter of the endpoint of one record": (("code", "id"), "/{code}", "code"),
    "id": (("name", "id"), "", "id"),
    "the resource's id": (("name", "task_id"), "", "task_id"),
    "in camel case": (("name", "taskId"), "", "taskId"),
    "a guess": (("title", "name"), "", "name"),
}


@pytest.mark.parametrize(("fields", "detail", "key"), KEYS.values(), ids=KEYS)
def test_primary_key(fields: tuple[str, ...], detail: str, key: str, tmp_path: Path) -> None:
    schema = record(**dict.fromkeys(fields, TEXT))
    paths = {"/tasks": get(list_of(schema)), **({f"/tasks{detail}": get(schema)} if detail else {})}
    result, _ = converted(document(paths), tmp_path)
    assert result.attributes["resources"][0]["primary_key"] == key
    assert ("decide: a guess" in result.to_yaml()) is (key == "name")


def test_without_a_key_the_table_is_replaced(tmp_path: Path) -> None:
    _, config = converted(document({"/tasks": get(list_of(record(size=NUMBER)))}), tmp_path)
    assert config.resolved_resources()[0].write_disposition == "replace"


def test_columns_have_types_and_descriptions(tmp_path: Path) -> None:
    schema = record(
        id={**NUMBER, "description": "The id.\n\nMore text."},
        due={"type": ["string", "null"], "format": "date-time"},
        day={"type": "string", "format": "date", "nullable": True},
        tags={"type": "array", "items": TEXT},
        rate={"anyOf": [{"type": "integer"}, {"type": "number"}]},
        mixed={"anyOf": [{"type": "string"}, {"type": "object"}]},
        secret={"type": "string", "writeOnly": True},
    )
    result, config = converted(document({"/tasks": get(list_of(schema))}), tmp_path)
    columns = config.resolved_resources()[0].columns
    assert {name: column.data_type for name, column in columns.items()} == {
        "id": "bigint",
        "due": "timestamp",
        "day": "date",
        "tags": "json",
        "rate": "double",
    }
    assert columns["id"].description == "The id."
    assert "# not carried: the types of mixed," in result.to_yaml()
    assert result.is_whole


WINDOWS = {
    "updated_since": (
        ("updated_since",),
        ("updated_at",),
        {"cursor_path": "updated_at", "start_param": "updated_since"},
    ),
    "after and before": (
        ("updated_after", "updated_before"),
        ("updated_at", "created_at"),
        {
            "cursor_path": "updated_at",
            "start_param": "updated_after",
            "end_param": "updated_before",
            "start": "exclusive",
        },
    ),
    "modified_from": (
        ("modified_from", "modified_to"),
        ("modified",),
        {"cursor_path": "modified", "start_param": "modified_from", "end_param": "modified_to"},
    ),
    "brackets": (
        ("created[gte]", "created[lt]"),
        ("created",),
        {"cursor_path": "created", "start_param": "created[gte]", "end_param": "created[lt]"},
    ),
    "Django": (
        ("updated_at__gte", "updated_at__lt"),
        ("updated_at",),
        {"cursor_path": "updated_at", "start_param": "updated_at__gte", "end_param": "updated_at__lt"},
    ),
    "start_date": (
        ("start_date", "end_date"),
        ("updated_at",),
        {"cursor_path": "updated_at", "start_param": "start_date", "end_param": "end_date"},
    ),
    "camel case": (
        ("updatedAtMin", "updatedAtMax"),
        ("updatedAt",),
        {"cursor_path": "updatedAt", "start_param": "updatedAtMin", "end_param": "updatedAtMax"},
    ),
    "no such field": (("updated_since",), ("colour",), None),
}


@pytest.mark.parametrize(("parameters", "fields", "incremental"), WINDOWS.values(), ids=WINDOWS)
def test_windows(parameters: tuple[str, ...], fields: tuple[str, ...], incremental: Any, tmp_path: Path) -> None:
    schema = record(id=NUMBER, **dict.fromkeys(fields, TIME))
    path = get(list_of(schema), query(**dict.fromkeys(parameters, TIME)))
    result, config = converted(document({"/tasks": path}), tmp_path)
    assert endpoint(result).get("incremental") == incremental
    assert (config.partitions is not None) is (incremental is not None)


EPOCHS = {
    "epoch_s": {**NUMBER, "description": "Unix time in seconds"},
    "epoch_ms": {**NUMBER, "description": "in milliseconds"},
    "date": {"type": "string", "format": "date"},
}


@pytest.mark.parametrize("name", EPOCHS)
def test_format_of_times(name: str, tmp_path: Path) -> None:
    schema = record(id=NUMBER, updated_at=EPOCHS[name])
    path = get(list_of(schema), query(updated_since=EPOCHS[name]))
    result, _ = converted(document({"/tasks": path}), tmp_path)
    assert endpoint(result)["incremental"]["format"] == name


def test_required_parameters_are_sent(tmp_path: Path) -> None:
    parameters = [
        {"name": "locale", "in": "query", "required": True, "schema": {**TEXT, "default": "en"}},
        {"name": "account", "in": "query", "required": True, "schema": TEXT},
        {"name": "X-Version", "in": "header", "required": True, "schema": {**TEXT, "enum": ["2026-01"]}},
        {"name": "X-Tenant", "in": "header", "required": True, "schema": TEXT},
    ]
    result, _ = converted(document({"/tasks": get(list_of(TASK), parameters)}), tmp_path)
    assert endpoint(result)["params"] == {"locale": "en", "account": "{account}"}
    assert endpoint(result)["for_each"] == {"account": {"env": "SHOP_ACCOUNT"}}
    assert endpoint(result)["headers"] == {"X-Version": "2026-01", "X-Tenant": {"env": "SHOP_X_TENANT"}}


def test_only_picks_by_name_path_and_operation_with_parents(tmp_path: Path) -> None:
    paths = {
        "/projects": get(list_of(PROJECT)),
        "/projects/{id}/tasks": get(list_of(TASK), path_parameters("id")),
        "/users": get(list_of(TASK), operationId="listUsers"),
        "/teams": get(list_of(TASK)),
    }
    for pattern, names in {
        "tasks": ["projects", "tasks"],
        "/use*": ["users"],
        "listusers": ["users"],
    }.items():
        result, _ = converted(document(paths), tmp_path, only=[pattern])
        assert [each["name"] for each in result.attributes["resources"]] == names
    with pytest.raises(ConfigError, match="no list endpoint matches 'taskz'; there are: projects, tasks, teams, users"):
        convert_openapi(document(paths), "shop", ["taskz"])


def test_names_are_unique_and_short(tmp_path: Path) -> None:
    paths = {
        f"/api/v2{path}": get(list_of(TASK))
        for path in ("/users", "/admin/users", "/teams/{id}/users", "/dagRuns", "/tags", "/x/tags", "/y/tags")
    }
    result, _ = converted(document(paths), tmp_path)
    names = [each["name"] for each in result.attributes["resources"]]
    assert names == ["users", "admin_users", "team_users", "dag_runs", "tags", "x_tags", "y_tags"]


WRONG = {
    "Swagger 2": ({"swagger": "2.0", "paths": {}}, "is version 2.0: OpenAPI 3.0 and 3.1 are supported"),
    "no lists": (document({"/me": get(TASK)}), "has no list endpoint"),
    "no paths": ({"openapi": "3.0.0"}, "has no list endpoint"),
    "paths of another type": ({"openapi": "3.0.0", "paths": ["/a"]}, "has no list endpoint"),
}


@pytest.mark.parametrize(("wrong", "message"), WRONG.values(), ids=WRONG)
def test_document_that_cannot_be_converted(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        convert_openapi(wrong, "shop")


def test_references_are_bounded_and_stay_in_the_document(tmp_path: Path) -> None:
    schemas = {
        "Node": record(id=NUMBER, children=list_of({"$ref": "#/components/schemas/Node"})),
        "Loop": {"$ref": "#/components/schemas/Loop"},
        "Merged": {"allOf": [{"$ref": "#/components/schemas/Merged"}]},
    }
    paths = {
        "/nodes": get(list_of({"$ref": "#/components/schemas/Node"})),
        "/loops": get(list_of({"$ref": "#/components/schemas/Loop"})),
        "/merged": get(list_of({"$ref": "#/components/schemas/Merged"})),
        "/features": get(list_of({"$ref": "https://example.com/schema.json"})),
    }
    result, _ = converted(document(paths, components={"schemas": schemas}), tmp_path)
    assert {"nodes", "features"} <= {each["name"] for each in result.attributes["resources"]}
    assert "# not carried: columns of a schema in another file" in result.to_yaml()


def test_parent_with_another_path_is_found_by_its_last_word(tmp_path: Path) -> None:
    paths = {
        "/datasets": get(list_of(PROJECT)),
        "/datasets/{dataset_identifier}/experiments": get(list_of(TASK), path_parameters("dataset_identifier")),
        "/experiments/{experiment_id}/runs": get(list_of(TASK), path_parameters("experiment_id")),
    }
    result, _ = converted(document(paths), tmp_path)
    _, experiments, runs = result.attributes["resources"]
    assert experiments["endpoint"]["path"] == "/datasets/{resources.datasets.id}/experiments"
    assert runs["endpoint"]["path"] == "/experiments/{resources.experiments.id}/runs"


def test_endpoints_that_could_be_parents_of_each_other(tmp_path: Path) -> None:
    paths = {
        "/a/{x_id}/b": get(list_of(TASK), path_parameters("x_id")),
        "/b/{y_id}/a": get(list_of(TASK), path_parameters("y_id")),
        "/c/{z_id}/d": get(list_of(TASK), path_parameters("z_id")),
        "/d/{z_id}/e": get(list_of(TASK), path_parameters("z_id")),
        "/e/{z_id}/c": get(list_of(TASK), path_parameters("z_id")),
    }
    result, _ = converted(document(paths), tmp_path)
    assert any("for_each" in each["endpoint"] for each in result.attributes["resources"])


def test_required_key_is_a_credential_and_never_a_column(tmp_path: Path) -> None:
    key = {"name": "api_key", "in": "query", "required": True, "schema": {**TEXT, "default": "DEMO_4242"}}
    header = {"name": "X-Token", "in": "header", "required": True, "schema": {**TEXT, "default": "DEMO_4242"}}
    result, _ = converted(document({"/tasks": get(list_of(TASK), [key, header])}), tmp_path)
    assert endpoint(result)["auth"]["api_key"] == {"env": "SHOP_API_KEY"}
    assert endpoint(result)["headers"] == {"X-Token": {"env": "SHOP_X_TOKEN"}}
    assert "DEMO_4242" not in result.to_yaml()
    assert "for_each" not in result.to_yaml()
