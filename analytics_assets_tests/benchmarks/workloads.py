"""Loads of one table: each function measures a row or two of the table of targets."""

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
    Walk,
)

LATENCY_MS, SLOW_ROWS, SLOW_PAGE = 100, 10_000, 50
AT_ONCE_CURSOR, AT_ONCE_OFFSET = 8, 16
REFERENCE_ROWS = 10_000
MOST_MEMORY = 600
RUN_IMPORTS = "import dagster._cli, analytics_assets.definitions, analytics_assets.components.execution"


def server(bench: Bench) -> None:
    """What the server can give: a bare client asks for pages one after the other, then again for the kept ones."""
    for what in ("pages made for the request", "cached pages"):
        requests, megabytes = bench.ask(bench.rows)
        figures = f"{requests:,.0f} requests/s, {megabytes:,.0f} MB/s"
        bench.find(f"limit of the server, {what}, one connection", figures)


def noise(bench: Bench) -> None:
    """The same command against itself: how far two equal figures are apart on this machine."""
    again = replace(LIMIT, name="limit again")
    loads = bench.load({LIMIT: 1, again: 1}, bench.url(bench.rows), Walk())
    wall, cpu = ratio(loads[again].walls(), loads[LIMIT].walls()), ratio(loads[again].cpus(), loads[LIMIT].cpus())
    bench.find("noise: the hand-written program relative to itself", f"time {wall}, processor time {cpu}")


def contents(bench: Bench) -> None:
    """Ours, the limit program and plain dlt load the same rows, first and second."""
    bench.load({LIMIT: 2, OURS: 2, REFERENCE: 2}, bench.url(REFERENCE_ROWS), Walk(), rounds=1)
    bench.find(
        f"{REFERENCE_ROWS:,} rows: tables of analytics_assets, the hand-written program and plain dlt, all columns",
        "equal",
        "equal",
        True,
    )


def many_rows(bench: Bench) -> None:
    """A million rows without latency: first and second load, and the first through Dagster."""
    loads = bench.load({LIMIT: 2, OURS: 2, OURS_IN_DAGSTER: 1}, bench.url(bench.rows), Walk())
    limit, ours, dagster = loads[LIMIT], loads[OURS], loads[OURS_IN_DAGSTER]
    rows = f"{bench.rows:,} rows"
    for load, name in enumerate(("first", "second")):
        wall = ratio(ours.walls(load), limit.walls(load))
        cpu = ratio(ours.cpus(load), limit.cpus(load))
        seconds = f"; {ours.wall(load):.2f} s against {limit.wall(load):.2f} s"
        work = f"{rows}, {name} load: time relative to the hand-written program"
        bench.find(work, f"{wall}{seconds}", "<= 1.15", wall.median <= 1.15)
        used = f"; {statistics.median(ours.cpus(load)):.2f} s against {statistics.median(limit.cpus(load)):.2f} s"
        work = f"{rows}, {name} load: processor time relative to the hand-written program"
        bench.find(work, f"{cpu}{used}", "<= 1.2", cpu.median <= 1.2)
    over = statistics.median(a - b for a, b in zip(dagster.walls(), limit.walls(), strict=True))
    bench.find(
        f"{rows} with `dagster job execute`: seconds more than the hand-written program",
        f"{over:.2f} s ({dagster.wall():.2f} s)",
        "<= 3 s",
        over <= 3,
    )
    again = ratio(ours.walls(1), ours.walls(0))
    work = f"{rows}, second load of unchanged rows relative to the first"
    bench.find(work, str(again), "<= 0.8", again.median <= 0.8)
    imports = {"imports": Command([sys.executable, "-c", RUN_IMPORTS], bench.emptied("imports"), QUIET)}
    seconds_importing = bench.commands(imports)["imports"].wall()
    bench.find("imports of a run", f"{seconds_importing:.2f} s", "<= 1.6 s", seconds_importing <= 1.6)


