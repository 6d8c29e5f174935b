"""Fixtures that all tests share: a project folder of its own, the command line in it, its tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
        tags = {}
        if partition:
            tags = {"dagster/partition": partition}
        if partitions:
            first, last = partitions
            tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        options = ["--tags", json.dumps(tags)] if tags else []
        command = ["dagster", "job", "execute", "-m", "analytics_assets.definitions", "-j", job, *options]
        return self.run(*command, **kwargs)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.sql(sql).fetchall()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def need(found: bool, what: str) -> None:
    """Skips a test on a laptop that lacks `what`; fails it where all has to be there (REQUIRE_ALL, as in CI)."""
    if found:
        return
    if os.environ.get("REQUIRE_ALL"):
        pytest.fail(f"{what} is missing, and REQUIRE_ALL is set")
    pytest.skip(f"{what} is missing")
