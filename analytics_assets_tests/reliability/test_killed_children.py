"""A load of children that is killed while it replaces the rows of parents: all rows are old, or all are new."""

from __future__ import annotations

from pathlib import Path

import pytest

from analytics_assets_tests.harness.killed_loads import BETWEEN_STATEMENTS, LoadRunner
from analytics_assets_tests.reliability.test_kills import retry_while_locked
from analytics_assets_tests.support.children import INCREMENTAL, child_api, tasks_of
from analytics_assets_tests.support.loaders import day

PARENTS = range(1, 41)
PROJECTS = {"name": "projects", "endpoint": {"path": "/projects", "incremental": INCREMENTAL}}
TASKS = {
    "name": "tasks",
    "primary_key": ["_projects_id", "id"],
    "endpoint": {"path": "/projects/{resources.projects.id}/tasks", "incremental": {"from_parent": True}},
}


@pytest.mark.parametrize("phase", ["extract", BETWEEN_STATEMENTS])
@pytest.mark.parametrize("warehouse", ["shop", "postgres_shop"])
def test_killed_load_of_children_can_be_run_again(
    request: pytest.FixtureRequest, tmp_path: Path, warehouse: str, phase: str
) -> None:
    shop = request.getfixturevalue(warehouse)
    environ = {"DESTINATION__POSTGRES__CREDENTIALS": shop.postgres.credentials} if shop.postgres else {}
    projects = [{"id": n, "updated_at": f"2026-10-0{n % 2 + 1}T00:00:00Z"} for n in PARENTS]
    endpoints = {"/projects": projects, **{f"/projects/{n}/tasks": tasks_of(n, 1, 2) for n in PARENTS}}
    with child_api(shop, endpoints, [PROJECTS, TASKS]) as api:
        api.load("projects", "tasks", window=day(1, 2))
        shop.query("DELETE FROM shop.projects WHERE id = 40")
        for n in PARENTS:
            api.set_rows(f"/projects/{n}/tasks", tasks_of(n, 2, 3))
        old = [(n, task) for n in PARENTS for task in (1, 2)]
        new = [(n, task) for n in PARENTS for task in ((2, 3) if n % 2 else (1, 2)) if n != 40]
        runner = LoadRunner(tmp_path, environ)
        child = api.request("tasks", window=day(2))
        assert runner.load(child, kill=(phase, 0.06)).killed_in
        assert retry_while_locked(lambda: api.rows("tasks", "_projects_id", "id")) in (old, new)
        assert runner.load(child).error == ""
        assert retry_while_locked(lambda: api.rows("tasks", "_projects_id", "id")) == new
        assert list(runner.temporary_folder.iterdir()) == []
