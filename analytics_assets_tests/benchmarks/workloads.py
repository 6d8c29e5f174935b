"""The workloads: each function measures a few lines of the report."""

from __future__ import annotations

import statistics
import sys
from dataclasses import replace

from analytics_assets_tests.benchmarks.bench import Bench
from analytics_assets_tests.benchmarks.environments import InstallError
from analytics_assets_tests.benchmarks.measure import Command, ratio
from analytics_assets_tests.benchmarks.programs import (
    LIMIT,
    OURS,
    OURS_IN_DAGSTER,
    PEERS_BY_NAME,
    QUIET,
    REFERENCE,
    ReadSettings,
)

LATENCY_MS, SLOW_ROWS, SLOW_PAGE = 100, 10_000, 50
CURSOR_CONCURRENCY, OFFSET_CONCURRENCY = 8, 16
REFERENCE_ROWS = 10_000
MAX_MEMORY_MB = 600
RUN_IMPORTS = "import dagster._cli, analytics_assets.definitions, analytics_assets.components.runs.execution"


def server(bench: Bench) -> None:
    """The throughput of the server: a bare client reads all pages, then reads the cached pages again."""
    for what in ("pages made for the request", "cached pages"):
        requests, megabytes = bench.read_all_pages(bench.rows)
        figures = f"{requests:,.0f} requests/s, {megabytes:,.0f} MB/s"
        bench.add_finding(f"limit of the server, {what}, one connection", figures)


def noise(bench: Bench) -> None:
    """The same command compared with itself: the noise of this machine."""
    again = replace(LIMIT, name="limit again")
    loads = bench.load({LIMIT: 1, again: 1}, bench.url(bench.rows), ReadSettings())
    wall, cpu = ratio(loads[again].walls(), loads[LIMIT].walls()), ratio(loads[again].cpus(), loads[LIMIT].cpus())
    bench.add_finding("noise: the hand-written program relative to itself", f"time {wall}, processor time {cpu}")


def contents(bench: Bench) -> None:
    """Ours, the limit program and plain dlt load the same rows, in first and second loads."""
    bench.load({LIMIT: 2, OURS: 2, REFERENCE: 2}, bench.url(REFERENCE_ROWS), ReadSettings(), rounds=1)
    bench.add_finding(
        f"{REFERENCE_ROWS:,} rows: tables of analytics_assets, the hand-written program and plain dlt, all columns",
        "equal",
        "equal",
        True,
    )


def many_rows(bench: Bench) -> None:
    """A million rows without latency: first and second load, and the first in Dagster."""
    loads = bench.load({LIMIT: 2, OURS: 2, OURS_IN_DAGSTER: 1}, bench.url(bench.rows), ReadSettings())
    limit, ours, dagster = loads[LIMIT], loads[OURS], loads[OURS_IN_DAGSTER]
    rows = f"{bench.rows:,} rows"
    for load, name in enumerate(("first", "second")):
        wall = ratio(ours.walls(load), limit.walls(load))
        cpu = ratio(ours.cpus(load), limit.cpus(load))
        seconds = f"; {ours.wall(load):.2f} s against {limit.wall(load):.2f} s"
        work = f"{rows}, {name} load: time relative to the hand-written program"
        bench.add_finding(work, f"{wall}{seconds}", "<= 1.15", wall.median <= 1.15)
        used = f"; {statistics.median(ours.cpus(load)):.2f} s against {statistics.median(limit.cpus(load)):.2f} s"
        work = f"{rows}, {name} load: processor time relative to the hand-written program"
        bench.add_finding(work, f"{cpu}{used}", "<= 1.2", cpu.median <= 1.2)
    over = statistics.median(a - b for a, b in zip(dagster.walls(), limit.walls(), strict=True))
    bench.add_finding(
        f"{rows} with `dagster job execute`: seconds more than the hand-written program",
        f"{over:.2f} s ({dagster.wall():.2f} s)",
        "<= 3 s",
        over <= 3,
    )
    again = ratio(ours.walls(1), ours.walls(0))
    work = f"{rows}, second load of unchanged rows relative to the first"
    bench.add_finding(work, str(again), "<= 0.8", again.median <= 0.8)
    imports = {"imports": Command([sys.executable, "-c", RUN_IMPORTS], bench.emptied("imports"), QUIET)}
    seconds_importing = bench.commands(imports)["imports"].wall()
    bench.add_finding("imports of a run", f"{seconds_importing:.2f} s", "<= 1.6 s", seconds_importing <= 1.6)


