"""README.md keeps its word: its commands run, and what it shows is what comes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from analytics_assets_tests.conftest import ROOT, Project, require_or_skip
from analytics_assets_tests.fake_api import Api, Bearer, Endpoint, FakeServer, OffsetPagination, TimeFilter, serve
from analytics_assets_tests.support.project import ask, checkout, serving

README = (ROOT / "README.md").read_text()
# Not run here: it would install a copy into the environment that the tests run in. `.ci/run` runs it.
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt -e '.[test]' && "
MAIN_JOB = 'DAGSTER_HOME="$PWD/.dagster" .venv/bin/dagster job execute -m analytics_assets.definitions -j full_refresh'
TESTS = ".venv/bin/pytest"
HALF_SET = {"RECRUITING_BASE_URL": "https://api.example.com", "RECRUITING_CLIENT_ID": "me"}
UI = 'DAGSTER_HOME="$PWD/.dagster" .venv/bin/dagster dev -w workspace.yaml'


def blocks(language: str, text: str = README) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)\n```$", text, flags=re.MULTILINE | re.DOTALL)
    return [block for name, block in fenced if name == language]


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def in_shape(output: str) -> list[str]:
    """The lines of a run's log, without what differs from run to run, and without Dagster's warning of `dg launch`."""
    for varies, name in (
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}", "TIME"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "RUN"),
        (r"\d+\.\d s$", "SECONDS"),
    ):
        output = re.sub(varies, name, output, flags=re.MULTILINE)
    return [line for line in output.splitlines() if "SupersessionWarning" not in line and "callback(" not in line]


def new_clone(folder: Path) -> Project:
    """A clone after the install command: `.venv` is the environment that the tests run in."""
    require_or_skip((Path(sys.prefix) / "bin" / "activate").exists(), "a virtual environment to run the tests in")
    project = checkout(folder)
    (project.folder / ".venv").symlink_to(sys.prefix)
    return project


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One clone for all commands, which follow each other as a reader runs them."""
    return new_clone(tmp_path_factory.mktemp("readme") / "project")


def test_the_first_command_installs_as_ci_does() -> None:
    assert blocks("bash")[0] == INSTALL + MAIN_JOB
    install = INSTALL.replace("-q", "--quiet --disable-pip-version-check").strip(" &").split(" && ")
    assert set(install) <= set((ROOT / ".ci" / "run").read_text().splitlines())


def test_the_main_job_prints_what_is_shown(clone: Project) -> None:
    shown = blocks("", section("Two commands"))[0]
    assert in_shape(clone.run("bash", "-ec", MAIN_JOB)) == in_shape(shown)


def test_the_test_command_finds_the_tests(clone: Project) -> None:
    """Not run, or it would run itself."""
    assert TESTS in blocks("bash")
    assert "test_readme.py" in clone.run("bash", "-ec", f"{TESTS} --collect-only -q")


def test_the_ui_is_served(clone: Project) -> None:
    assert UI in blocks("bash")
    with serving(clone, "bash", "-c", f'{UI} "$@"', "bash") as url:
        runs = ask(url, "{runsOrError {... on Runs {results {jobName status}}}}")["runsOrError"]["results"]
    assert {"jobName": "full_refresh", "status": "SUCCESS"} in runs


@pytest.mark.parametrize("block", [block for block in blocks("bash")[1:] if block not in (TESTS, UI)])
def test_every_other_command_runs(clone: Project, block: str) -> None:
    clone.run("bash", "-ec", block)


def test_the_example_api_loads(tmp_path: Path) -> None:
    clone = new_clone(tmp_path / "project")
    [example] = blocks("yaml")
    file = clone.folder / "analytics_assets" / "defs" / "payroll" / "defs.yaml"
    file.parent.mkdir()
    file.write_text(example)
    employees = [{"id": n, "updated_at": f"2026-10-{n // 20 + 1:02}T12:00:00Z"} for n in range(250)]
    window = TimeFilter("updated_at", {"updated_from": "{start}", "updated_to": "{end}"})
    endpoints = [
        Endpoint("/v1/employees", employees, pagination=OffsetPagination(max_limit=100), updated=window),
        Endpoint("/v1/pay_grades", [{"id": "A"}, {"id": "B"}], pagination=OffsetPagination(max_limit=100)),
    ]
    with serve(sandbox := FakeServer([Api("payroll", endpoints, auth=Bearer("token"))])) as url:
        env = sandbox.variables(url)
        clone.execute("payroll_incremental", partition="2026-10-02", env=env)
        assert clone.query("SELECT count(*), min(id), max(id) FROM payroll.employees") == [(20, 20, 39)]
        clone.execute("payroll_full_refresh", env=env)
    assert clone.query("SELECT count(*) FROM payroll.employees") == [(250,)]
    assert clone.query("SELECT id FROM payroll.pay_grades ORDER BY id") == [("A",), ("B",)]


def test_errors_are_the_ones_shown(tmp_path: Path) -> None:
    clone = new_clone(tmp_path / "project")
    misspelt, half_set = blocks("", section("What an error looks like"))
    output = clone.execute("recruiting_full_refresh", env=HALF_SET, ok=False)
    assert half_set in output
    file = clone.folder / "analytics_assets" / "defs" / "recruiting" / "defs.yaml"
    file.write_text(file.read_text().replace("max_retries", "max_retrys"))
    assert misspelt in clone.execute("full_refresh", ok=False).replace(f"{clone.folder}/", "")


def test_all_variables_of_the_project_are_told() -> None:
    listed = re.findall(r"^(ANALYTICS_\w+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
    assert set(re.findall(r"ANALYTICS_\w+", README)) == set(listed)


def test_the_file_tree_is_there() -> None:
    [tree] = blocks("", section("The files"))
    folder = ROOT
    for line in tree.splitlines():
        name = line.split()[0]
        path = (folder if line.startswith(" ") else ROOT) / name
        assert path.exists(), name
        folder = folder if line.startswith(" ") else path
