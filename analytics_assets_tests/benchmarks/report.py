"""The report: a table with targets and verdicts as Markdown, and a chart, between two markers of the README."""

from __future__ import annotations

import os
import platform
from datetime import date
from pathlib import Path

import dlt
import duckdb

from analytics_assets_tests.benchmarks.bench import Bench

ROOT = Path(__file__).parents[2]
CHART = Path(__file__).parent / "chart.svg"
BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
BAR, LABEL, WIDTH = 26, 250, 760


def markdown(bench: Bench) -> str:
    """All findings; those with a target first, with their verdicts."""
    lines = [
        f"Measured on {date.today()}: {os.cpu_count()} processors, Python {platform.python_version()}, dlt "
        f"{dlt.__version__}, DuckDB {duckdb.__version__}; whole processes, rounds interleaved, medians of the rounds' "
        f"ratios (lowest to highest) of {bench.rounds} rounds, {bench.peer_rounds} with other loaders. "
        "Before a time counts, the tables' contents are compared.",
        "",
    ]
    if bench.seconds:
        lines += [f"![Seconds to load {bench.peer_rows:,} rows]({CHART.relative_to(ROOT).as_posix()})", ""]
    lines += ["| work | measured | target | met |", "|---|---|---|---|"]
    lines += [
        f"| {found.work} | {found.measured} | {found.target} | {'yes' if found.met else '**no**'} |"
        for found in bench.findings
        if found.target
    ]
    lines += [""] + [f"- {found.work}: {found.measured}" for found in bench.findings if not found.target]
    return "\n".join([*lines, *_growth(bench)]) + "\n"


def _growth(bench: Bench) -> list[str]:
    if not bench.growth:
        return []
    lines = ["", "| rows | program | wall | processor | peak memory |", "|---|---|---|---|---|"]
    return lines + [
        f"| {rows:,} | {name} | {cost.wall:.2f} s | {cost.cpu:.2f} s | {cost.memory:.0f} MB |"
        for rows, name, cost in bench.growth
    ]


def chart(seconds: dict[str, float], title: str) -> str:
    """Bars, the fastest first, as SVG; readable on light and dark ground."""
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
            f'<text x="{LABEL - 8}" y="{y + 14}" text-anchor="end">{name}</text>',
            f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{width:.1f}" height="18"/>',
            f'<text x="{LABEL + width + 6:.1f}" y="{y + 14}">{value:.1f} s</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def write(bench: Bench, readme: Path = ROOT / "README.md", chart_file: Path = CHART) -> None:
    """Puts the report between the README's markers, and the chart beside this file.

    Raises:
        ValueError: the README has no such markers.
    """
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} has no lines {BEGIN} and {END}")
    readme.write_text(f"{before}{BEGIN}\n{markdown(bench)}{END}{after}")
    if bench.seconds:
        chart_file.write_text(chart(bench.seconds, f"Seconds to load {bench.peer_rows:,} rows of an API into DuckDB"))
