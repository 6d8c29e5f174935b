"""The main job as a new user runs it: an empty folder, no credentials, one command."""

from __future__ import annotations

import re

import dagster as dg
import pytest
import yaml

from analytics_assets_tests.support.expected_rows import COLUMNS, TEXT, columns, expected_rows, snake_case, stored_rows
from analytics_assets_tests.support.project import ROOT, MainJob

SUMMARIES = {
    "recruiting__opportunities": "recruiting/opportunities: 1000 rows (all history) into "
    "recruiting_sandbox.opportunities, which has 1000 rows;",
    "recruiting__users": "recruiting/users: 240 rows (all history) into recruiting_sandbox.users, which has 240 rows;",
    "treasury__bank_accounts": "treasury/bank_accounts: 420 rows (all history) into "
    "treasury_sandbox.bank_accounts, which has 420 rows;",
    "treasury__cash_drawers": "treasury/cash_drawers: 180 rows (all history) into "
    "treasury_sandbox.cash_drawers, which has 180 rows;",
}


def sandbox_table(table: str) -> str:
    return table.replace(".", "_sandbox.")


@pytest.mark.parametrize("table", COLUMNS)
def test_tables_equal_the_api(main_job: MainJob, table: str) -> None:
    name = sandbox_table(table)
    assert stored_rows(main_job.project.warehouse, name) == expected_rows(table)
    types = {snake_case(field): kind for field, kind in COLUMNS[table].items()}
    assert columns(main_job.project.warehouse, name) == {**types, "_dlt_load_id": TEXT}
    assert main_job.project.query(f"SELECT COUNT(*), COUNT(DISTINCT _dlt_load_id) FROM {name}") == [
        (len(expected_rows(table)), 1)
    ]


def test_warehouse_has_no_other_tables(main_job: MainJob) -> None:
    tables = main_job.project.query("SELECT schema_name || '.' || table_name FROM duckdb_tables()")
    assert {name for (name,) in tables if "._dlt_" not in name} == {sandbox_table(table) for table in COLUMNS}


def test_console_shows_warning_start_and_result_of_each_table(main_job: MainJob) -> None:
    warning, its_code, *lines = main_job.console.splitlines()
    assert "SupersessionWarning" in warning  # Dagster's own, about its command
    assert its_code.startswith("  ")
    pattern = r"\S+ \S+ \S+ - dagster - (\w+) - full_refresh - \S+ - (\w+) - (.*)"
    found = [re.fullmatch(pattern, line) for line in lines]
    assert all(found)
    logged: dict[str, list[tuple[str, str]]] = {}
    for level, step, line in (match.groups() for match in found if match):
        logged.setdefault(step, []).append((level, line))
    assert logged.keys() == SUMMARIES.keys()
    for step, entries in logged.items():
        api, name = step.split("__")
        levels, (sandbox, start, result) = zip(*entries, strict=True)
        assert levels == ("WARNING", "INFO", "INFO")
        assert sandbox.startswith(f"{api}/{name}: loading invented data from the sandbox into {api}_sandbox.{name}, ")
        assert re.match(rf"{api}/{name}: reading GET http://127.0.0.1:\d+/{api}/v1/{name}, all history, ", start)
        assert re.fullmatch(rf"{re.escape(SUMMARIES[step])} \S+ s", result)


def test_run_history_is_in_dagster_home(main_job: MainJob) -> None:
    with dg.DagsterInstance.from_config(str(main_job.project.folder / ".dagster")) as instance:
        [run] = instance.get_runs()
        assert (run.job_name, run.status) == ("full_refresh", dg.DagsterRunStatus.SUCCESS)
        tables = {tuple(table.split(".")) for table in COLUMNS}
        endpoints = {(f"{api}_api", name) for api, name in tables}
        assert {tuple(key.path) for key in instance.all_asset_keys()} == tables | endpoints


def test_run_belongs_to_the_code_location_of_the_ui(main_job: MainJob) -> None:
    [location] = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    label = f"__repository__@{location['python_module']['location_name']}"
    with dg.DagsterInstance.from_config(str(main_job.project.folder / ".dagster")) as instance:
        [run] = instance.get_runs(dg.RunsFilter(job_name="full_refresh", tags={".dagster/repository": label}))
        assert run.remote_job_origin is not None
        assert run.remote_job_origin.repository_origin.get_label() == label


def test_no_other_files_are_left(main_job: MainJob) -> None:
    assert {path.name for path in main_job.project.folder.iterdir()} == {
        "warehouse.duckdb",
        ".dagster",
        ".analytics_state",
    }
    assert list((main_job.project.folder.parent / "temporary").rglob("*")) == []


def test_sandbox_tokens_are_not_stored(main_job: MainJob) -> None:
    kept = [path for path in (main_job.project.folder / ".analytics_state").rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} == {".lock"}
    assert all(path.read_bytes() == b"" for path in kept)
