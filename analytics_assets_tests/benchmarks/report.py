"""The report: results as Markdown in docs/benchmarks.md, a chart, and a summary in the README."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dlt
import duckdb

from analytics_assets_tests.benchmarks.bench import Bench
from analytics_assets_tests.docs.markdown import with_generated

ROOT = Path(__file__).parents[2]
RESULTS, SUMMARY = "benchmarks", "benchmark-summary"  # the markers' names
# How the report names the programs.
NAMES = {"ours": "analytics_assets", "limit": "hand-written program"}
BAR, LABEL, WIDTH = 26, 250, 760


def markdown(bench: Bench) -> str:
    """Return all results: measurements first, then growth with the number of rows."""
    lines = [
        f"Measured on {date.today()}: {os.cpu_count()} processors, Python {platform.python_version()}, dlt "
        f"{dlt.__version__}, DuckDB {duckdb.__version__}; {bench.rounds} rounds, {bench.peer_rounds} with other "
        "loaders.",
        "",
        "| measurement | result |",
        "|---|---|",
        *(f"| {found.work} | {found.measured} |" for found in bench.findings),
    ]
    return "\n".join([*lines, *_growth(bench)]) + "\n"


def _growth(bench: Bench) -> Iterator[str]:
    if bench.growth:
        yield from ("", "| rows | program | seconds | processor seconds | peak memory |", "|---|---|---|---|---|")
    for rows, name, cost in bench.growth:
        program = NAMES.get(name, name)
        yield f"| {rows:,} | {program} | {cost.wall:.2f} | {cost.cpu:.2f} | {cost.memory:.0f} MB |"


def summary(bench: Bench) -> str:
    """Return three lines for the README: this project, other loaders, the hand-written program."""
    ours = [(rows, cost) for rows, name, cost in bench.growth if name == "ours"]
    limit = [(rows, cost) for rows, name, cost in bench.growth if name == "limit"]
    lines = []
    if ours:
        shown = (f"{rows:,} rows: {cost.wall:.1f} s, {cost.memory:.0f} MB" for rows, cost in ours[-3:])
        lines.append(f"- {'; '.join(shown)}.")
    if peers := [value for name, value in bench.seconds.items() if name not in NAMES]:
        least, most = (bound(peers) / bench.seconds["ours"] for bound in (min, max))
        lines.append(f"- {least:.1f} to {most:.1f} times faster than other loaders, for {bench.peer_rows:,} rows.")
    if limit:
        rows, cost = limit[-1]
        lines.append(f"- A program written by hand for this one table: {rows:,} rows in {cost.wall:.1f} s.")
    return "\n".join(lines) + "\n"


def chart(seconds: dict[str, float], title: str) -> str:
    """Return a bar chart as SVG, the fastest program first; readable on light and dark backgrounds."""
    longest = max(seconds.values())
    ordered = sorted(seconds.items(), key=lambda bar: bar[1])
    height = 34 + BAR * len(ordered)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        "<style>text{fill:#57606a}.bar{fill:#8c959f}.ours{fill:#1f6feb}"
        "@media(prefers-color-scheme:dark){text{fill:#adbac7}}</style>",
        f'<text x="0" y="16" font-weight="bold">{title}</text>',
    ]
    for place, (name, value) in enumerate(ordered):
        y, kind = 30 + place * BAR, "ours" if name == "ours" else "bar"
        width = max((WIDTH - LABEL - 70) * value / longest, 1)
        lines += [
            f'<text x="{LABEL - 8}" y="{y + 14}" text-anchor="end">{NAMES.get(name, name)}</text>',
            f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{width:.1f}" height="18"/>',
            f'<text x="{LABEL + width + 6:.1f}" y="{y + 14}">{value:.1f} s</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def write(bench: Bench, root: Path = ROOT) -> None:
    """Write the results into docs/benchmarks.md, and the chart and summary of other loaders and growth if measured.

    Raises:
        ValueError: A document does not have its markers.
    """
    page, readme = root / "docs" / "benchmarks.md", root / "README.md"
    page.write_text(with_generated(page.read_text(), RESULTS, markdown(bench)))
    if bench.seconds and bench.growth:
        readme.write_text(with_generated(readme.read_text(), SUMMARY, summary(bench)))
    if bench.seconds:
        title = f"Seconds to load {bench.peer_rows:,} rows of an API into DuckDB"
        (root / "docs" / "images" / "benchmark.svg").write_text(chart(bench.seconds, title))
