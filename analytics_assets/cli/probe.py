"""The command `probe`: findings as text, proposals as YAML."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analytics_assets.cli.rows import about, rows_table
from analytics_assets.cli.target import Target, find_target, requests_of, sandbox_line
from analytics_assets.components.asset_plan import AssetPlan
from analytics_assets.rest_api.load.log import counted
from analytics_assets.rest_api.probe.findings import ResourceFindings, as_yaml
from analytics_assets.rest_api.probe.resource import probe_resource

SHOWN_ROWS = 5
# What is printed for each resource, in this order, if there is something to print.
LINES = (
    ("credentials", "signed with"), ("parent", "parent"), ("body", "response"), ("data_selector", "data_selector"),
    ("paging", "paginator"), ("end", "read ends"), ("total", "API's total"), ("primary_key", "primary_key"),
    ("cursor", "cursor"), ("window", "window"),
)  # fmt: skip


def run_probe(name: str, *, show_rows: bool, as_json: bool) -> None:
    """Probe the resources, one after the other. Exits with 1 if there are problems."""
    target = find_target(name)
    requests, sandbox = requests_of(target)
    resources = [plan.resource for plan in target.api.plans]
    console = Console(soft_wrap=True, highlight=False)
    if sandbox and not as_json:
        console.print(escape(sandbox_line(target)), style="yellow")
    found = []
    for plan, request in zip(target.plans, requests, strict=True):
        findings = probe_resource(request, resources)
        found.append(findings)
        if not as_json:
            _print(console, findings, plan, target, show_rows=show_rows)
    if as_json:
        click.echo(json.dumps([_as_json(each, show_rows=show_rows) for each in found], indent=2, default=str))
    elif len(found) > 1:
        wrong = sum(bool(each.problems) for each in found)
        console.print(f"{counted(len(found), 'resource')}: {wrong or 'none'} with problems")
    if any(each.problems for each in found):
        raise SystemExit(1)


def _print(console: Console, found: ResourceFindings, plan: AssetPlan, target: Target, *, show_rows: bool) -> None:
    console.print(f"\n[bold]{found.name}[/bold]  {escape(found.request)}")
    if found.status is not None:
        rows = "" if found.rows is None else f", {counted(found.rows, 'row')} on the first page"
        corrected = "; with the proposal" if rows and not 200 <= found.status < 300 else ""
        _line(console, "status", f"{found.status}{corrected}{rows}")
    for field, label in LINES:
        if (value := getattr(found, field)) not in ("", None):
            _line(console, label, str(value))
    _line(console, "rate limit", "; ".join(found.rate_limits) or "no headers about it")
    if estimate := found.estimate:
        cost = f"{counted(estimate.requests, 'request')}, {about(estimate.seconds)}"
        _line(console, "full refresh", f"{counted(estimate.rows, 'row')}, {cost} ({estimate.basis})")
    for note in found.notes:
        _line(console, "note", note)
    if found.columns:
        console.print(_columns(found))
    if show_rows and found.sample:
        console.print(rows_table(found.sample[:SHOWN_ROWS], width=console.width))
    for problem in found.problems:
        console.print(f"  [bold red]problem[/bold red]  {escape(problem.message)}")
    for place, fix in (("client", found.client_fix), (f"the resource {plan.resource.name}", found.fix)):
        if fix:
            where = f"{shown_path(target.api.file)}:{plan.line}" if target.api.file else ""
            console.print(f"  [bold green]proposal[/bold green]  paste into {place} ({escape(where)}):")
            console.print(escape(as_yaml(fix)))
    _line(console, "requests", f"{found.requests} sent")


def shown_path(file: Path) -> Path:
    """A file as messages show it: relative to the current folder if it is inside."""
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


def _line(console: Console, label: str, value: str) -> None:
    console.print(f"  {label:<14}{escape(value)}")


def _columns(found: ResourceFindings) -> Table:
    table = Table("column", "type", "nulls", "proposed", box=None, padding=(0, 2))
    rows = len(found.sample)
    for column in found.columns:
        proposed = "" if column.proposed is None else as_yaml({column.name: column.proposed})
        kind = f"{column.data_type}{' (declared)' if column.declared else ''}"
        table.add_row(escape(column.name), kind, str(column.nulls) if rows else "", escape(proposed))
    return table


def _as_json(found: ResourceFindings, *, show_rows: bool) -> dict[str, Any]:
    fields = dataclasses.asdict(found)
    if not show_rows:
        del fields["sample"]
    return {**fields, "fix": found.fix, "client_fix": found.client_fix}
