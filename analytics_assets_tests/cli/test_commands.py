"""The commands: what they print, and their exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import dagster as dg
import pytest

from analytics_assets.components.command_line.run_origin import ORIGIN
from analytics_assets_tests.cli.conftest import SECRET, VALUE, Folder
from analytics_assets_tests.fake_api import FakeServer, faults

IMPORTS = """\
import sys
from analytics_assets.cli.commands import main
for command in ([], ["probe"], ["preview"], ["plan"], ["load"]):
    main([*command, "--help"], standalone_mode=False)
print(sorted({"dagster", "dlt", "pyarrow", "rich"} & sys.modules.keys()))
"""


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("probe recruting", "there is no API 'recruting'"),
        ("probe recruting", "Did you mean 'recruiting'?"),
        ("probe recruiting/user", "there is no resource 'user' in recruiting. Did you mean 'users'?"),
        ("probe x", "There are recruiting, treasury"),
        ("preview recruiting", "name a resource, such as recruiting/opportunities"),
        ("load recruiting/users", "add --partition 2026-10-01, or --from and --to, or --full"),
        ("load recruiting/users --full --partition 2026-10-01", "--partition and --full exclude each other"),
        ("load recruiting/users --partition 2026-13-01", "'2026-13-01' is not a partition key"),
        ("load recruiting/users --partition 2099-01-01", "is not over"),
        ("load recruiting/users --from 2026-10-02 --to 2026-10-01", "--to is the end of the range, not its last day"),
        ("load recruiting/users --from yesterday", "--from yesterday: write a date such as 2026-01-31"),
        (
            "plan recruiting/users --from 2026-10-01T06:00",
            "is not the start of a partition: the next one is 2026-10-02",
        ),
        ("plan recruiting --to 2026-10-01", "there is no partition between the first one and 2026-10-01"),
        ("plan recruiting --from 2026-10-01T00:00+02:00", "without an offset"),
    ],
)
def test_wrong_arguments(folder: Folder, command: str, error: str) -> None:
    result = folder.run(command)
    assert result.exit_code == 2
    assert error in " ".join(result.output.split())


def test_probe_of_the_sandbox(folder: Folder) -> None:
    result = folder.run("probe treasury/bank_accounts")
    assert result.exit_code == 0, result.output
    assert "None of the variables of treasury is set: the sandbox serves invented data" in result.output
    assert "primary_key   id: unique in the 200 rows read" in result.output
    assert "honoured" in result.output


def test_probe_prints_yaml_to_paste(folder: Folder, payroll: FakeServer) -> None:
    result = folder.run("probe payroll")
    assert result.exit_code == 1
    assert "paste into the resource pay_grades" in result.output
    assert "endpoint: {data_selector: data}" in result.output
    assert "2 resources: 1 with problems" in result.output
    assert SECRET not in result.output
    assert VALUE not in result.output
    assert "phone" not in result.output.replace("my_defs", "")


HTML = faults.html()
PROBLEMS = [
    (faults.status(404), {}, "returned 404", "Check PAYROLL_BASE_URL and the path"),
    (None, {"PAYROLL_API_TOKEN": "another-canary"}, "returned 401", "Check PAYROLL_API_TOKEN"),
    (None, {"PAYROLL_BASE_URL": "http://127.0.0.1:9"}, "the connection was refused", "Check PAYROLL_BASE_URL"),
    (HTML, {}, "the response is not JSON: it may be that of a website", ""),
    (faults.empty_page(), {}, "no rows", ""),
]


@pytest.mark.parametrize(("fault", "variables", "what", "fix"), PROBLEMS, ids=[what for _, _, what, _ in PROBLEMS])
def test_probe_says_in_one_sentence_what_is_wrong(
    folder: Folder, payroll: FakeServer, fault: Any, variables: dict[str, str], what: str, fix: str
) -> None:
    os.environ.update(variables)
    if fault:
        payroll.faults.add(fault, times=None)
    result = folder.run("probe payroll/employees")
    text = " ".join(result.output.split())
    print(text)
    assert result.exit_code == 1
    assert text.count(" problem ") == 1
    assert what in text
    assert fix in text
    assert not {SECRET, VALUE, "another-canary"} & set(text.split())


def test_probe_of_a_wrong_path_shows_the_rows_of_the_right_one(folder: Folder, payroll: FakeServer) -> None:
    file = folder.path / "my_defs" / "payroll" / "defs.yaml"
    file.write_text(file.read_text().replace("/v1/employees", "/v1/employee"))
    result = folder.run("probe payroll/employees")
    assert result.exit_code == 1
    assert "404; with the proposal, 100 rows on the first page" in result.output
    assert "endpoint: {path: /v1/employees}" in result.output


def test_probe_shows_rows_only_if_asked(folder: Folder, payroll: FakeServer) -> None:
    result = folder.run("probe payroll/employees --show-rows")
    assert result.exit_code == 0, result.output
    assert VALUE in result.output
    assert "0@example.org" not in result.output
    assert SECRET not in result.output


def test_probe_as_json(folder: Folder, payroll: FakeServer) -> None:
    result = folder.run("probe payroll --json")
    employees, pay_grades = json.loads(result.output)
    assert (employees["name"], employees["rows"], employees["problems"]) == ("payroll/employees", 100, [])
    assert pay_grades["fix"] == {"endpoint": {"data_selector": "data"}}
    assert "sample" not in employees
    assert VALUE not in result.output


def test_preview_masks_fields_and_cuts_values(folder: Folder, payroll: FakeServer) -> None:
    result = folder.run("preview payroll/employees --rows 2")
    assert result.exit_code == 0, result.output
    assert "payroll/employees: 2 of the 100 rows of the first page" in result.output
    assert VALUE in result.output
    assert "phone" not in result.output
    assert "0@example.org" not in result.output


def test_preview_reports_an_error_in_one_line(folder: Folder, payroll: FakeServer) -> None:
    result = folder.run("preview payroll/pay_grades")
    assert result.exit_code == 1
    assert result.output.startswith("Error: payroll/pay_grades: GET http")
    assert len(result.output.splitlines()) == 1


def test_plan_says_what_is_measured(folder: Folder, payroll: FakeServer) -> None:
    result = folder.run("plan payroll/employees --from 2026-10-01 --to 2026-10-11")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert (
        "partitions 10 partitions (2026-10-01 to 2026-10-10), 1 load of up to 60 partitions, 1 run of a backfill"
        in lines
    )
    assert "estimated 200 rows, 3 requests" in lines
    assert any(line.startswith("measured [2026-10-01T00:00:00Z, 2026-10-11T00:00:00Z): 200 rows") for line in lines)


def test_plan_of_a_range_that_is_not_over(folder: Folder) -> None:
    result = folder.run("plan recruiting/users --from 2026-10-01 --to 2099-01-01")
    assert "are not over yet" in result.output


def test_load_of_a_range_is_a_run_of_the_code_location(folder: Folder) -> None:
    result = folder.run("load recruiting/users --from 2026-10-01 --to 2026-10-04")
    assert result.exit_code == 0, result.output
    assert "DAGSTER_HOME is not set: the run's history is in" in result.output
    assert "3 partitions: 2026-10-01 to 2026-10-03" in result.output
    assert "recruiting/users: 18 rows loaded with" in result.output
    with dg.DagsterInstance.from_config(str(folder.path / ".dagster")) as instance:
        [run] = instance.get_runs()
        assert (run.job_name, run.status) == ("recruiting_incremental", dg.DagsterRunStatus.SUCCESS)
        assert run.remote_job_origin == ORIGIN.get_job_origin("recruiting_incremental")
        loaded = instance.get_materialized_partitions(dg.AssetKey(["recruiting", "users"]))
        assert loaded == {"2026-10-01", "2026-10-02", "2026-10-03"}
        assert not instance.get_materialized_partitions(dg.AssetKey(["recruiting", "opportunities"]))


def test_full_load_of_one_resource(folder: Folder) -> None:
    result = folder.run("load treasury/cash_drawers --full")
    assert result.exit_code == 0, result.output
    assert "treasury/cash_drawers: 180 rows loaded" in result.output
    assert "bank_accounts" not in result.output
    with dg.DagsterInstance.from_config(str(folder.path / ".dagster")) as instance:
        assert [run.job_name for run in instance.get_runs()] == ["treasury_full_refresh"]


def test_load_without_dagster_home_says_what_to_do(folder: Folder) -> None:
    (folder.path / ".dagster" / "dagster.yaml").unlink()
    result = folder.run("load treasury --full")
    assert result.exit_code == 1
    assert "Run the command in the project's folder, or set the variable" in result.output


@pytest.mark.e2e
def test_failed_load_is_one_message_and_exit_code_1(folder: Folder, payroll: FakeServer) -> None:
    """In a process of its own, since a process loads the definitions of one folder only."""
    payroll.faults.add(faults.status(403), times=None)
    done = subprocess.run(
        [sys.executable, "-m", "analytics_assets", "load", "payroll/employees", "--partition", "2026-10-03"],
        cwd=folder.path,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "150"},
        capture_output=True,
        text=True,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert "error  payroll/employees: GET http" in printed
    assert "Traceback" not in printed
    assert SECRET not in printed
