"""One resource fails permanently: the others are loaded, the error is one line, and no secret is leaked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository

from analytics_assets.sandbox import builtin
from analytics_assets_tests.components.conftest import JobHarness, failure_message, materializations
from analytics_assets_tests.fake_api import ApiKey, FakeServer, OAuth2, faults, serve
from analytics_assets_tests.support.expected_rows import COLUMNS, expected_rows, stored_rows
from analytics_assets_tests.support.project import ROOT, Project

CANARY_SECRET = "HUSH7f3a"  # in every secret, with what URLs, forms and JSON have to escape around it
SECRET = f"s/{CANARY_SECRET}+é&="
FAILED = "recruiting.users"
LOADED = [table for table in COLUMNS if table != FAILED]
REDIRECT = faults.status(302, headers={"Location": f"http://other.test/?api_key={CANARY_SECRET}"})
PERMANENT = faults.status(500, headers={"Retry-After": "0"})
MESSAGE = (
    "recruiting/users: GET http://127.0.0.1:{port}/recruiting/v1/users, page 1: the API returned 500. "
    "The API itself failed: run again later."
)


def server_with_canary_secrets() -> FakeServer:
    """The built-in APIs with secrets that are easy to find: recruiting by a key in the query, treasury by OAuth2."""
    recruiting = replace(builtin.recruiting(), auth=ApiKey(f"key-{SECRET}"))
    oauth2 = OAuth2(client_id="treasury-client", client_secret=f"client-{SECRET}")
    return FakeServer([recruiting, replace(builtin.treasury(), auth=oauth2)])


def access_tokens(sandbox: FakeServer) -> set[str]:
    """The tokens that clients sent."""
    sent = [record.request.headers.get("authorization", "") for record in sandbox.requests]
    return {header.removeprefix("Bearer ") for header in sent if header}


@dataclass
class Done:
    """The project after the command failed, its output, and the secrets that must not be found."""

    project: Project
    console: str
    secrets: set[str]
    port: str


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    sandbox = server_with_canary_secrets()
    sandbox.faults.add(PERMANENT, path="/v1/users", times=None)
    project = Project(tmp_path_factory.mktemp("failures") / "project")
    with serve(sandbox) as url:
        env = {**sandbox.variables(url), "ANALYTICS_STEP_RETRY_SECONDS": "0"}
        console = project.execute("full_refresh", env=env, ok=False)
        yield Done(project, console, {CANARY_SECRET, *access_tokens(sandbox)}, url.rpartition(":")[2])


@pytest.mark.parametrize("table", LOADED)
def test_other_resources_are_loaded(done: Done, table: str) -> None:
    assert stored_rows(done.project.warehouse, table) == expected_rows(table)


def test_console_names_the_failed_resource(done: Done) -> None:
    message = MESSAGE.format(port=done.port)
    assert [line for line in done.console.splitlines() if " - ERROR - " in line and line.endswith(f" - {message}")]
    assert "Steps failed: ['recruiting__users']" in done.console
    assert "Traceback" not in done.console
    assert "Stack Trace" not in done.console


def test_run_history_names_the_failed_resource(done: Done) -> None:
    with dg.DagsterInstance.from_config(str(done.project.folder / ".dagster")) as instance:
        [run] = instance.get_runs()
        steps = {
            record.dagster_event.step_key: record
            for record in instance.all_logs(run.run_id, dg.DagsterEventType.STEP_FAILURE)
            if record.dagster_event
        }
        assert run.status == dg.DagsterRunStatus.FAILURE
        assert steps.keys() == {"recruiting__users"}
        loaded = {
            key.to_user_string() for key in instance.all_asset_keys() if instance.get_latest_materialization_event(key)
        }
        assert loaded == {table.replace(".", "/") for table in LOADED}


def test_no_secret_in_any_output_or_file(done: Done) -> None:
    files = [path for path in done.project.folder.rglob("*") if path.is_file()]
    assert {"index.db", "warehouse.duckdb"} <= {path.name for path in files}
    tokens = [path for path in files if path.parent.name == "tokens" and path.suffix == ".json"]
    assert len(tokens) == 1
    assert tokens[0].stat().st_mode & 0o777 == 0o600
    assert len(done.secrets) == 2
    for secret in done.secrets:
        assert secret not in done.console
        assert [path for path in files if path not in tokens and secret.encode() in path.read_bytes()] == []
    # DuckDB compresses what it stores: its text is searched as SQL sees it.
    for schema, table in done.project.query("SELECT schema_name, table_name FROM duckdb_tables()"):
        assert done.project.query(
            f"SELECT COUNT(*) FROM {schema}.{table} t WHERE contains(CAST(t AS VARCHAR), '{CANARY_SECRET}')"
        ) == [(0,)]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (PERMANENT, "the API returned 500"),
        (faults.status(401), "returned 401"),
        (faults.status(403), "the API returned 403"),
        (faults.status(404), "the API returned 404"),
        (REDIRECT, "redirects to another host"),
        (faults.html(), "HTML"),
        (faults.truncated(), "JSON"),
        (faults.error_object(), "data"),
        (faults.body(b'{"data": [{"id": null}], "hasNext": false}'), "primary key"),
        (faults.repeated_cursor(), "cursor"),
    ],
)  # fmt: skip
def test_error_message_holds_no_secret(
    build_harness: Callable[..., JobHarness], fault: faults.Fault, message: str
) -> None:
    harness = build_harness(server_with_canary_secrets())
    harness.server.faults.add(fault, path="/v1/users", times=None)
    result = harness.run("recruiting_full_refresh", ok=False)
    found = failure_message(result, "recruiting__users")
    assert message in found
    assert found.startswith("recruiting/users: ")
    assert materializations(result, "recruiting/opportunities")
    assert CANARY_SECRET not in str(harness.instance.all_logs(result.run_id))


def test_refused_connection_error_holds_no_secret(
    build_harness: Callable[..., JobHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "analytics_assets" / "defs" / "recruiting" / "defs.yaml").read_text()
    harness = build_harness(
        server_with_canary_secrets(), {"recruiting": text.replace("max_retries: 3", "max_retries: 0")}
    )
    monkeypatch.setenv("RECRUITING_BASE_URL", "http://127.0.0.1:1/recruiting")
    result = harness.run("recruiting_full_refresh", ok=False)
    assert "failed after 1 attempt: the connection was refused" in failure_message(result, "recruiting__users")
    assert CANARY_SECRET not in str(harness.instance.all_logs(result.run_id))


def test_re_execution_runs_only_the_failed_step(build_harness: Callable[..., JobHarness], tmp_path: Path) -> None:
    harness = build_harness(server_with_canary_secrets())
    fault = harness.server.faults.add(PERMANENT, path="/v1/users", times=4)
    repository = ReconstructableRepository.for_module("analytics_assets.definitions", "defs")
    job = repository.get_reconstructable_job("full_refresh")
    home = tmp_path / "dagster_home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        with dg.execute_job(job, instance) as first:
            assert not first.success
            assert fault.fired == 4
        harness.server.requests.clear()
        options = dg.ReexecutionOptions.from_failure(first.run_id, instance)
        with dg.execute_job(job, instance, reexecution_options=options) as second:
            assert second.success
            assert second.dagster_run.step_keys_to_execute == ["recruiting__users"]
    assert {record.request.path for record in harness.server.requests} == {"/recruiting/v1/users"}
    assert {table: harness.rows(table) for table in COLUMNS} == {table: expected_rows(table) for table in COLUMNS}


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (PERMANENT, 3),
        (faults.status(429, headers={"Retry-After": "0"}), 3),
        (faults.status(403), 1),
        (faults.html(), 1),
        (faults.body(b'{"data": [{"id": null}], "hasNext": false}'), 1),
    ],
    ids=["500", "429", "403", "HTML", "null key"],
)
def test_step_is_retried_only_if_it_may_help(
    build_harness: Callable[..., JobHarness], monkeypatch: pytest.MonkeyPatch, fault: faults.Fault, attempts: int
) -> None:
    monkeypatch.setenv("ANALYTICS_STEP_RETRIES", "2")
    monkeypatch.setenv("ANALYTICS_STEP_RETRY_SECONDS", "0")
    harness = build_harness(server_with_canary_secrets())
    harness.server.faults.add(fault, path="/v1/users", times=None)
    result = harness.run("recruiting_full_refresh", ok=False)
    step = "recruiting__users"
    kinds = [event.event_type_value for event in result.all_events if event.step_key == step]
    assert kinds.count("STEP_UP_FOR_RETRY") == attempts - 1
    assert failure_message(result, step).startswith("recruiting/users: ")
    lines = [line for line in harness.log_lines(result) if " of the step in " in line]
    assert all(line.startswith("recruiting/users: ") for line in lines)
    assert [line.partition(". Retry ")[2] for line in lines] == [
        f"{retry} of 2 of the step in 0 s" for retry in range(1, attempts)
    ]
    assert CANARY_SECRET not in str(harness.instance.all_logs(result.run_id))
    kinds_of_failure = {dg.DagsterEventType.STEP_UP_FOR_RETRY, dg.DagsterEventType.STEP_FAILURE}
    for entry in harness.instance.all_logs(result.run_id, of_type=kinds_of_failure):
        error = entry.get_dagster_event().event_specific_data.error  # type: ignore[union-attr]
        assert error is not None
        assert (error.stack, error.cause) == ([], None)
        assert error.message.startswith("dagster._core.definitions.events.Failure: recruiting/users: ")


def test_retried_step_succeeds(build_harness: Callable[..., JobHarness], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYTICS_STEP_RETRIES", "1")
    monkeypatch.setenv("ANALYTICS_STEP_RETRY_SECONDS", "0")
    harness = build_harness(server_with_canary_secrets())
    harness.server.faults.add(PERMANENT, path="/v1/users", times=4)
    harness.run("recruiting_full_refresh")
    assert harness.rows(FAILED) == expected_rows(FAILED)
