"""Jobs run in this process, against an API server and a warehouse of the test's own."""

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
from analytics_assets_tests.support.expected_rows import stored

PREFIXES = ("ANALYTICS_", "RECRUITING_", "TREASURY_", "SHOP_", "DAGSTER_", "DLT_", "DESTINATION__")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own, and no variable that changes what definitions or loads are."""
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ANALYTICS_STEP_RETRIES", "0")  # except where tests say so: nobody waits half a minute
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANALYTICS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass
class Bench:
    """What a test needs to run jobs and to look at what they did."""

    folder: Path
    sandbox: FakeServer
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
        """One run of a job, for a partition or a range of them, with the tags that the UI and the CLI give it."""
        tags = dict(tags or {})
        if partition:
            tags["dagster/partition"] = partition
        if partitions:
            tags["dagster/asset_partition_range_start"], tags["dagster/asset_partition_range_end"] = partitions
        self.sandbox.requests.clear()
        result = self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, tags=tags, raise_on_error=False
        )
        assert result.success is ok, [failure(result, event.step_key) for event in result.get_step_failure_events()]
        return result

    def rows(self, table: str) -> list[dict[str, Any]]:
        return stored(self.folder / "warehouse.duckdb", table)

    def asked(self, path: str) -> list[Mapping[str, str]]:
        """The queries of the last run's requests to a path, in their order."""
        return [record.request.query for record in self.sandbox.requests if record.request.path.endswith(path)]

    def log(self, result: dg.ExecuteInProcessResult) -> list[str]:
        """What a person reads in the run's log, without Dagster's own events."""
        return [entry.user_message for entry in self.instance.all_logs(result.run_id) if entry.dagster_event is None]


def failure(result: dg.ExecuteInProcessResult, step: str | None) -> str:
    """What a failed step tells a person."""
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


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def build_bench(
    folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Bench]]:
    """A bench for APIs that the test invents: the sandbox that serves them, and the defs.yaml of each by its name."""
    with ExitStack() as stack:

        def build(sandbox: FakeServer, files: Mapping[str, str] | None = None) -> Bench:
            for name, value in sandbox.variables(stack.enter_context(serve(sandbox))).items():
                monkeypatch.setenv(name, value)
            environ = {} if files is None else {"ANALYTICS_DEFS_DIR": str(write_defs(folder / "defs", files))}
            return Bench(folder, sandbox, build_definitions(environ), instance)

        yield build


@pytest.fixture
def bench(build_bench: Callable[..., Bench]) -> Bench:
    """The built-in definitions, and the built-in APIs on a server that is asked as a real one."""
    return build_bench(builtin_server())


def write_defs(folder: Path, files: Mapping[str, str]) -> Path:
    for api, text in files.items():
        (folder / api).mkdir(parents=True)
        (folder / api / "defs.yaml").write_text(text)
    return folder
