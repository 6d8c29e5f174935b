"""One resource fails for good: the others are loaded, the error is readable, and no secret is anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository

from analytics_assets.sandbox import builtin
from analytics_assets_tests.components.conftest import Bench, failure, materializations
from analytics_assets_tests.conftest import ROOT, Project
from analytics_assets_tests.fake_api import ApiKey, FakeServer, OAuth2, faults, serve
from analytics_assets_tests.support.expected_rows import COLUMNS, held, stored

CANARY_SECRET = "HUSH7f3a"  # in every secret, with what URLs, forms and JSON have to escape around it
SECRET = f"s/{CANARY_SECRET}+é&="
FAILED = "recruiting.users"
LOADED = [table for table in COLUMNS if table != FAILED]
FOR_GOOD = faults.status(500, headers={"Retry-After": "0"})
SAID = (
    "recruiting/users: GET http://127.0.0.1:{port}/recruiting/v1/users, page 1: the API answered 500. "
    "The API itself failed: run again later."
)


def secretive() -> FakeServer:
    """The built-in APIs with secrets that are easily found: recruiting by a key in the query, treasury by OAuth2."""
    recruiting = replace(builtin.recruiting(), auth=ApiKey(f"key-{SECRET}"))
    oauth2 = OAuth2(client_id="treasury-client", client_secret=f"client-{SECRET}")
    return FakeServer([recruiting, replace(builtin.treasury(), auth=oauth2)])


def access_tokens(sandbox: FakeServer) -> set[str]:
    """The tokens that clients sent."""
    sent = [record.request.headers.get("authorization", "") for record in sandbox.requests]
    return {header.removeprefix("Bearer ") for header in sent if header}


@dataclass
class Done:
    """The project after the command failed, what it printed, and what must be nowhere."""

    project: Project
    console: str
    secrets: set[str]
    port: str


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    sandbox = secretive()
    sandbox.faults.add(FOR_GOOD, path="/v1/users", times=None)
    project = Project(tmp_path_factory.mktemp("failures") / "project")
    with serve(sandbox) as url:
        env = {**sandbox.variables(url), "ANALYTICS_STEP_RETRY_SECONDS": "0"}
        console = project.execute("full_refresh", env=env, ok=False)
        yield Done(project, console, {CANARY_SECRET, *access_tokens(sandbox)}, url.rpartition(":")[2])


@pytest.mark.parametrize("table", LOADED)
def test_the_others_are_loaded(done: Done, table: str) -> None:
    assert stored(done.project.warehouse, table) == held(table)


def test_the_console_names_what_failed(done: Done) -> None:
    said = SAID.format(port=done.port)
    assert [line for line in done.console.splitlines() if " - ERROR - " in line and line.endswith(f" - {said}")]
    assert "Steps failed: ['recruiting__users']" in done.console
    assert "Traceback" not in done.console
    assert "Stack Trace" not in done.console


def test_history_says_the_same(done: Done) -> None:
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
    ("fault", "said"),
    [
        (FOR_GOOD, "the API answered 500"),
        (faults.status(401), "returned 401"),
        (faults.status(403), "the API answered 403"),
        (faults.status(404), "the API answered 404"),
        (faults.status(302, headers={"Location": f"http://other.test/?api_key={CANARY_SECRET}"}), "redirects to another host"),
        (faults.html(), "HTML"),
        (faults.truncated(), "JSON"),
        (faults.error_object(), "data"),
        (faults.body(b'{"data": [{"id": null}], "hasNext": false}'), "primary key"),
        (faults.repeated_cursor(), "cursor"),
    ],
)  # fmt: skip
def test_every_failure_is_told_without_secrets(
    build_bench: Callable[..., Bench], fault: faults.Fault, said: str
) -> None:
    bench = build_bench(secretive())
    bench.sandbox.faults.add(fault, path="/v1/users", times=None)
    result = bench.run("recruiting_full_refresh", ok=False)
    told = failure(result, "recruiting__users")
    assert said in told
    assert told.startswith("recruiting/users: ")
    assert materializations(result, "recruiting/opportunities")
    assert CANARY_SECRET not in str(bench.instance.all_logs(result.run_id))


def test_a_refused_connection_is_told_without_secrets(
    build_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "analytics_assets" / "defs" / "recruiting" / "defs.yaml").read_text()
    bench = build_bench(secretive(), {"recruiting": text.replace("max_retries: 3", "max_retries: 0")})
    monkeypatch.setenv("RECRUITING_BASE_URL", "http://127.0.0.1:1/recruiting")
    result = bench.run("recruiting_full_refresh", ok=False)
    assert "failed after 1 attempt: the connection was refused" in failure(result, "recruiting__users")
    assert CANARY_SECRET not in str(bench.instance.all_logs(result.run_id))


def test_re_execution_takes_only_what_failed(build_bench: Callable[..., Bench], tmp_path: Path) -> None:
    bench = build_bench(secretive())
    fault = bench.sandbox.faults.add(FOR_GOOD, path="/v1/users", times=4)
    repository = ReconstructableRepository.for_module("analytics_assets.definitions", "defs")
    job = repository.get_reconstructable_job("full_refresh")
    home = tmp_path / "dagster_home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        with dg.execute_job(job, instance) as first:
            assert not first.success
            assert fault.fired == 4
        bench.sandbox.requests.clear()
        options = dg.ReexecutionOptions.from_failure(first.run_id, instance)
        with dg.execute_job(job, instance, reexecution_options=options) as second:
            assert second.success
            assert second.dagster_run.step_keys_to_execute == ["recruiting__users"]
    assert {record.request.path for record in bench.sandbox.requests} == {"/recruiting/v1/users"}
    assert {table: bench.rows(table) for table in COLUMNS} == {table: held(table) for table in COLUMNS}


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (FOR_GOOD, 3),
        (faults.status(429, headers={"Retry-After": "0"}), 3),
        (faults.status(403), 1),
        (faults.html(), 1),
        (faults.body(b'{"data": [{"id": null}], "hasNext": false}'), 1),
    ],
    ids=["500", "429", "403", "HTML", "null key"],
)
def test_a_step_is_tried_again_only_where_it_may_help(
    build_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, fault: faults.Fault, attempts: int
) -> None:
    monkeypatch.setenv("ANALYTICS_STEP_RETRIES", "2")
    monkeypatch.setenv("ANALYTICS_STEP_RETRY_SECONDS", "0")
    bench = build_bench(secretive())
    bench.sandbox.faults.add(fault, path="/v1/users", times=None)
    result = bench.run("recruiting_full_refresh", ok=False)
    step = "recruiting__users"
    kinds = [event.event_type_value for event in result.all_events if event.step_key == step]
    assert kinds.count("STEP_UP_FOR_RETRY") == attempts - 1
    assert failure(result, step).startswith("recruiting/users: ")
    told = [line for line in bench.log(result) if line.startswith("recruiting/users: ")]
    assert [line.partition(". Retry ")[2] for line in told] == [
        *(f"{retry} of 2 starts in 0 s" for retry in range(1, attempts)),
        "",
    ]
    assert CANARY_SECRET not in str(bench.instance.all_logs(result.run_id))
    kinds_of_failure = {dg.DagsterEventType.STEP_UP_FOR_RETRY, dg.DagsterEventType.STEP_FAILURE}
    for entry in bench.instance.all_logs(result.run_id, of_type=kinds_of_failure):
        error = entry.get_dagster_event().event_specific_data.error  # type: ignore[union-attr]
        assert (error.stack, error.cause) == ([], None)
        assert error.message.startswith("dagster._core.definitions.events.Failure: recruiting/users: ")


def test_a_step_that_succeeds_when_tried_again(
    build_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALYTICS_STEP_RETRIES", "1")
    monkeypatch.setenv("ANALYTICS_STEP_RETRY_SECONDS", "0")
    bench = build_bench(secretive())
    bench.sandbox.faults.add(FOR_GOOD, path="/v1/users", times=4)
    bench.run("recruiting_full_refresh")
    assert bench.rows(FAILED) == held(FAILED)
