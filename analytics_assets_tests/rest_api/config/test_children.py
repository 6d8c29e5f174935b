# ruff: noqa: E501  (a case is a line)
"""Children and lists of values: wrong configurations and their messages, and what a valid one resolves to."""

from __future__ import annotations

from typing import Any

import pytest

from analytics_assets.rest_api.config import Parent, RestApiConfig, parse_config
from analytics_assets.rest_api.errors import ConfigError

FILTER = {"cursor_path": "updated_at", "start_param": "since"}


def resource(name: str, path: str = "/v1", **keys: Any) -> dict[str, Any]:
    endpoint = {"path": path, **keys.pop("endpoint", {})}
    return {"name": name, "endpoint": endpoint, **keys}


def parsed(*resources: dict[str, Any]) -> RestApiConfig:
    defaults = {"primary_key": "id", "endpoint": {"data_selector": "data", "paginator": "single_page"}}
    return parse_config(
        {
            "client": {"base_url": "https://api.example.com"},
            "resource_defaults": defaults,
            "resources": list(resources),
            "partitions": {"cadence": "daily", "start": "2026-10-01"},
        }
    )


PROJECTS = resource("projects")
UPDATED_PROJECTS = resource("projects", endpoint={"incremental": FILTER})
PATH = "/v1/{resources.projects.id}"
SALT = {"env": "SALT"}
FOLLOWING = {"incremental": {"from_parent": True}}

