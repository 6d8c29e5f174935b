"""Workloads with a fast API: each function measures a few rows of the report."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from dataclasses import replace

from analytics_assets_tests.benchmarks.bench import Bench, Loads
from analytics_assets_tests.benchmarks.measure import Command, ratio
from analytics_assets_tests.benchmarks.programs import (
    LIMIT,
    OURS,
    OURS_IN_DAGSTER,
    PEERS_BY_NAME,
    QUIET,
    REFERENCE,
    Program,
    ReadSettings,
)

REFERENCE_ROWS = 10_000
SIZES = (10_000, 1_000_000, 3_000_000, 10_000_000)  # of `growth`
REPEATED_ROWS = 1_000_000  # larger loads are measured once
RUN_IMPORTS = "import dagster._cli, analytics_assets.definitions, analytics_assets.components.runs.execution"


def server(bench: Bench) -> None:
    """The throughput of the server: a bare client reads all pages, then reads the cached pages again."""
    (_, megabytes), (requests, cached_megabytes) = (bench.read_all_pages(bench.rows) for _ in range(2))
    bench.add_finding(
        f"The API server sends {requests:,.0f} pages of {ReadSettings.limit} rows per second over one connection.",
        f"{megabytes:,.0f} MB/s when pages are made for the request, {cached_megabytes:,.0f} MB/s when they are cached",
    )


def noise(bench: Bench) -> None:
    """The same command compared with itself: the noise of this machine."""
    again = replace(LIMIT, name="limit again")
    loads = bench.load({LIMIT: 1, again: 1}, bench.url(bench.rows), ReadSettings())
    wall, cpu = ratio(loads[again].walls(), loads[LIMIT].walls()), ratio(loads[again].cpus(), loads[LIMIT].cpus())
    bench.add_finding(
        f"Noise: two runs of the same program take {wall.low:.2f} to {wall.high:.2f} times as long as each other. "
        "Smaller differences mean nothing.",
        f"time {wall}; processor time {cpu}",
    )


def contents(bench: Bench) -> None:
    """Ours, the limit program and plain dlt load the same rows, in first and second loads."""
    bench.load({LIMIT: 2, OURS: 2, REFERENCE: 2}, bench.url(REFERENCE_ROWS), ReadSettings())
    bench.add_finding(
        "analytics_assets, the hand-written program and plain dlt load equal tables.",
        f"{REFERENCE_ROWS:,} rows, all columns, first and second load",
    )


def many_rows(bench: Bench) -> None:
    """A million rows without latency: first and second load, and the first in Dagster."""
    loads = bench.load({LIMIT: 2, OURS: 2, OURS_IN_DAGSTER: 1}, bench.url(bench.rows), ReadSettings())
    limit, ours, in_dagster = loads[LIMIT], loads[OURS], loads[OURS_IN_DAGSTER]
    _add_ratios(bench, f"A first load of {bench.rows:,} rows", loads)
    _add_ratios(bench, f"A second load of the same {bench.rows:,} rows", loads, 1)
    again = ratio(ours.walls(1), ours.walls(0))
    bench.add_finding(
        f"The second load takes {again.median:.0%} of the time of the first.",
        f"{ours.wall(1):.2f} s against {ours.wall():.2f} s; ratio {again}",
    )
    over = [one - other for one, other in zip(in_dagster.walls(), limit.walls(), strict=True)]
    bench.add_finding(
        f"A first load by `dagster job execute` takes {statistics.median(over):.1f} s longer than with the "
        "hand-written program.",
        f"{in_dagster.wall():.2f} s against {limit.wall():.2f} s; {ours.wall():.2f} s without Dagster",
    )
    imports = {"imports": Command([sys.executable, "-c", RUN_IMPORTS], bench.emptied("imports"), QUIET)}
    seconds = bench.commands(imports)["imports"].wall()
    bench.add_finding(f"A Dagster run spends {seconds:.1f} s on imports.", f"{seconds:.2f} s")


def wide(bench: Bench) -> None:
    """Rows of 120 columns, a third of them null."""
    _shape(bench, "wide", "120 columns, a third of them null", bench.rows)


def long(bench: Bench) -> None:
    """Rows of 20 KB: a long text and nested values."""
    _shape(bench, "long", "20 KB, a long text and nested values", max(bench.rows // 10, 1))


def peers(bench: Bench) -> None:
    """The peers, each in an environment of its own; contents are compared in the layout of each."""
    installed = [PEERS_BY_NAME[name].install(name) for name in bench.peers]
    if not installed:
        return
    programs = dict.fromkeys([LIMIT, OURS, *installed], 1)
    loads = bench.load(programs, bench.url(bench.peer_rows), ReadSettings())
    ours = loads[OURS]
    for program in installed:
        slower = ratio(loads[program].walls(), ours.walls())
        decimals = f"; it keeps {program.decimals} decimals, and only these are compared" if program.decimals else ""
        bench.add_finding(
            f"{program.name} takes {slower.median:.1f} times as long as analytics_assets to load {bench.peer_rows:,} "
            "rows.",
            f"{loads[program].wall():.1f} s against {ours.wall():.2f} s; ratio {slower}{decimals}",
        )
    bench.add_costs(f"{bench.peer_rows:,} rows", loads)


def growth(bench: Bench) -> None:
    """Wall time, CPU time and peak memory by the number of rows."""
    sizes = [rows for rows in SIZES if rows <= bench.most_rows]
    memory = {}
    for rows in sizes:
        rounds = bench.rounds if rows <= REPEATED_ROWS else 1
        loads = bench.load({LIMIT: 1, OURS: 1}, bench.url(rows), ReadSettings(), rounds)
        memory[rows] = loads[OURS].memory()
        bench.add_costs(f"{rows:,} rows", loads)
    large = {rows: peak for rows, peak in memory.items() if rows >= REPEATED_ROWS} or memory
    grown = large[max(large)] / large[min(large)] - 1
    bench.add_finding(
        f"Peak memory changes by {grown:+.0%} from {min(large):,} to {max(large):,} rows.",
        ", ".join(f"{peak:.0f} MB at {rows:,}" for rows, peak in large.items())
        + f"; loads of more than {REPEATED_ROWS:,} rows are measured once",
    )


def _shape(bench: Bench, shape: str, what: str, rows: int) -> None:
    """A first load of another table of the API, and the memory of a load of a tenth of it."""
    read = ReadSettings(table=f"{shape}_rows")
    few = bench.load({LIMIT: 1, OURS: 1}, bench.url(rows // 10, table=read.table), read, rounds=1)[OURS].memory()
    loads = bench.load({LIMIT: 1, OURS: 1}, bench.url(rows, table=read.table), read)
    _add_ratios(bench, f"A first load of {rows:,} {shape} rows ({what})", loads)
    limit, ours = loads[LIMIT].memory(), loads[OURS].memory()
    bench.add_finding(
        f"A load of {rows:,} {shape} rows needs at most {ours:.0f} MB of memory, and a tenth of them {few:.0f} MB.",
        f"{ours:.0f} MB against {limit:.0f} MB of the hand-written program",
    )
    bench.add_costs(f"{rows:,} {shape} rows", loads)


def _add_ratios(bench: Bench, work: str, loads: Mapping[Program, Loads], load: int = 0) -> None:
    """Time and processor time of a load, compared with the hand-written program."""
    ours, limit = loads[OURS], loads[LIMIT]
    wall = ratio(ours.walls(load), limit.walls(load))
    bench.add_finding(
        f"{work} takes {wall.median:.1f} times as long as with the hand-written program.",
        f"{ours.wall(load):.2f} s against {limit.wall(load):.2f} s; ratio {wall}",
    )
    cpu = ratio(ours.cpus(load), limit.cpus(load))
    bench.add_finding(
        f"{work} uses {cpu.median:.1f} times the processor time of the hand-written program.",
        f"{ours.cpu(load):.2f} s against {limit.cpu(load):.2f} s; ratio {cpu}",
    )
