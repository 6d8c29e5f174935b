"""A run of the benchmarks: programs load the same table in interleaved rounds, and what comes out is kept."""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from analytics_assets_tests.benchmarks.compare import compare
from analytics_assets_tests.benchmarks.limit import Connection
from analytics_assets_tests.benchmarks.measure import Command, Cost, measure
from analytics_assets_tests.benchmarks.programs import LIMIT, Program, Walk

KEPT = "dagster_home"  # Dagster's history is not made anew in each round: a user has one


@dataclass(frozen=True)
class Finding:
    """A line of the report: what was measured, and whether it is what was asked for (None: nothing was)."""

    work: str
    measured: str
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Loads:
    """The costs of one program's loads of one table: a list of rounds for the first load, one for the second."""

    costs: Sequence[Sequence[Cost]]

    def walls(self, load: int = 0) -> list[float]:
        return [cost.wall for cost in self.costs[load]]

    def cpus(self, load: int = 0) -> list[float]:
        return [cost.cpu for cost in self.costs[load]]

    def memories(self, load: int = 0) -> list[float]:
        return [cost.memory for cost in self.costs[load]]

    def wall(self, load: int = 0) -> float:
        return statistics.median(self.walls(load))


@dataclass
class Bench:
    """Where a run works, and what it has found so far."""

    server: str
    folder: Path
    rounds: int = 5
    rows: int = 1_000_000
    most_rows: int = 10_000_000
    peer_rows: int = 100_000
    peer_rounds: int = 3
    peers: Sequence[str] = ()
    findings: list[Finding] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    growth: list[tuple[int, str, Cost]] = field(default_factory=list)
    asked: set[int] = field(default_factory=set)

    def url(self, rows: int, latency_ms: int = 0) -> str:
        """A table of the server's, whose pages it has made before: or the first program would wait for them."""
        if not latency_ms and rows not in self.asked:
            self.ask(rows)
        return f"{self.server}/{rows}/{latency_ms}"

    def ask(self, rows: int) -> tuple[float, float]:
        """All pages of a table by a bare client, one after the other: requests and megabytes a second."""
        self.asked.add(rows)
        parts = urlsplit(self.server)
        connection = Connection(str(parts.hostname), int(parts.port or 0), f"/{rows}/0/v1/rows")
        began, received = time.perf_counter(), 0
        for offset in range(0, rows, Walk.limit):
            received += len(connection.get(offset, Walk.limit))
        seconds = time.perf_counter() - began
        return rows / Walk.limit / seconds, received / seconds / 1e6

    def find(self, work: str, measured: str, target: str = "", met: bool | None = None) -> None:
        self.findings.append(Finding(work, measured, target, met))
        self.say(f"{work}: {measured}" + (f" (target {target}: {'met' if met else 'NOT MET'})" if target else ""))

    def say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def load(
        self,
        programs: Mapping[Program, int],
        url: str,
        walks: Mapping[Program, Walk] | Walk,
        rounds: int | None = None,
    ) -> dict[Program, Loads]:
        """Each program loads the table so many times after another, round by round; contents are compared each time.

        Raises:
            ContentError: a program did not load the rows that the limit program, which is always among them, loaded.
            CommandError: a program failed.
        """
        rounds = rounds or self.rounds
        costs: dict[Program, list[list[Cost]]] = {
            program: [[] for _ in range(times)] for program, times in programs.items()
        }
        others = [program for program in programs if program != LIMIT]
        for turn in range(rounds):
            # The limit goes first, since the others are compared with it; they take turns.
            for program in [LIMIT, *others[turn % max(len(others), 1) :], *others[: turn % max(len(others), 1)]]:
                database = self.emptied(program.name) / "warehouse.duckdb"
                walk = walks if isinstance(walks, Walk) else walks[program]
                for load in range(programs[program]):
                    cost = measure(program.command(url, database, walk))
                    if program != LIMIT:
                        limit = LIMIT.loaded(self.folder / LIMIT.name / "warehouse.duckdb")
                        compare(limit, program.loaded(database))
                    costs[program][load].append(cost)
                    self.say(
                        f"  round {turn + 1} of {rounds}, {program.name}, load {load + 1}: "
                        f"{cost.wall:.2f} s, processor {cost.cpu:.2f} s, {cost.memory:.0f} MB"
                    )
        return {program: Loads(lists) for program, lists in costs.items()}

    def commands(self, commands: Mapping[str, Command], rounds: int | None = None) -> dict[str, Loads]:
        """The costs of commands that load nothing, or load for themselves, round by round after one that counts not."""
        costs: dict[str, list[Cost]] = {name: [] for name in commands}
        for turn in range(-1, rounds or self.rounds):
            for name, command in commands.items():
                cost = measure(command)
                if turn >= 0:
                    costs[name].append(cost)
        return {name: Loads([list_]) for name, list_ in costs.items()}

    def emptied(self, name: str) -> Path:
        """A program's folder, with nothing in it but Dagster's history."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            if path.is_dir() and path.name != KEPT:
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
        return folder
