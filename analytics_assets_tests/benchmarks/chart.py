"""Bar charts as SVG, with a panel for the seconds and one for the memory of each load."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape

from analytics_assets_tests.benchmarks.results import LoadCost

WIDTH, LABELS, PANEL = 760, 206, 277  # PANEL: a panel's width with the values beside its bars
VALUE, BAR, ROW, GROUP = 80, 16, 22, 28
# GitHub shows images on the background of the reader's theme, which may differ from that of the operating system:
# all colors are readable on both.
STYLE = (
    "text{fill:#6e7781}.ours{fill:#388bfd}.other{fill:#8c959f}"
    "@media(prefers-color-scheme:dark){text{fill:#8b949e}.other{fill:#6e7681}}"
)


def chart(title: str, groups: Mapping[str, Sequence[LoadCost]], names: Mapping[str, str]) -> str:
    """Return a chart of one or more groups of loads, the fastest program of each first.

    Args:
        title: The sentence above the chart, which is its text for screen readers too.
        groups: Costs by heading; an empty heading takes no room.
        names: How programs are named in place of their own names.
    """
    panels: Sequence[tuple[str, Callable[[LoadCost], float], Callable[[float], str]]] = (
        ("Time", lambda cost: cost.wall, lambda value: f"{value:.1f} s"),
        ("Peak memory", lambda cost: cost.memory, lambda value: f"{value:,.0f} MB"),
    )
    costs = [cost for group in groups.values() for cost in group]
    rows = list(_rows(groups))
    height = rows[-1][0] + ROW + 2
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="13" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<text x="0" y="16" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (heading, _, _) in enumerate(panels):
        lines.append(f'<text x="{LABELS + number * PANEL}" y="40" font-weight="bold">{heading}</text>')
    for y, row in rows:
        if isinstance(row, str):
            lines.append(f'<text x="0" y="{y + 13}" font-weight="bold">{escape(row)}</text>')
            continue
        name = escape(names.get(row.program, row.program))
        lines.append(f'<text x="{LABELS - 8}" y="{y + 13}" text-anchor="end">{name}</text>')
        for number, (_, value_of, text) in enumerate(panels):
            x = LABELS + number * PANEL
            width = max((PANEL - VALUE) * value_of(row) / max(map(value_of, costs)), 1)
            kind = "ours" if row.program == "ours" else "other"
            lines += [
                f'<rect class="{kind}" x="{x}" y="{y}" width="{width:.1f}" height="{BAR}"/>',
                f'<text x="{x + width + 6:.1f}" y="{y + 13}">{text(value_of(row))}</text>',
            ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _rows(groups: Mapping[str, Sequence[LoadCost]]) -> Iterator[tuple[int, str | LoadCost]]:
    """Yield headings and bars with their vertical position."""
    y = 48
    for heading, costs in groups.items():
        if heading:
            yield y + 6, heading
            y += GROUP
        for cost in sorted(costs, key=lambda cost: cost.wall):
            yield y, cost
            y += ROW
