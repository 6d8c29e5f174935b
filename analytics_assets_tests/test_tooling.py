"""The commands of `dg` and `dagster` that people check and extend the project with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analytics_assets_tests.support.project import Project, checkout

REST_API = "analytics_assets.components.RestApi"
MISSPELT = ("max_retries: 3", "max_retrys: 3")


@pytest.fixture
def copy(tmp_path: Path) -> Project:
    return checkout(tmp_path / "project")


def defs_yaml(project: Project, api: str) -> Path:
    return project.folder / "analytics_assets" / "defs" / api / "defs.yaml"


def misspell(project: Project) -> str:
    """Misspells a key of recruiting's YAML; returns the place, as errors name it."""
    file = defs_yaml(project, "recruiting")
    text = file.read_text()
    right, wrong = MISSPELT
    assert text.count(right) == 1
    file.write_text(text.replace(right, wrong))
    return f"{file}:{text[: text.index(right)].count(chr(10)) + 1}"


def on_one_line(output: str) -> str:
    """Without what the width of the terminal does to it."""
    return " ".join(output.split())


def test_the_project_passes_its_checks(copy: Project) -> None:
    checked = copy.run("dg", "check", "defs")
    assert "All component YAML validated successfully." in checked
    assert "All definitions loaded successfully." in checked
    assert "All code locations passed validation." in copy.run("dagster", "definitions", "validate")


def test_its_definitions_are_listed(copy: Project) -> None:
    listed = json.loads(copy.run("dg", "list", "defs", "--json"))
    assert {asset["asset_key"] for asset in listed["assets"] if asset["is_executable"]} == {
        "recruiting/opportunities",
        "recruiting/users",
        "treasury/bank_accounts",
        "treasury/cash_drawers",
    }
    assert {schedule["name"] for schedule in listed["schedules"]} == {
        "recruiting_incremental_schedule",
        "treasury_snapshot_schedule",
    }


def test_the_component_is_listed(copy: Project) -> None:
    listed = {each["key"]: each for each in json.loads(copy.run("dg", "list", "components", "--json"))["items"]}
    assert listed[REST_API]["summary"].startswith("A REST API, declared in YAML")


def test_the_dialect_is_described_key_by_key(copy: Project) -> None:
    described = copy.run("dg", "utils", "inspect-component", REST_API)
    assert "Rows per page." in described


def test_a_scaffolded_api_is_valid_and_loads(copy: Project) -> None:
    copy.run("dg", "scaffold", "defs", REST_API, "payroll")
    assert defs_yaml(copy, "payroll").is_file()
    assert "validated successfully" in copy.run("dg", "check", "yaml", "analytics_assets/defs/payroll")
    listed = json.loads(copy.run("dg", "list", "defs", "--json"))
    assert {"payroll/items", "payroll_api/items"} <= {asset["asset_key"] for asset in listed["assets"]}
    assert {"payroll_snapshot", "payroll_full_refresh"} <= {job["name"] for job in listed["jobs"]}


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        # dg 1.13 checks one file of each component type, unless it is told which; and it knows the JSON schema only.
        (("dg", "check", "yaml", "analytics_assets/defs/recruiting"), "max_retrys"),
        (("dg", "check", "defs"), "did you mean 'max_retries'?"),
        (("dg", "list", "defs"), "did you mean 'max_retries'?"),
        (("dagster", "definitions", "validate"), "did you mean 'max_retries'?"),
        (
            ("dagster", "job", "execute", "-m", "analytics_assets.definitions", "-j", "full_refresh"),
            "did you mean 'max_retries'?",
        ),
    ],
    ids=lambda case: " ".join(case[:3]) if isinstance(case, tuple) else "",
)
def test_a_misspelt_key_is_told_with_its_place(copy: Project, command: tuple[str, ...], hint: str) -> None:
    place = misspell(copy)
    output = on_one_line(copy.run(*command, ok=False))
    assert place in output
    assert "attributes.resource_defaults.endpoint.error_handler.max_retrys" in output
    assert hint in output
    assert "Traceback" not in output
    # Dagster shows where a code location failed to load: our one line there is all.
    assert output.count('File "') == ("Stack Trace" in output)
