"""Measure what many APIs cost, fit it, simulate thousands; with --write, put the results into docs/scale.md."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import linear_regression

from analytics_assets_tests.benchmarks import children
from analytics_assets_tests.benchmarks.bench import Bench
from analytics_assets_tests.benchmarks.measure import measure
from analytics_assets_tests.benchmarks.programs import OURS, ReadSettings
from analytics_assets_tests.benchmarks.scale import measurements
from analytics_assets_tests.benchmarks.scale.simulation import HOUR, Rates, Setting, simulate
from analytics_assets_tests.benchmarks.server import serving
from analytics_assets_tests.docs.markdown import with_generated
from analytics_assets_tests.support.project import ROOT

PAGE = ROOT / "docs" / "scale.md"
RESOURCES = 20  # of each generated API
ROWS = (100_000, 300_000, 1_000_000)
WINDOWS = (100, 400, 1_000)
PARENTS = (250, 500, 1_000)
APIS = (1, 25, 100)


class Report:
    """Lines of the page, printed as they are found."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self._folder = folder
        self._folders = 0

    def add(self, *lines: str) -> None:
        self.lines += lines
        print(*lines, sep="\n", flush=True)

    def folder(self) -> Path:
        """A new folder."""
        self._folders += 1
        folder = self._folder / str(self._folders)
        folder.mkdir()
        return folder


def fitted(sizes: Sequence[int], values: Sequence[float], per: int) -> tuple[float, float]:
    """The fixed part, and the part of so many, of a straight line through the measurements."""
    slope, intercept = linear_regression(sizes, values)
    return max(intercept, 0.0), slope * per


def cost_rows(report: Report) -> Iterator[str]:
    """Wall and CPU seconds by size, as rows of a table, with the line fitted to them."""
    with serving() as url:
        bench = Bench(url, report.folder())

        def rows(size: int) -> tuple[float, float]:
            cost = measure(OURS.command(bench.url(size), bench.emptied("rows") / "w.duckdb", ReadSettings()))
            return cost.wall, cost.cpu

        def parents(size: int) -> tuple[float, float]:
            file = bench.emptied("parents") / "w.duckdb"
            measure(children.command("parents", bench, file, parents=size, latency_ms=0))
            cost = measure(children.command("ours", bench, file, parents=size, latency_ms=0))
            return cost.wall, cost.cpu

        def windows(size: int) -> tuple[float, float]:
            cost = measurements.run_of_a_range(report.folder(), size)
            return cost.wall, cost.cpu

        yield from fitted_row("rows of one table", ROWS, rows, 1_000_000)
        yield from fitted_row("windows of one table, in one run", WINDOWS, windows, 1_000)
        yield from fitted_row("parents of a child, one page each", PARENTS, parents, 1_000)


def fitted_row(what: str, sizes: Sequence[int], cost: Callable[[int], tuple[float, float]], per: int) -> Iterator[str]:
    walls, cpus = zip(*(cost(size) for size in sizes), strict=True)
    (fixed, wall), (fixed_cpu, cpu) = fitted(sizes, walls, per), fitted(sizes, cpus, per)
    measured = ", ".join(f"{size:,}: {seconds:.1f} s" for size, seconds in zip(sizes, walls, strict=True))
    yield f"| {per:,} {what} | {wall:.1f} s | {cpu:.1f} s | {fixed:.1f} s, {fixed_cpu:.1f} s | {measured} |"


def definitions(report: Report) -> None:
    """Import, code location and first page, by the number of APIs."""
    report.add(
        f"| APIs of {RESOURCES} resources | import (each run) | memory | code location | memory | UI answers | "
        "list of assets | again |",
        "|---|---|---|---|---|---|---|---|",
    )
    for apis in APIS:
        imported, loaded = measurements.definitions(report.folder(), apis, RESOURCES)
        served, first, again = measurements.first_page(report.folder(), apis, RESOURCES)
        report.add(
            f"| {apis} | {imported.wall:.1f} s | {imported.memory:.0f} MB | {loaded.wall:.1f} s | "
            f"{loaded.memory:.0f} MB | {served:.1f} s | {first:.1f} s | {again:.1f} s |"
        )


