"""A working directory with its own Dagster history, warehouse and state, and the commands run in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
FILES = ("pyproject.toml", "workspace.yaml", "constraints.txt", "README.md", "LICENSE", ".env.example")
FOLDERS = ("analytics_assets", "analytics_assets_tests")


@dataclass
class Project:
    """A working directory as a user has it. No environment variable is inherited."""

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
        """Run a command of the environment's bin folder.

        Returns:
            What it printed on both streams.
        """
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
        """Run `dagster job execute` for one job, and for one partition or a range of them."""
        return self.run(*execute_command(job, partition=partition, partitions=partitions), **kwargs)

    def execute_and_kill(self, job: str, *, after: str, seconds: float, env: Mapping[str, str] | None = None) -> bool:
        """Kill `dagster job execute` some seconds after it printed a line with the text `after`.

        Returns:
            Whether the job was still running.
        """
        with subprocess.Popen(
            execute_command(job),
            cwd=self.folder,
            env={**self.env, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert any(after in line for line in process.stdout), f"{after!r} was not printed"
            time.sleep(seconds)
            process.kill()
        return process.returncode == -signal.SIGKILL

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that a query of the warehouse returns."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.sql(sql).fetchall()


@dataclass(frozen=True)
class MainJob:
    """A project after its main job, and the output of the command."""

    project: Project
    console: str

    @classmethod
    def run(cls, folder: Path) -> MainJob:
        """Run the main job in the folder `project`, with the folder `temporary` for temporary files."""
        project = Project(folder / "project")
        temporary = folder / "temporary"
        temporary.mkdir()
        return cls(project, project.execute("full_refresh", env={"TMPDIR": str(temporary)}))

    def copy_into(self, project: Project) -> None:
        """Give another project the history, the warehouse and the state of this one."""
        shutil.copytree(self.project.folder, project.folder, dirs_exist_ok=True)


def execute_command(
    job: str, *, partition: str | None = None, partitions: tuple[str, str] | None = None
) -> tuple[str, ...]:
    """The `dagster job execute` command for one job."""
    tags = {}
    if partition:
        tags = {"dagster/partition": partition}
    if partitions:
        first, last = partitions
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    options = ["--tags", json.dumps(tags)] if tags else []
    return "dagster", "job", "execute", "-m", "analytics_assets.definitions", "-j", job, *options


def checkout(folder: Path) -> Project:
    """A project folder like a git clone. Commands in it use its own copy of the package."""
    project = Project(folder)
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    project.env["PYTHONPATH"] = str(folder)  # takes precedence over the installed package
    return project
