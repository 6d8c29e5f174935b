"""Fixtures that all tests share: a project folder of its own, the command line in it, its tables."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


@dataclass
class Project:
    """A working directory as a user has it: its own Dagster history, warehouse and state; no variable is inherited."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        home = self.folder / ".dagster"
        home.mkdir(parents=True)
        (home / "dagster.yaml").write_text((ROOT / ".dagster" / "dagster.yaml").read_text())
        self.env = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder / "home"),
            "DAGSTER_HOME": str(home),
            **self.env,
        }

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.duckdb"

    def run(self, *command: str, env: Mapping[str, str] | None = None, ok: bool = True) -> str:
        """Runs a command of the environment's bin folder; returns what it printed, both streams in one."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.env, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert (done.returncode == 0) is ok, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def execute(
        self, job: str, *, partition: str | None = None, partitions: tuple[str, str] | None = None, **kwargs: Any
    ) -> str:
        """`dagster job execute` of one job, for a partition, or a range of them as one run."""
        return self.run(*execution(job, partition=partition, partitions=partitions), **kwargs)

    def execute_and_kill(self, job: str, *, after: str, seconds: float, env: Mapping[str, str] | None = None) -> bool:
        """Kills `dagster job execute` that long after it printed a line with those words; whether it still ran."""
        with subprocess.Popen(
            execution(job),
            cwd=self.folder,
            env={**self.env, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert any(after in line for line in process.stdout), f"it never said {after!r}"
            time.sleep(seconds)
            process.kill()
        return process.returncode == -signal.SIGKILL

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.sql(sql).fetchall()


def execution(job: str, *, partition: str | None = None, partitions: tuple[str, str] | None = None) -> tuple[str, ...]:
    """The command that runs one job."""
    tags = {}
    if partition:
        tags = {"dagster/partition": partition}
    if partitions:
        first, last = partitions
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    options = ["--tags", json.dumps(tags)] if tags else []
    return "dagster", "job", "execute", "-m", "analytics_assets.definitions", "-j", job, *options


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def require_or_skip(found: bool, what: str) -> None:
    """Skips a test on a laptop that lacks `what`; fails it where all has to be there (REQUIRE_ALL, as in CI)."""
    if found:
        return
    if os.environ.get("REQUIRE_ALL"):
        pytest.fail(f"{what} is missing, and REQUIRE_ALL is set")
    pytest.skip(f"{what} is missing")
