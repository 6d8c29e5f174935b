"""The commands of `dg` and `dagster` that check and extend the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analytics_assets_tests.docs.markdown import blocks
from analytics_assets_tests.support.project import ROOT, Project, checkout

pytestmark = pytest.mark.e2e

REST_API = "analytics_assets.components.RestApi"
MISSPELT = ("max_retries: 3", "max_retrys: 3")


@pytest.fixture
def copy(tmp_path: Path) -> Project:
    return checkout(tmp_path / "project")


def defs_yaml(project: Project, api: str) -> Path:
    return project.folder / "analytics_assets" / "defs" / api / "defs.yaml"


def misspell(project: Project) -> str:
    """Misspell a key of recruiting's YAML; returns its place as errors write it."""
    file = defs_yaml(project, "recruiting")
    text = file.read_text()
    right, wrong = MISSPELT
    assert text.count(right) == 1
    file.write_text(text.replace(right, wrong))
    return f"{file}:{text[: text.index(right)].count(chr(10)) + 1}"


def on_one_line(output: str) -> str:
    """The output without line breaks, which depend on the width of the terminal."""
    return " ".join(output.split())


def test_project_passes_dg_and_dagster_checks(copy: Project) -> None:
    checked = copy.run("dg", "check", "defs")
    assert "All component YAML validated successfully." in checked
    assert "All definitions loaded successfully." in checked
    assert "All code locations passed validation." in copy.run("dagster", "definitions", "validate")


def test_definitions_are_listed(copy: Project) -> None:
    listed = json.loads(copy.run("dg", "list", "defs", "--json"))
    assert {asset["asset_key"] for asset in listed["assets"] if asset["is_executable"]} == {
        "recruiting/opportunities",
        "recruiting/users",
        "treasury/bank_accounts",
        "treasury/cash_drawers",
    }
    assert {schedule["name"] for schedule in listed["schedules"]} == {
        "recruiting_incremental_schedule",
        "treasury_incremental_schedule",
    }


def test_component_is_listed(copy: Project) -> None:
    listed = {item["key"]: item for item in json.loads(copy.run("dg", "list", "components", "--json"))["items"]}
    assert listed[REST_API]["summary"].startswith("A REST API described in YAML")


def test_component_schema_describes_every_key(copy: Project) -> None:
    described = copy.run("dg", "utils", "inspect-component", REST_API)
    assert "Rows per page." in described


def test_scaffolded_api_is_valid_and_loads(copy: Project) -> None:
    copy.run("dg", "scaffold", "defs", REST_API, "payroll")
    assert defs_yaml(copy, "payroll").is_file()
    assert "validated successfully" in copy.run("dg", "check", "yaml", "analytics_assets/defs/payroll")
    listed = json.loads(copy.run("dg", "list", "defs", "--json"))
    assert {"payroll/items", "payroll_api/items"} <= {asset["asset_key"] for asset in listed["assets"]}
    assert {"payroll_snapshot", "payroll_full_refresh"} <= {job["name"] for job in listed["jobs"]}


def test_specification_is_scaffolded(copy: Project) -> None:
    [example] = blocks("json", ROOT / "docs" / "convert.md")
    (copy.folder / "openapi.json").write_text(example.text)
    help_text = copy.run("dg", "scaffold", "defs", REST_API, "--help")
    assert all(option in help_text for option in ("--auth", "--paginator", "--spec", "--only"))
    wrong = copy.run("dg", "scaffold", "defs", REST_API, "shop", "--auth", "berer", ok=False)
    assert wrong.splitlines()[-1].startswith("Error: --auth must be one of oauth2, ")
    printed = copy.run("dg", "scaffold", "defs", REST_API, "shop", "--spec", "openapi.json")
    assert "Set these environment variables, for example in .env: SHOP_API_TOKEN" in printed
    assert "already exists" in copy.run("dg", "scaffold", "defs", REST_API, "shop", ok=False)
    params = json.dumps({"auth": "api_key", "paginator": "cursor"})
    copy.run("dg", "scaffold", "defs", REST_API, "crm", "--json-params", params)
    listed = json.loads(copy.run("dg", "list", "defs", "--json"))
    assert {"shop/orders", "shop/lines", "crm/items"} <= {asset["asset_key"] for asset in listed["assets"]}


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        # `dg check yaml` without a path checks one file per component type (dg 1.13), and by the JSON schema only.
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
def test_misspelt_key_is_an_error_with_its_place(copy: Project, command: tuple[str, ...], hint: str) -> None:
    place = misspell(copy)
    output = on_one_line(copy.run(*command, ok=False))
    assert place in output
    assert "attributes.resource_defaults.endpoint.error_handler.max_retrys" in output
    assert hint in output
    assert "Traceback" not in output
    # Dagster shows one stack trace entry for a code location that fails to load. There must be no other.
    assert output.count('File "') == ("Stack Trace" in output)


def test_launch_without_partition_is_one_line(copy: Project) -> None:
    output = copy.run("dg", "launch", "--assets", "recruiting/users", ok=False)
    assert output.startswith("Error: --assets recruiting/users is partitioned: add --partition 2026-10-01")
    assert len(output.splitlines()) == 1
