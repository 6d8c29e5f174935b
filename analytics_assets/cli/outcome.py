"""The outcome of a run, from its events: one line per table, warnings, failed checks and errors."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from rich.console import Console
from rich.markup import escape

from analytics_assets.components.asset_plan import AssetPlan
from analytics_assets.rest_api.load.log import counted

Loads = dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_OBSERVATION


@dataclass
class TableOutcome:
    """What the loads of a run did to one table.

    Attributes:
        name: The table.
        loads: The number of loads.
        rows: Rows that were loaded.
        total_rows: Rows of the table.
        requests: Requests to the API.
        seconds: The time of the loads.
    """

    name: str = ""
    loads: int = 0
    rows: int = 0
    total_rows: int = 0
    requests: int = 0
    seconds: float = 0.0

    def add(self, metadata: Mapping[str, Any]) -> None:
        """Add the metadata of a load."""
        self.name = metadata.get("dagster/table_name", self.name)
        self.loads += 1
        self.rows += metadata.get("chunk_rows_loaded", metadata.get("rows_loaded", 0))
        self.total_rows = metadata["dagster/row_count"]
        self.requests += metadata.get("requests", 0)
        self.seconds += metadata.get("seconds", 0.0)

    def __str__(self) -> str:
        loads = "" if self.loads == 1 else f" in {self.loads} loads"
        return (
            f"{counted(self.rows, 'row')} loaded{loads} with {counted(self.requests, 'request')}, "
            f"{self.name} has {counted(self.total_rows, 'row')}; {self.seconds:.1f} s"
        )


def print_outcome(
    console: Console, instance: dg.DagsterInstance, run_id: str, plans: Sequence[AssetPlan], *, success: bool
) -> None:
    """Print what a run did."""
    entries = instance.all_logs(run_id)
    warnings = [entry.user_message for entry in entries if entry.level == logging.WARNING and not entry.dagster_event]
    for message in dict.fromkeys(warnings):
        console.print(f"[yellow]warning[/yellow]  {escape(message)}")
    events = [entry.dagster_event for entry in entries if entry.dagster_event]
    for plan in plans:
        if outcome := table_outcome(events, plan):
            console.print(f"[bold]{plan.name}[/bold]: {escape(str(outcome))}")
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                name = f"{check.asset_key.to_user_string()}: check {check.check_name}"
                console.print(f"[yellow]{escape(name)} failed[/yellow]: {escape(check.description or '')}")
    if not success:
        for message in dict.fromkeys(filter(None, map(failure_message, events))):
            console.print(f"[bold red]error[/bold red]  {escape(message)}")
    console.print(f"run {run_id}")


def table_outcome(events: Sequence[dg.DagsterEvent], plan: AssetPlan) -> TableOutcome | None:
    """What a run did to the table of a plan; None if it loaded nothing into it."""
    outcome = TableOutcome()
    for event in events:
        if event.event_type in Loads and event.asset_key == plan.key:
            data: Any = event.event_specific_data
            reported = getattr(data, "materialization", None) or data.asset_observation
            metadata = {name: value.value for name, value in reported.metadata.items()}
            if "dagster/row_count" in metadata:  # others are of the partitions of a load, but the last one
                outcome.add(metadata)
    return outcome if outcome.loads else None


def failure_message(event: dg.DagsterEvent) -> str | None:
    """The error of a failed step, or of a run that failed outside of its steps; None for other events."""
    data: Any = event.event_specific_data
    if event.event_type == dg.DagsterEventType.STEP_FAILURE:
        described = data.user_failure_data.description if data.user_failure_data else None
        return described or str(data.error.message).strip()
    if event.event_type == dg.DagsterEventType.RUN_FAILURE and getattr(data, "error", None):
        return str(data.error.message).strip()
    return None