def peers(bench: Bench) -> None:
    """The others: each installed into an environment of its own; contents compared as each lays them out."""
    installed = {}
    for name in bench.peers:
        try:
            installed[PEERS_BY_NAME[name].install(name)] = PEERS_BY_NAME[name].faster
        except InstallError as error:
            bench.find(f"{bench.peer_rows:,} rows: {name}", f"cannot be installed here: {error}")
    if not installed:
        return
    programs = dict.fromkeys([LIMIT, OURS, *installed], 1)
    loads = bench.load(programs, bench.url(bench.peer_rows), Walk(), rounds=bench.peer_rounds)
    for program, faster in installed.items():
        found = ratio(loads[program].walls(), loads[OURS].walls())
        seconds = f"; {loads[program].wall():.1f} s, {max(loads[program].memories()):.0f} MB"
        bench.find(
            f"{bench.peer_rows:,} rows: time of {program.name} relative to analytics_assets",
            f"{found}{seconds}",
            f">= {faster:g}",
            found.median >= faster,
        )
        if program.decimals is not None:
            bench.find(f"decimals that {program.name} keeps", f"{program.decimals}; only these are compared")
    bench.seconds = {program.name: load.wall() for program, load in loads.items()}


def cursor(bench: Bench) -> None:
    """An API that takes 100 ms a request, paged by cursor: ours at once, against the fastest walk page by page."""
    walks = {LIMIT: Walk(limit=SLOW_PAGE, concurrency=1), OURS: Walk("cursor", SLOW_PAGE, AT_ONCE_CURSOR)}
    loads = bench.load({LIMIT: 1, OURS: 1}, bench.url(SLOW_ROWS, LATENCY_MS), walks)
    work = f"{SLOW_ROWS:,} rows, {LATENCY_MS} ms per request, pages of {SLOW_PAGE}, cursor, {AT_ONCE_CURSOR} parallel"
    faster = ratio(loads[LIMIT].walls(), loads[OURS].walls())
    what = "time of a sequential read relative to analytics_assets"
    bench.find(f"{work}: {what}", str(faster), ">= 6", faster.median >= 6)
    most = 1.3 * (SLOW_ROWS / SLOW_PAGE * LATENCY_MS / 1000 / AT_ONCE_CURSOR) + 1
    wall = loads[OURS].wall()
    bench.find(f"{work}: time", f"{wall:.2f} s", f"<= {most:.2f} s", wall <= most)


def offset(bench: Bench) -> None:
    """The same by offset with a total, both with 16 pages at once."""
    loads = bench.load(
        {LIMIT: 1, OURS: 1}, bench.url(SLOW_ROWS, LATENCY_MS), Walk(limit=SLOW_PAGE, concurrency=AT_ONCE_OFFSET)
    )
    most, wall = 1.1 * loads[LIMIT].wall() + 1, loads[OURS].wall()
    bench.find(
        f"the same by offset, {AT_ONCE_OFFSET} in parallel: time",
        f"{wall:.2f} s (hand-written program {loads[LIMIT].wall():.2f} s)",
        f"<= {most:.2f} s",
        wall <= most,
    )


def growth(bench: Bench) -> None:
    """How wall, processor time and memory grow with the number of rows, one load each."""
    sizes = [rows for rows in (10_000, 100_000, 1_000_000, 3_000_000, 10_000_000) if rows <= bench.most_rows]
    memory = {}
    for rows in sizes:
        loads = bench.load({LIMIT: 1, OURS: 1}, bench.url(rows), Walk(), rounds=1)
        memory[rows] = loads[OURS].memories()[0]
        bench.growth += [(rows, program.name, load.costs[0][0]) for program, load in loads.items()]
    large = {rows: held for rows, held in memory.items() if rows >= 1_000_000} or memory
    shown = ", ".join(f"{held:.0f} MB at {rows:,}" for rows, held in large.items())
    bench.find("peak memory", shown, f"<= {MOST_MEMORY} MB", max(large.values()) <= MOST_MEMORY)
    grown = large[max(large)] / large[min(large)] - 1
    bench.find(
        f"growth of peak memory from {min(large):,} to {max(large):,} rows", f"{grown:.0%}", "<= 10 %", grown <= 0.1
    )
