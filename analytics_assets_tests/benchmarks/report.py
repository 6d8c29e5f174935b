"""The report: results as Markdown and charts in docs/benchmarks.md, and a summary in the README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from analytics_assets_tests.benchmarks import results as stored
from analytics_assets_tests.benchmarks.chart import chart
from analytics_assets_tests.benchmarks.results import LoadCost, Result
from analytics_assets_tests.docs.markdown import with_generated
from analytics_assets_tests.support.project import ROOT

RESULTS, SUMMARY = "benchmarks", "benchmark-summary"  # the markers' names
IMAGES = Path("docs", "images")
# How the report names the programs.
NAMES = {"ours": "analytics_assets", "limit": "hand-written program"}


def markdown(results: Mapping[str, Result]) -> str:
    """Return all results: what was found, then the cost of each load. Each row has the date of its measurement."""
    newest = max(results.values(), key=lambda result: result.measured)
    rows = [
        f"| {found.sentence} | {found.figures}{_environment(result, newest)} | {result.rounds} | {result.measured} |"
        for result in results.values()
        for found in result.findings
    ]
    costs = [
        f"| {cost.table} | {NAMES.get(cost.program, cost.program)} | {cost.wall:.2f} | "
        f"{'' if cost.cpu is None else f'{cost.cpu:.2f}'} | {cost.memory:,.0f} MB | {result.measured} |"
        for result in results.values()
        for cost in result.costs
    ]
    lines = [f"{newest.environment}.", "", "| result | figures | rounds | date |", "|---|---|---|---|", *rows]
    if costs:
        head = "| load | program | seconds | processor seconds | peak memory | date |"
        lines += ["", head, "|---|---|---|---|---|---|", *costs]
    return "\n".join(lines) + "\n"


def _environment(result: Result, newest: Result) -> str:
    return f"; with {result.environment}" if result.environment != newest.environment else ""


def summary(results: Mapping[str, Result]) -> str:
    """Return three lines for the README: this project, other loaders, the hand-written program."""
    growth, peers = (results[name].costs for name in ("growth", "peers"))
    ours = [cost for cost in growth if cost.program == "ours"][-3:]
    limit = [cost for cost in growth if cost.program == "limit"][-1]
    seconds = {cost.program: cost.wall for cost in peers}
    others = [wall for program, wall in seconds.items() if program not in NAMES]
    least, most = (bound(others) / seconds["ours"] for bound in (min, max))
    return (
        f"- {'; '.join(f'{cost.table}: {cost.wall:.1f} s, {cost.memory:.0f} MB' for cost in ours)}.\n"
        f"- {least:.1f} to {most:.1f} times faster than other loaders, for {peers[0].table}.\n"
        f"- A program written by hand for this one table: {limit.table} in {limit.wall:.1f} s.\n"
    )


def charts(results: Mapping[str, Result]) -> dict[str, str]:
    """Return the charts that the results are complete for, by file name."""
    drawn = {}
    if (peers := results.get("peers")) and peers.costs:
        title = f"Load {peers.costs[0].table} of an API into DuckDB"
        drawn["benchmark.svg"] = chart(title, {"": peers.costs}, NAMES)
    groups: dict[str, Sequence[LoadCost]] = {}
    for name in ("growth", "wide", "long"):
        for cost in results[name].costs if name in results else ():
            groups[cost.table] = [*groups.get(cost.table, ()), cost]
    if groups:
        drawn["benchmark-tables.svg"] = chart("Load tables of other sizes and shapes", groups, NAMES)
    return drawn


def write(measured: Mapping[str, Result], order: Sequence[str], root: Path = ROOT) -> None:
    """Replace the stored results of these workloads, and write all results into the documents.

    Args:
        measured: New results by workload.
        order: The workloads in the order of the report. Stored results of others are dropped.

    Raises:
        ValueError: A document does not have its markers.
    """
    merged = {**stored.load(root), **measured}
    results = {name: merged[name] for name in order if name in merged}
    stored.save(results, root)
    page, readme = root / "docs" / "benchmarks.md", root / "README.md"
    page.write_text(with_generated(page.read_text(), RESULTS, markdown(results)))
    if {"growth", "peers"} <= set(results):
        readme.write_text(with_generated(readme.read_text(), SUMMARY, summary(results)))
    for name, drawing in charts(results).items():
        (root / IMAGES / name).write_text(drawing)
