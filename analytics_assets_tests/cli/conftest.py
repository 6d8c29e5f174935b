"""Fixtures: a project folder to run commands in, in the process of the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analytics_assets.cli.commands import main
from analytics_assets_tests.fake_api import Api, Bearer, Endpoint, FakeServer, OffsetPagination, TimeFilter, serve
from analytics_assets_tests.support.project import ROOT

SECRET = "canary-secret-4711"
VALUE = "Ada Lovelace"
DEFS = """\
type: analytics_assets.components.RestApi
attributes:
  client:
    base_url: {env: PAYROLL_BASE_URL}
    auth: {type: bearer, token: {env: PAYROLL_API_TOKEN}}
  resource_defaults:
    primary_key: id
    endpoint: {data_selector: data, paginator: {type: offset, limit: 100}}
  resources:
    - name: employees
      exclude: phone
      hash: {email: {env: HASH_SALT}}
      endpoint:
        path: /v1/employees
        incremental: {cursor_path: updated_at, start_param: updated_from, end_param: updated_to}
    - name: pay_grades
      endpoint: {path: /v1/pay_grades, data_selector: items}
  partitions: {cadence: daily, start: 2026-10-01}
"""


@dataclass
class Folder:
    """A project folder, and the commands run in it."""

    path: Path

    def run(self, command: str) -> Result:
        """Run a command of `analytics-assets`."""
        return CliRunner().invoke(main, command.split())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """A project folder with its `.dagster`, as the current one. Variables that commands set are unset afterwards."""
    home = tmp_path / "project" / ".dagster"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text((ROOT / ".dagster" / "dagster.yaml").read_text())
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("DAGSTER_HOME", "ANALYTICS_", "PAYROLL_"))]:
        del os.environ[name]
    os.environ["HOME"] = str(tmp_path / "home")
    os.environ["COLUMNS"] = "100"
    monkeypatch.chdir(home.parent)
    yield Folder(home.parent)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def payroll(folder: Folder) -> Iterator[FakeServer]:
    """The API `payroll`, served, and its defs.yaml in the folder; `data_selector` of `pay_grades` is wrong."""
    file = folder.path / "my_defs" / "payroll" / "defs.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(DEFS)
    employees = [
        {
            "id": n,
            "name": VALUE,
            "email": f"{n}@example.org",
            "phone": VALUE,
            "updated_at": f"2026-10-{n // 20 + 1:02}T12:00:00Z",
        }
        for n in range(250)
    ]
    window = TimeFilter("updated_at", {"updated_from": "{start}", "updated_to": "{end}"})
    endpoints = [
        Endpoint("/v1/employees", employees, pagination=OffsetPagination(max_limit=100), updated=window),
        Endpoint("/v1/pay_grades", [{"id": "A"}, {"id": "B"}], pagination=OffsetPagination(max_limit=100)),
    ]
    server = FakeServer([Api("payroll", endpoints, auth=Bearer(SECRET))])
    with serve(server) as url:
        variables = {**server.variables(url), "ANALYTICS_DEFS_DIR": "my_defs", "HASH_SALT": "an invented secret"}
        (folder.path / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
        yield server
