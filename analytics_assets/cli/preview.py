"""The command `preview`: rows of the first page."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from analytics_assets.cli.rows import rows_table
from analytics_assets.cli.target import Failure, find_target, requests_of, sandbox_line
from analytics_assets.rest_api.errors import RestApiError
from analytics_assets.rest_api.load.log import counted
from analytics_assets.rest_api.probe.rows import first_rows


def run_preview(name: str, *, rows: int) -> None:
    """Print rows of the first page. Exits with 1 if it cannot be read."""
    target = find_target(name, needs_resource=True)
    [request], sandbox = requests_of(target)
    console = Console(highlight=False)
    if sandbox:
        console.print(escape(sandbox_line(target)), style="yellow", soft_wrap=True)
    try:
        found = first_rows(request, [plan.resource for plan in target.api.plans])
    except RestApiError as error:
        raise Failure(f"{request.name}: {error}") from None
    if found:
        console.print(rows_table(found[:rows], width=console.width))
    console.print(f"{request.name}: {min(rows, len(found))} of the {counted(len(found), 'row')} of the first page")