def peers(bench: Bench) -> None:
    """The peers, each in an environment of its own; contents are compared in the layout of each."""
    installed = {}
    for name in bench.peers:
        try:
            installed[PEERS_BY_NAME[name].install(name)] = PEERS_BY_NAME[name].faster
        except InstallError as error:
            bench.add_finding(f"{bench.peer_rows:,} rows: {name}", f"cannot be installed here: {error}")
    if not installed:
        return
    programs = dict.fromkeys([LIMIT, OURS, *installed], 1)
    loads = bench.load(programs, bench.url(bench.peer_rows), ReadSettings(), rounds=bench.peer_rounds)
    for program, faster in installed.items():
        time_ratio = ratio(loads[program].walls(), loads[OURS].walls())
        seconds = f"; {loads[program].wall():.1f} s, {max(loads[program].memories()):.0f} MB"
        bench.add_finding(
            f"{bench.peer_rows:,} rows: time of {program.name} relative to analytics_assets",
            f"{time_ratio}{seconds}",
            f">= {faster:g}",
            time_ratio.median >= faster,
        )
        if program.decimals is not None:
            bench.add_finding(f"decimals that {program.name} keeps", f"{program.decimals}; only these are compared")
    bench.seconds = {program.name: load.wall() for program, load in loads.items()}


def cursor(bench: Bench) -> None:
    """An API with 100 ms latency, by cursor: ours in parallel, compared with the fastest sequential read."""
    settings = {
        LIMIT: ReadSettings(limit=SLOW_PAGE, concurrency=1),
        OURS: ReadSettings("cursor", SLOW_PAGE, CURSOR_CONCURRENCY),
    }
    loads = bench.load({LIMIT: 1, OURS: 1}, bench.url(SLOW_ROWS, LATENCY_MS), settings)
    work = f"{SLOW_ROWS:,} rows, {LATENCY_MS} ms latency, pages of {SLOW_PAGE}, cursor, {CURSOR_CONCURRENCY} parallel"
    faster = ratio(loads[LIMIT].walls(), loads[OURS].walls())
    what = "time of a sequential read relative to analytics_assets"
    bench.add_finding(f"{work}: {what}", str(faster), ">= 6", faster.median >= 6)
    most = 1.3 * (SLOW_ROWS / SLOW_PAGE * LATENCY_MS / 1000 / CURSOR_CONCURRENCY) + 1
    wall = loads[OURS].wall()
    bench.add_finding(f"{work}: time", f"{wall:.2f} s", f"<= {most:.2f} s", wall <= most)


def offset(bench: Bench) -> None:
    """The same by offset with a total, both with 16 requests in parallel."""
    loads = bench.load(
        {LIMIT: 1, OURS: 1},
        bench.url(SLOW_ROWS, LATENCY_MS),
        ReadSettings(limit=SLOW_PAGE, concurrency=OFFSET_CONCURRENCY),
    )
    most, wall = 1.1 * loads[LIMIT].wall() + 1, loads[OURS].wall()
    bench.add_finding(
        f"the same by offset, {OFFSET_CONCURRENCY} in parallel: time",
        f"{wall:.2f} s (hand-written program {loads[LIMIT].wall():.2f} s)",
        f"<= {most:.2f} s",
        wall <= most,
    )


def growth(bench: Bench) -> None:
    """Wall time, CPU time and peak memory by the number of rows, one load each."""
    sizes = [rows for rows in (10_000, 100_000, 1_000_000, 3_000_000, 10_000_000) if rows <= bench.most_rows]
    memory = {}
    for rows in sizes:
        loads = bench.load({LIMIT: 1, OURS: 1}, bench.url(rows), ReadSettings(), rounds=1)
        memory[rows] = loads[OURS].memories()[0]
        bench.growth += [(rows, program.name, load.costs[0][0]) for program, load in loads.items()]
    large = {rows: held for rows, held in memory.items() if rows >= 1_000_000} or memory
    shown = ", ".join(f"{held:.0f} MB at {rows:,}" for rows, held in large.items())
    bench.add_finding("peak memory", shown, f"<= {MAX_MEMORY_MB} MB", max(large.values()) <= MAX_MEMORY_MB)
    grown = large[max(large)] / large[min(large)] - 1
    bench.add_finding(
        f"growth of peak memory from {min(large):,} to {max(large):,} rows", f"{grown:.0%}", "<= 10 %", grown <= 0.1
    )
