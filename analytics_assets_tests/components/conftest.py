"""Jobs run in this process, with an API server and a warehouse for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from analytics_assets.definitions import build_definitions
from analytics_assets_tests.fake_api import FakeServer, builtin_server, serve
from analytics_assets_tests.support.expected_rows import stored_rows
from analytics_assets_tests.support.project import ROOT

DEFS = ROOT / "analytics_assets" / "defs"
PREFIXES = ("ANALYTICS_", "RECRUITING_", "TREASURY_", "SHOP_", "DAGSTER_", "DLT_", "DESTINATION__")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory for the test, and no variable that changes definitions or loads."""
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ANALYTICS_STEP_RETRIES", "0")  # tests of retries set it themselves
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANALYTICS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass
class JobHarness:
    """Runs jobs, and shows what they requested, stored and logged."""

    folder: Path
    server: FakeServer
    definitions: dg.Definitions
    instance: dg.DagsterInstance

    def run(
        self,
        job: str,
        *,
        partition: str | None = None,
        partitions: tuple[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        ok: bool = True,
    ) -> dg.ExecuteInProcessResult:
        """Run a job, for a partition or a range of partitions, with the tags that the UI and the CLI set."""
        tags = dict(tags or {})
        if partition:
            tags["dagster/partition"] = partition
        if partitions:
            tags["dagster/asset_partition_range_start"], tags["dagster/asset_partition_range_end"] = partitions
        self.server.requests.clear()
        result = self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, tags=tags, raise_on_error=False
        )
        assert result.success is ok, [
            failure_message(result, event.step_key) for event in result.get_step_failure_events()
        ]
        return result

    def rows(self, table: str) -> list[dict[str, Any]]:
        return stored_rows(self.folder / "warehouse.duckdb", table)

    def queries(self, path: str) -> list[Mapping[str, str]]:
        """The query parameters of the last run's requests to a path, in order."""
        return [record.request.query for record in self.server.requests if record.request.path.endswith(path)]

    def log_lines(self, result: dg.ExecuteInProcessResult) -> list[str]:
        """The messages in the run's log, without Dagster's own events."""
        return [entry.user_message for entry in self.instance.all_logs(result.run_id) if entry.dagster_event is None]


def failure_message(result: dg.ExecuteInProcessResult, step: str | None) -> str:
    """The message of a failed step."""
    [event] = [event for event in result.get_step_failure_events() if event.step_key == step]
    data = event.step_failure_data.user_failure_data
    return str(data.description) if data else f"unexpected: {event.step_failure_data.error}"


def materializations(result: dg.ExecuteInProcessResult, key: str) -> dict[str | None, Mapping[str, Any]]:
    """The metadata values of an asset's materializations, by partition."""
    return {
        event.partition: {name: value.value for name, value in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(key.split("/"))
    }


def last_metadata(result: dg.ExecuteInProcessResult, key: str) -> Mapping[str, Any]:
    """The metadata values of an asset's last materialization."""
    return list(materializations(result, key).values())[-1]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def build_harness(
    folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., JobHarness]]:
    """Builds a harness for APIs of the test: the server, and the text of each defs.yaml by the API's name."""
    with ExitStack() as stack:

        def build(sandbox: FakeServer, files: Mapping[str, str] | None = None) -> JobHarness:
            for name, value in sandbox.variables(stack.enter_context(serve(sandbox))).items():
                monkeypatch.setenv(name, value)
            environ = {} if files is None else {"ANALYTICS_DEFS_DIR": str(write_defs(folder / "defs", files))}
            return JobHarness(folder, sandbox, build_definitions(environ), instance)

        yield build


@pytest.fixture
def harness(build_harness: Callable[..., JobHarness]) -> JobHarness:
    """The built-in definitions, and the built-in APIs on a server that counts as real."""
    return build_harness(builtin_server())


@pytest.fixture
def snapshot_harness(build_harness: Callable[..., JobHarness]) -> JobHarness:
    """The built-in APIs, of which `treasury` has no partitions: each of its loads reads all rows."""
    recruiting, treasury = ((DEFS / api / "defs.yaml").read_text() for api in ("recruiting", "treasury"))
    lines = [line for line in treasury.splitlines() if not line.lstrip().startswith(("incremental:", "partitions:"))]
    return build_harness(builtin_server(), {"recruiting": recruiting, "treasury": "\n".join(lines)})


def write_defs(folder: Path, files: Mapping[str, str]) -> Path:
    for api, text in files.items():
        (folder / api).mkdir(parents=True)
        (folder / api / "defs.yaml").write_text(text)
    return folder