MISTAKES: dict[str, tuple[list[dict[str, Any]], str]] = {
    "unknown parent": (
        [PROJECTS, resource("tasks", "/v1/{resources.project.id}")],
        "resources[1].endpoint.path: there is no resource 'project' in this file; did you mean 'projects'?",
    ),
    "in params": (
        [PROJECTS, resource("tasks", endpoint={"params": {"q": "{resources.posts.id}"}})],
        "resources[1].endpoint.params.q: there is no resource 'posts' in this file",
    ),
    "no field": (
        [PROJECTS, resource("tasks", "/v1/{resources.projects}")],
        "resources[1].endpoint.path: {resources.projects} must be {resources.<resource>.<field>}",
    ),
    "two parents": (
        [PROJECTS, resource("users"), resource("tasks", "/v1/{resources.projects.id}/{resources.users.id}")],
        "resources[2].endpoint.path: a resource has one parent, and this one names projects and users. Of a parent's own "
        "parent, name the column that `include_from_parent` adds to the parent's rows",
    ),
    "itself": (
        [resource("tasks", "/v1/{resources.tasks.id}")],
        "resources[0].endpoint.path: is a cycle of parents (tasks -> tasks): one of them must not depend on another",
    ),
    "cycle": (
        [resource("a", "/{resources.b.id}"), resource("b", "/{resources.c.id}"), resource("c", "/{resources.a.id}")],
        "is a cycle of parents",
    ),
    "misspelled field": (
        [
            {**PROJECTS, "columns": {"project_id": {"type": "integer"}}},
            resource("tasks", "/{resources.projects.projct_id}"),
        ],
        "resources[1].endpoint.path: 'projects' declares no field 'projct_id'; did you mean 'project_id'?",
    ),
    "field that the schema lacks": (
        [
            {**PROJECTS, "schema": {"properties": {"id": {"type": "integer"}}}},
            resource("tasks", PATH, include_from_parent=["owner"]),
        ],
        "resources[1].include_from_parent[0]: 'projects' declares no field 'owner'",
    ),
    "include without parent": (
        [resource("tasks", include_from_parent="id")],
        "resources[0].include_from_parent: needs a parent: {resources.<resource>.<field>} in the request",
    ),
    "include in defaults": (
        [resource("tasks", PATH, include_from_parents=["id"])],
        "resources[0].include_from_parents: unknown key; did you mean 'include_from_parent'?",
    ),
    "wrong type of include": (
        [PROJECTS, resource("tasks", PATH, include_from_parent=[5])],
        "resources[1].include_from_parent[0]: must be text",
    ),
    "key that is not included": (
        [PROJECTS, resource("tasks", PATH, primary_key=["_projects_id", "id"])],
        "resources[1].primary_key[0]: needs the parent's field: write `include_from_parent: [id]`",
    ),
    "replace_by without parent": (
        [resource("tasks", replace_by="parent")],
        "resources[0].replace_by: needs a parent: {resources.<resource>.<field>} in the request",
    ),
    "replace_by of something else": (
        [PROJECTS, resource("tasks", PATH, replace_by="parents")],
        "resources[1].replace_by: must be 'parent'; did you mean 'parent'?",
    ),
    "replace_by of windows": (
        [PROJECTS, resource("tasks", PATH, replace_by="parent", endpoint={"incremental": FILTER})],
        "resources[1].replace_by: would replace all rows of a parent by those of one window: remove it, or write "
        "`incremental: {from_parent: true}`",
    ),
    "replace_by without merge": (
        [PROJECTS, resource("tasks", PATH, replace_by="parent", write_disposition="replace")],
        "resources[1].replace_by: needs `write_disposition: merge`, not replace",
    ),
    "from_parent without parent": (
        [resource("tasks", endpoint=FOLLOWING)],
        "resources[0].endpoint.incremental.from_parent: needs a parent: {resources.<resource>.<field>} in the request",
    ),
    "from_parent without a cursor": (
        [PROJECTS, resource("tasks", PATH, endpoint=FOLLOWING)],
        "resources[1].endpoint.incremental.from_parent: needs a parent with `incremental.cursor_path`: 'projects' does "
        "not say when a row changed",
    ),
    "from_parent with a filter": (
        [
            UPDATED_PROJECTS,
            resource("tasks", PATH, endpoint={"incremental": {"from_parent": True, "start_param": "s"}}),
        ],
        "resources[1].endpoint.incremental.start_param: has no meaning with `from_parent`, which reads all rows of each "
        "changed parent: remove it",
    ),
    "from_parent with a bound": (
        [UPDATED_PROJECTS, resource("tasks", PATH, endpoint={**FOLLOWING, "params": {"since": "{start}"}})],
        "resources[1].endpoint.params.since: contains {start} or {end}, which need `endpoint.incremental`",
    ),
    "resolve that is not in the path": (
        [
            PROJECTS,
            resource("tasks", endpoint={"params": {"p": {"type": "resolve", "resource": "projects", "field": "id"}}}),
        ],
        "resources[1].endpoint.params.p: dlt's resolve parameter must be in the path, as {p}; elsewhere write "
        "'{resources.projects.id}'",
    ),
    "resolve without field": (
        [PROJECTS, resource("tasks", "/{p}", endpoint={"params": {"p": {"type": "resolve", "resource": "projects"}}})],
        "resources[1].endpoint.params.p: must be {type: resolve, resource: <resource>, field: <field>}",
    ),
    "for_each without values": (
        [resource("stock", "/{region}", endpoint={"for_each": {"region": []}})],
        "resources[0].endpoint.for_each.region: must have at least one value, and each value once",
    ),
    "for_each with a value twice": (
        [resource("stock", "/{region}", endpoint={"for_each": {"region": ["a", "b", "a"]}})],
        "resources[0].endpoint.for_each.region: must have at least one value, and each value once",
    ),
    "for_each of objects": (
        [resource("stock", "/{region}", endpoint={"for_each": {"region": [["a"]]}})],
        "resources[0].endpoint.for_each.region: must be a list of texts, numbers or booleans, or {env: NAME} with values "
        "between commas",
    ),
    "for_each of a reserved name": (
        [resource("stock", "/{page}", endpoint={"for_each": {"page": [1]}})],
        "resources[0].endpoint.for_each.page: is a reserved name: choose another one",
    ),
    "for_each of no name": (
        [resource("stock", endpoint={"for_each": {"a b": [1]}})],
        'resources[0].endpoint.for_each["a b"]: must be a name of letters, digits and _, which begins with a letter',
    ),
    "for_each that is not used": (
        [resource("stock", endpoint={"for_each": {"region": ["eu"]}})],
        "resources[0].endpoint.for_each.region: is not used: write {region} in the path, `params`, `headers` or the body",
    ),
    "values of a name of for_each": (
        [resource("stock", "/{region}", endpoint={"for_each": {"region": ["eu"]}, "values": {"region": "us"}})],
        "resources[0].endpoint.values.region: is a name of `for_each` too: remove one of the two",
    ),
    "values of a reserved name": (
        [resource("stock", "/{page}", endpoint={"values": {"page": "a"}})],
        "resources[0].endpoint.values.page: is a reserved name: choose another one",
    ),
    "values of a list": (
        [resource("stock", "/{region}", endpoint={"values": {"region": [["a"]]}})],
        "resources[0].endpoint.values.region: must be a list of texts, numbers or booleans, or {env: NAME} with values between commas",
    ),
    "misspelled load time": (
        [resource("stock", "/{day}", endpoint={"values": {"day": {"nwo": "date"}}})],
        "resources[0].endpoint.values.day.nwo: unknown key; did you mean 'now'? allowed: minus, now, plus",
    ),
    "misspelled reference": (
        [resource("stock", "/{day}", endpoint={"values": {"day": {"evn": "DAY"}}})],
        "resources[0].endpoint.values.day.evn: unknown key; did you mean 'env'? allowed: env, secret",
    ),
    "load time in an unknown format": (
        [resource("stock", "/{day}", endpoint={"values": {"day": {"now": "datte"}}})],
        "resources[0].endpoint.values.day.now: must be one of iso8601, epoch_s, epoch_ms, date, or a strftime pattern such as '%Y-%m-%d %H:%M'; did you mean 'date'?",
    ),
    "load time without a format": (
        [resource("stock", "/{day}", endpoint={"values": {"day": {"minus": "P1D"}}})],
        "resources[0].endpoint.values.day.now: is required",
    ),
    "load time minus a number": (
        [resource("stock", "/{day}", endpoint={"values": {"day": {"now": "date", "minus": 30}}})],
        "resources[0].endpoint.values.day.minus: must be a duration such as '2 days', '6:00:00' or P2D",
    ),
    "load time minus and plus": (
        [resource("stock", "/{day}", endpoint={"values": {"day": {"now": "date", "minus": "P1D", "plus": "P1D"}}})],
        "resources[0].endpoint.values.day.plus: is the opposite of `minus`: remove one of the two",
    ),
    "load time in a parameter": (
        [resource("stock", "/stock", endpoint={"params": {"day": {"now": "date"}}})],
        "resources[0].endpoint.params.day: must be a text: write the time of the load in `endpoint.values`, and its placeholder here",
    ),
    "load time in a body": (
        [resource("stock", "/stock", endpoint={"method": "POST", "json": {"day": {"now": "date"}}})],
        "resources[0].endpoint.json.day: is sent as it is: write the time of the load in `endpoint.values`, and its placeholder here",
    ),
    "misspelled name of values": (
        [resource("stock", "/{acount}", endpoint={"values": {"account": "a"}})],
        "resources[0].endpoint.path: unknown placeholder {acount}; did you mean {account}?",
    ),
    "misspelled name of for_each": (
        [resource("stock", "/{regoin}", endpoint={"for_each": {"region": ["eu"]}})],
        "resources[0].endpoint.path: unknown placeholder {regoin}; did you mean {region}?",
    ),
    "field that the parent hashes": (
        [{**PROJECTS, "hash": {"owner.key": SALT}}, resource("tasks", "/{resources.projects.owner.key}")],
        "resources[1].endpoint.path: 'owner.key' is a hash in the table of 'projects', which the API does not know: name "
        "another field, or remove 'owner.key' from its `hash`",
    ),
    "field that the parent drops": (
        [
            {**PROJECTS, "exclude": "owner"},
            resource("tasks", endpoint={"params": {"o": "{resources.projects.owner.id}"}}),
        ],
        "resources[1].endpoint.params.o: 'owner.id' is not in the table of 'projects', whose `exclude` drops 'owner'",
    ),
    "included field that the parent drops": (
        [{**PROJECTS, "exclude": "email"}, resource("tasks", PATH, include_from_parent=["id", "email"])],
        "resources[1].include_from_parent[1]: 'email' is not in the table of 'projects', whose `exclude` drops 'email'",
    ),
    "hash of an included field": (
        [PROJECTS, resource("tasks", PATH, include_from_parent="email", hash={"_projects_email": SALT})],
        "resources[1].hash: '_projects_email' is not a field of the records, but added by `include_from_parent`: write "
        "'email' under `hash` of 'projects', or remove it from `include_from_parent`",
    ),
    "exclude of an included field": (
        [PROJECTS, resource("tasks", PATH, include_from_parent="email", exclude="_projects_email")],
        "resources[1].exclude: '_projects_email' is not a field of the records, but added by `include_from_parent`",
    ),
    "placeholder without resources": (
        [PROJECTS, resource("tasks", endpoint={"params": {"p": "{projects.id}"}})],
        "resources[1].endpoint.params.p: unknown placeholder {projects.id}: a field of a parent is written "
        "{resources.projects.id}",
    ),
    "misspelled resources": (
        [PROJECTS, resource("tasks", endpoint={"params": {"p": "project={resource.projects.id}"}})],
        "resources[1].endpoint.params.p: unknown placeholder {resource.projects.id}: a field of a parent is written "
        "{resources.projects.id}",
    ),
    "placeholder with spaces": (
        [PROJECTS, resource("tasks", endpoint={"method": "POST", "json": {"p": "{ resources.projects.id }"}})],
        "resources[1].endpoint.json.p: unknown placeholder { resources.projects.id }: a field of a parent is written "
        "{resources.projects.id}",
    ),
    "doubled braces around a parent's field": (
        [PROJECTS, resource("tasks", "/v1/{{resources.projects.id}}")],
        "resources[1].endpoint.path: unknown placeholder {{resources.projects.id}}: a field of a parent is written "
        "{resources.projects.id}",
    ),
    "two columns of one name": (
        [
            PROJECTS,
            resource(
                "stock",
                "/{resources.projects.id}/{projects_id}",
                include_from_parent="id",
                endpoint={"for_each": {"projects_id": [1]}},
            ),
        ],
        "resources[1].endpoint.for_each.projects_id: becomes the column _projects_id, which `include_from_parent` adds "
        "too: give it another name",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_is_reported_at_its_key(case: str) -> None:
    resources, expected = MISTAKES[case]
    with pytest.raises(ConfigError) as caught:
        parsed(*resources)
    assert any(expected in line for line in str(caught.value).splitlines())
    assert "attributes.resources[" in str(caught.value)


def test_included_field_may_be_a_hash() -> None:
    tasks = resource("tasks", PATH, include_from_parent=["email"])
    [_, child] = parsed({**PROJECTS, "hash": {"email": SALT}}, tasks).resolved_resources()
    assert child.parent
    assert child.parent.include_from_parent == ("email",)


def test_parent_of_a_resource() -> None:
    columns = {"at": {"type": "integer", "format": "epoch_s"}, "name": {"type": "string"}}
    tasks = resource(
        "tasks",
        "/v1/{resources.projects.id}/{resources.projects.owner.id}",
        include_from_parent=["at", "updated_at"],
        endpoint={"params": {"a": "{resources.projects.id}"}},
    )
    [_, child] = parsed({**UPDATED_PROJECTS, "columns": columns}, tasks).resolved_resources()
    assert child.parent == Parent(
        name="projects",
        fields=("id", "owner.id"),
        include_from_parent=("at", "updated_at"),
        time_formats={"at": "epoch_s", "updated_at": "iso8601"},
        cursor_path="updated_at",
    )


@pytest.mark.parametrize("keys", [{"replace_by": "parent"}, {"endpoint": FOLLOWING}])
def test_rows_that_are_replaced_by_parent_get_the_columns_of_its_key(keys: dict[str, Any]) -> None:
    tasks = resource("tasks", PATH, primary_key=["_projects_id", "id"], **keys)
    [_, child] = parsed(UPDATED_PROJECTS, tasks).resolved_resources()
    assert child.parent
    assert child.parent.include_from_parent == ("id",)
    assert child.replaces_parents
