"""Against dlt's own `rest_api_source`: the same description and the same server lead to the same tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.sources.rest_api import rest_api_source

from analytics_assets_tests.support.children import child_api, tasks_of
from analytics_assets_tests.support.shop import Shop

PROJECTS = {"name": "projects", "endpoint": {"path": "/projects"}}
RESOLVED = {
    "path": "/projects/{project_id}/tasks",
    "params": {"project_id": {"type": "resolve", "resource": "projects", "field": "id"}},
}
TASKS = {
    "name": "tasks",
    "primary_key": ["_projects_id", "id"],
    "include_from_parent": ["id", "fullName"],
    "endpoint": {"path": "/projects/{resources.projects.id}/tasks"},
}
COMMENTS = {
    "name": "comments",
    "primary_key": ["_tasks__projects_id", "_tasks_id", "id"],
    "include_from_parent": ["_projects_id", "id"],
    "endpoint": {"path": "/projects/{resources.tasks._projects_id}/tasks/{resources.tasks.id}/comments"},
}
DETAILS = {
    "name": "details",
    "include_from_parent": ["fullName"],
    "endpoint": {"path": "/details", "params": {"region": "{resources.projects.id}"}},
}
ROWS: dict[str, Any] = {
    "/projects": [{"id": n, "fullName": f"Project {n}"} for n in range(1, 6)],
    **{f"/projects/{n}/tasks": tasks_of(n, *range(n)) for n in range(1, 6)},
    **{
        f"/projects/{n}/tasks/{task}/comments": [{"id": f"{n}-{task}-{c}", "size": c * 0.5} for c in range(4)]
        for n in range(1, 6)
        for task in range(n)
    },
    "/details": [{"id": 1, "text": "é"}],
}
CASES: dict[str, list[dict[str, Any]]] = {
    "placeholders": [PROJECTS, TASKS],
    "resolve": [PROJECTS, {**TASKS, "endpoint": RESOLVED}],
    "two levels": [PROJECTS, TASKS, COMMENTS],
    "in params": [PROJECTS, {**DETAILS, "primary_key": ["_projects_full_name", "id"]}],
}


@pytest.mark.parametrize("case", CASES)
def test_tables_are_those_of_dlt(shop: Shop, tmp_path: Path, case: str) -> None:
    resources = CASES[case]
    with child_api(shop, ROWS, resources) as api:
        api.load(*(resource["name"] for resource in resources))
        described = api.attributes
        del described["client"]["max_concurrency"], described["partitions"]
        del described["resource_defaults"]["endpoint"]["error_handler"]
        described["resource_defaults"]["write_disposition"] = "merge"
        theirs = tmp_path / "dlt.duckdb"
        pipeline = dlt.pipeline(
            "children",
            pipelines_dir=str(tmp_path / "pipelines"),
            destination=dlt.destinations.duckdb(str(theirs)),
            dataset_name="shop",
        )
        try:
            pipeline.run(rest_api_source(described))  # type: ignore[arg-type]
        finally:
            pipeline.deactivate()
    for resource in resources:
        table = resource["name"]
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH '{shop.warehouse.duckdb_path}' AS ours (READ_ONLY)")
            connection.execute(f"ATTACH '{theirs}' AS theirs (READ_ONLY)")
            columns = {
                name: dict(
                    connection.execute(
                        "SELECT column_name, data_type FROM information_schema.columns WHERE table_catalog = ? AND "
                        "table_schema = 'shop' AND table_name = ? AND column_name NOT LIKE '\\_dlt%' ESCAPE '\\'",
                        [name, table],
                    ).fetchall()
                )
                for name in ("ours", "theirs")
            }
            assert columns["ours"] == columns["theirs"]
            names = ", ".join(columns["ours"])
            first, second = (f"SELECT {names} FROM {name}.shop.{table}" for name in ("ours", "theirs"))
            assert connection.sql(first).fetchall()
            assert connection.sql(f"{first} EXCEPT ALL {second}").fetchall() == []
            assert connection.sql(f"{second} EXCEPT ALL {first}").fetchall() == []