def rates(report: Report) -> Rates:
    """Measure the rates that the simulation needs."""
    small, large = 10, 50
    (few, few_events, few_size), (many, many_events, many_size) = (
        measurements.run_of_one_window(report.folder(), resources) for resources in (small, large)
    )
    between = large - small
    resource_seconds, resource_events = (many.wall - few.wall) / between, (many_events - few_events) / between
    measured = Rates(
        tick_seconds=measurements.tick(report.folder(), large, 168),
        run_seconds=max(few.wall - small * resource_seconds, 0.0),
        resource_seconds=resource_seconds,
        run_events=few_events - small * resource_events,
        resource_events=resource_events,
        events_per_second=max(measurements.event_rate(report.folder(), writers) for writers in (2, 4, 8)),
    )
    report.add(
        "| what | measured |",
        "|---|---|",
        f"| tick of an API of {large} resources with 168 loaded windows | {measured.tick_seconds:.2f} s |",
        f"| run of one window, its fixed part | {measured.run_seconds:.1f} s, {measured.run_events:.0f} events |",
        f"| each resource of it (20 rows) | {resource_seconds:.2f} s, {(many.cpu - few.cpu) / between:.2f} processor "
        f"seconds; {resource_events:.0f} events, {(many_size - few_size) / between:.0f} KB of database |",
        f"| events that PostgreSQL stores, 2 to 8 writers | {measured.events_per_second:.0f} per second |",
    )
    return measured


def simulated(report: Report, measured: Rates) -> None:
    """Simulate hourly windows by settings, and say which part is the first one that does not keep up."""
    setting = Setting()
    report.add(
        "| APIs | workers | code locations | events per second | hour is loaded after | scheduler, workers, database "
        "busy | keeps up |",
        "|---|---|---|---|---|---|---|",
    )
    faster = replace(measured, events_per_second=10 * measured.events_per_second)
    for rates_, each in (
        (measured, replace(setting, apis=50, workers=10)),
        (measured, replace(setting, apis=100, workers=10)),
        (measured, replace(setting, apis=500)),
        (measured, setting),
        (measured, replace(setting, workers=500)),
        (faster, setting),
        (faster, replace(setting, schedulers=10)),
        (faster, replace(setting, schedulers=10, workers=300)),
    ):
        outcome = simulate(rates_, each)
        busy = ", ".join(f"{share:.0%}" for share in (outcome.scheduler, outcome.workers, outcome.database))
        verdict = "yes" if outcome.keeps_up else f"no: {outcome.bottleneck}"
        report.add(
            f"| {each.apis:,} | {each.workers} | {each.schedulers} | {rates_.events_per_second:.0f} | "
            f"{outcome.lag[-1] / 60:.0f} min | {busy} | {verdict} |"
        )
    report.add(
        "", f"With the measured rates and {setting.workers} workers, {most_apis(measured, setting):,} APIs keep up."
    )


def most_apis(measured: Rates, setting: Setting) -> int:
    """The greatest number of APIs whose windows are loaded within the hour."""
    low, high = 0, 10_000
    while high - low > 1:
        middle = (low + high) // 2
        outcome = simulate(measured, replace(setting, apis=middle))
        low, high = (middle, high) if outcome.keeps_up and max(outcome.lag) <= HOUR else (low, middle)
    return low


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m analytics_assets_tests.benchmarks.scale", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the results into docs/scale.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="analytics_assets_scale_") as folder:
        report = Report(Path(folder))
        report.add(f"Measured on {date.today()}: {os.cpu_count()} processors, Python {platform.python_version()}.", "")
        report.add("| cost of | seconds | processor seconds | fixed part of both | measured |", "|---|---|---|---|---|")
        for line in cost_rows(report):
            report.add(line)
        report.add("")
        definitions(report)
        report.add("")
        measured = rates(report)
        report.add("")
        simulated(report, measured)
    if options.write:
        PAGE.write_text(with_generated(PAGE.read_text(), "scale", "\n".join(report.lines) + "\n"))


if __name__ == "__main__":
    main()
