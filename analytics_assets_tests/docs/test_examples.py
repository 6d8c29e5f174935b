"""The example API of the documents loads: as Dagster jobs and from Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from analytics_assets import sandbox
from analytics_assets.sandbox import builtin
from analytics_assets.sandbox.helpdesk import data
from analytics_assets.sandbox.helpdesk.api import helpdesk
from analytics_assets_tests.docs.markdown import README, blocks
from analytics_assets_tests.fake_api import Api, Bearer, Endpoint, FakeServer, OffsetPagination, TimeFilter, serve
from analytics_assets_tests.support.project import ROOT, Project

pytestmark = pytest.mark.e2e


@contextmanager
def payroll_api() -> Iterator[dict[str, str]]:
    """Serve the API that the README describes; gives the variables of its credentials."""
    employees = [{"id": n, "updated_at": f"2026-10-{n // 20 + 1:02}T12:00:00Z"} for n in range(250)]
    window = TimeFilter("updated_at", {"updated_from": "{start}", "updated_to": "{end}"})
    endpoints = [
        Endpoint("/v1/employees", employees, pagination=OffsetPagination(max_limit=100), updated=window),
        Endpoint("/v1/pay_grades", [{"id": "A"}, {"id": "B"}], pagination=OffsetPagination(max_limit=100)),
    ]
    with serve(server := FakeServer([Api("payroll", endpoints, auth=Bearer("token"))])) as url:
        yield server.variables(url)


@pytest.fixture
def payroll(project: Project) -> Project:
    """Return a project whose only API is the README's example."""
    [example] = blocks("yaml", README)
    file = project.folder / "analytics_assets" / "defs" / "payroll" / "defs.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(example.text)
    project.env["ANALYTICS_DEFS_DIR"] = str(file.parents[1])
    return project


def test_the_example_api_loads_with_dagster(payroll: Project) -> None:
    with payroll_api() as variables:
        payroll.execute("payroll_incremental", partition="2026-10-02", env=variables)
    assert payroll.query("SELECT count(*), min(id), max(id) FROM payroll.employees") == [(20, 20, 39)]


def test_the_helpdesk_loads_with_dagster(project: Project) -> None:
    [example] = blocks("yaml", ROOT / "docs" / "helpdesk.md")
    file = project.folder / "my_defs" / "helpdesk" / "defs.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(example.text)
    project.env["ANALYTICS_DEFS_DIR"] = "my_defs"
    server = builtin.build_sandbox(helpdesk())
    with sandbox.serve(server) as url:
        variables = {**server.apis["helpdesk"].variables(url), "HASH_SALT": "an invented secret"}
        project.execute("helpdesk_full_refresh", env=variables)
    counts = " UNION ALL ".join(
        f"SELECT '{name}', count(*) FROM helpdesk.{name}"
        for name in ("agents", "articles", "comments", "queues", "ratings", "tickets")
    )
    assert dict(project.query(counts)) == {
        "agents": 25,
        "articles": 60,
        "comments": sum(len(data.comments(n)) for n in range(1, 61) if n != data.DELETED_TICKET),
        "queues": 6,
        "ratings": 30,
        "tickets": 60,
    }


def test_the_example_api_loads_from_python(payroll: Project) -> None:
    [program] = blocks("python", ROOT / "docs" / "python-api.md")
    with payroll_api() as variables:
        printed = payroll.run("python", "-c", program.text, env={**variables, "PYTHONPATH": str(ROOT)})
    assert printed.splitlines() == ["payroll.employees: 250 rows", "payroll.pay_grades: 2 rows"]
