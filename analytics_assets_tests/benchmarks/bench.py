"""A benchmark run: programs load the same table in interleaved rounds; costs and findings are collected."""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from analytics_assets_tests.benchmarks.compare import compare
from analytics_assets_tests.benchmarks.limit import Connection
from analytics_assets_tests.benchmarks.measure import Command, Cost, measure
from analytics_assets_tests.benchmarks.programs import LIMIT, Program, ReadSettings
from analytics_assets_tests.benchmarks.results import Finding, LoadCost, Result, environment

DAGSTER_HOME = "dagster_home"  # kept between rounds, because a user has a run history too


@dataclass(frozen=True)
class Loads:
    """The costs of one program's loads of one table: one list of rounds per load (first, second)."""

    costs: Sequence[Sequence[Cost]]

    def walls(self, load: int = 0) -> list[float]:
        return [cost.wall for cost in self.costs[load]]

    def cpus(self, load: int = 0) -> list[float]:
        return [cost.cpu for cost in self.costs[load]]

    def wall(self, load: int = 0) -> float:
        return statistics.median(self.walls(load))

    def cpu(self, load: int = 0) -> float:
        return statistics.median(self.cpus(load))

    def memory(self, load: int = 0) -> float:
        return max(cost.memory for cost in self.costs[load])


@dataclass
class Bench:
    """The settings of a run, and its findings so far."""

    server: str
    folder: Path
    rows: int = 1_000_000
    most_rows: int = 10_000_000
    peer_rows: int = 100_000
    peers: Sequence[str] = ()
    rounds: int = 1
    findings: list[Finding] = field(default_factory=list)
    costs: list[LoadCost] = field(default_factory=list)
    warmed_up: set[tuple[int, str]] = field(default_factory=set)

    def begin(self, rounds: int) -> None:
        """Begin a workload of so many rounds."""
        self.rounds, self.findings, self.costs = rounds, [], []

    def result(self) -> Result:
        """The findings and costs of the workload."""
        return Result(date.today(), environment(), self.rounds, self.findings, self.costs)

    def url(self, rows: int, latency_ms: int = 0, table: str = "rows") -> str:
        """The URL of a table. The server prepares its pages first, or the first program would wait for them."""
        if not latency_ms and (rows, table) not in self.warmed_up:
            self.read_all_pages(rows if table == "rows" else ReadSettings.limit, table)
        return f"{self.server}/{rows}/{latency_ms}"

    def read_all_pages(self, rows: int, table: str = "rows") -> tuple[float, float]:
        """Read a table with a bare client, page by page; returns requests and megabytes per second."""
        self.warmed_up.add((rows, table))
        parts = urlsplit(self.server)
        connection = Connection(str(parts.hostname), int(parts.port or 0), f"/{rows}/0/v1/{table}")
        started, received = time.perf_counter(), 0
        for offset in range(0, rows, ReadSettings.limit):
            received += len(connection.get(offset, ReadSettings.limit))
        seconds = time.perf_counter() - started
        return rows / ReadSettings.limit / seconds, received / seconds / 1e6

    def add_finding(self, sentence: str, figures: str) -> None:
        self.findings.append(Finding(sentence, figures))
        self.log(f"{sentence} {figures}")

    def add_costs(self, table: str, loads: Mapping[Program, Loads], load: int = 0) -> None:
        """Add the costs of one load of each program."""
        for program, loaded in loads.items():
            wall, cpu, memory = loaded.wall(load), loaded.cpu(load), loaded.memory(load)
            self.costs.append(LoadCost(table, program.name, wall, cpu, memory))

    def log(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def load(
        self,
        programs: Mapping[Program, int],
        url: str,
        settings: Mapping[Program, ReadSettings] | ReadSettings,
        rounds: int | None = None,
    ) -> dict[Program, Loads]:
        """Each program loads the table the given number of times per round; the contents are compared after each load.

        Raises:
            ContentError: A program did not load the same rows as the limit program, which must be one of them.
            CommandError: A program failed.
        """
        rounds = rounds or self.rounds
        costs: dict[Program, list[list[Cost]]] = {
            program: [[] for _ in range(times)] for program, times in programs.items()
        }
        others = [program for program in programs if program != LIMIT]
        for turn in range(rounds):
            # The limit program goes first, because the others are compared with it. The others change their order.
            for program in [LIMIT, *others[turn % max(len(others), 1) :], *others[: turn % max(len(others), 1)]]:
                database = self.emptied(program.name) / "warehouse.duckdb"
                read = settings if isinstance(settings, ReadSettings) else settings[program]
                for load in range(programs[program]):
                    cost = measure(program.command(url, database, read))
                    if program != LIMIT:
                        limit = LIMIT.loaded(self.folder / LIMIT.name / "warehouse.duckdb", read.table)
                        compare(limit, program.loaded(database, read.table))
                    costs[program][load].append(cost)
                    self.log(
                        f"  round {turn + 1} of {rounds}, {program.name}, load {load + 1}: "
                        f"{cost.wall:.2f} s, processor {cost.cpu:.2f} s, {cost.memory:.0f} MB"
                    )
        return {program: Loads(lists) for program, lists in costs.items()}

    def commands(self, commands: Mapping[str, Command]) -> dict[str, Loads]:
        """The costs of commands without comparison of contents, after one round that is not counted."""
        costs: dict[str, list[Cost]] = {name: [] for name in commands}
        for turn in range(-1, self.rounds):
            for name, command in commands.items():
                cost = measure(command)
                if turn >= 0:
                    costs[name].append(cost)
        return {name: Loads([list_]) for name, list_ in costs.items()}

    def emptied(self, name: str) -> Path:
        """A program's folder, empty except for Dagster's history."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            if path.is_dir() and path.name != DAGSTER_HOME:
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
        return folder
