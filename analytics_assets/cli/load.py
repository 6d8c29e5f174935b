"""The command `load`: a run of the Dagster job of a resource or of an API, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import click
import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from analytics_assets.cli.outcome import print_outcome
from analytics_assets.cli.project import check_dagster_home
from analytics_assets.cli.target import Failure, Target, find_target
from analytics_assets.cli.time_range import partition_range, utc_now
from analytics_assets.components.asset_plan import AssetPlan
from analytics_assets.components.command_line.run_origin import MODULE
from analytics_assets.components.jobs import FULL_REFRESH
from analytics_assets.components.partitions import PartitionKeyError
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets.rest_api.load.log import counted
from analytics_assets.rest_api.load.progress import Counts, Listener, listen

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Run:
    """What to run.

    Attributes:
        job: The job.
        plans: The resources to load: all of the job, or one.
        tags: The tags that name the partitions.
        notes: What to print before.
    """

    job: str
    plans: Sequence[AssetPlan]
    tags: dict[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def run_load(
    name: str, *, partition: str | None, start: str | None, end: str | None, full: bool, verbose: bool
) -> None:
    """Run the job. Exits with 1 if the run fails."""
    target = find_target(name)
    run = choose_run(target, partition=partition, start=start, end=end, full=full)
    try:
        check_dagster_home()
    except ConfigError as error:
        raise Failure(str(error)) from None
    console = Console(soft_wrap=True, highlight=False)
    if target.found_home:
        console.print(f"DAGSTER_HOME is not set: the run's history is in {escape(str(target.found_home))}")
    for note in run.notes:
        console.print(escape(note))
    with dg.DagsterInstance.get() as instance:
        result = _execute(run, target, instance, console, verbose=verbose)
        print_outcome(console, instance, result.run_id, run.plans, success=result.success)
    if not result.success:
        raise SystemExit(1)


def choose_run(target: Target, *, partition: str | None, start: str | None, end: str | None, full: bool) -> Run:
    """The job that loads the target, and its partitions.

    Raises:
        click.UsageError: The options exclude each other, or do not fit the resource.
    """
    given = [
        name for name, value in (("--partition", partition), ("--from/--to", start or end), ("--full", full)) if value
    ]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} exclude each other")
    api, plans = target.api.api, target.plans
    if full:
        return Run(f"{api}_{FULL_REFRESH}", plans)
    partitioned = [plan for plan in plans if plan.partitions_def]
    if not partitioned:
        if given:
            raise click.UsageError(f"{_names(plans)} has no partitions and loads all rows: remove {given[0]}")
        return Run(f"{api}_snapshot", plans)
    partitions_def = partitioned[0].partitions_def
    assert partitions_def
    if not given:
        key = partitions_def.example_key
        raise click.UsageError(
            f"{_names(partitioned)} is loaded by partitions: add --partition {key}, or --from and --to, or --full for "
            "the full history"
        )
    others = [plan for plan in plans if not plan.partitions_def]
    notes = [f"{_names(others)} has no partitions, and is not part of this run"] if others else []
    if partition:
        try:
            partitions_def.check_is_over(partition, now=utc_now())
        except PartitionKeyError as error:
            raise click.UsageError(f"--partition: {error}") from None
        return Run(f"{api}_incremental", partitioned, {PARTITION_NAME_TAG: partition}, notes)
    found = partition_range(partitions_def, start, end, now=utc_now())
    notes.append(f"{counted(len(found.keys), 'partition')}: {found.keys[0]} to {found.keys[-1]}")
    notes += [found.note] if found.note else []
    tags = {ASSET_PARTITION_RANGE_START_TAG: found.keys[0], ASSET_PARTITION_RANGE_END_TAG: found.keys[-1]}
    return Run(f"{api}_incremental", partitioned, tags, notes)


def _names(plans: Sequence[AssetPlan]) -> str:
    return ", ".join(plan.name for plan in plans)


def _execute(
    run: Run, target: Target, instance: dg.DagsterInstance, console: Console, *, verbose: bool
) -> dg.JobExecutionResult:
    """Run the job in this process, with a progress bar."""
    repository = ReconstructableRepository.for_module(MODULE, "defs", str(Path.cwd()))
    job = repository.get_reconstructable_job(run.job)
    selection: dict[str, Any] = {}
    if len(run.plans) < len(target.api.plans):
        if job.get_definition().asset_layer.executable_asset_keys:
            selection["asset_selection"] = [plan.key for plan in run.plans]
        else:  # a full refresh over partitions that differ
            selection["op_selection"] = [plan.op_name for plan in run.plans]
    execute = partial(dg.execute_job, job, instance=instance, tags=run.tags, **selection)
    if verbose:
        return execute()
    with progress_bar(console) as show, listen(show):
        return execute(run_config=QUIET)


@contextmanager
def progress_bar(console: Console) -> Iterator[Listener]:
    """A bar for each resource that is read; yields the listener that moves it."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        bar.add_task("run", total=None)

        def show(name: str, counts: Counts) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=None)
            text = f"{name}: {counted(counts.rows, 'row')} in {counted(counts.pages, 'page')}"
            progress = counts.progress
            if progress is None:
                bar.update(tasks[name], description=escape(text))
                return
            if progress.unit not in ("row", "page"):
                text += f", {progress.done} of {counted(progress.total, progress.unit)}"
            bar.update(tasks[name], description=escape(text), completed=progress.done, total=progress.total)

        yield show
