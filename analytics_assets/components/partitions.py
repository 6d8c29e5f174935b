"""Partitions: the grid of windows that the YAML declares, and the chunks in which a run loads a range of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timezone

import dagster as dg
from dagster._core.storage.tags import ASSET_RESUME_RETRY_TAG, RESUME_RETRY_TAG

from analytics_assets.rest_api.config import Partitions
from analytics_assets.rest_api.windows import Window

RESUMED = {RESUME_RETRY_TAG, ASSET_RESUME_RETRY_TAG}
GRIDS: dict[str, Callable[..., dg.TimeWindowPartitionsDefinition]] = {
    "hourly": dg.HourlyPartitionsDefinition,
    "daily": dg.DailyPartitionsDefinition,
    "weekly": dg.WeeklyPartitionsDefinition,
    "monthly": dg.MonthlyPartitionsDefinition,
}


def build_partitions(partitions: Partitions) -> dg.TimeWindowPartitionsDefinition:
    build = GRIDS[partitions.cadence]
    return build(start_date=partitions.start, timezone=partitions.timezone)


@dataclass(frozen=True)
class Chunk:
    """Partitions that follow each other, loaded as one window and marked as soon as they are in the table."""

    partitions: Sequence[str]
    window: Window


def remaining_chunks(context: dg.AssetExecutionContext, key: dg.AssetKey, *, size: int) -> list[Chunk]:
    """The run's partitions in chunks of up to `size`, without those that an earlier attempt at this run marked."""
    grid, asked = context.assets_def.partitions_def, context.partition_keys
    assert isinstance(grid, dg.TimeWindowPartitionsDefinition)
    marked = marked_partitions(context, key)
    if marked.issuperset(asked):  # the attempt was over: this one is there to load all of it again
        marked = set()
    chunks = []
    for is_marked, partitions in itertools.groupby(asked, marked.__contains__):
        while not is_marked and (part := list(itertools.islice(partitions, size))):
            first, last = (grid.time_window_for_partition_key(part[end]) for end in (0, -1))
            # In UTC: where clocks change, Python compares times of one zone by their hands: two hours are one to it.
            window = Window(first.start.astimezone(timezone.utc), last.end.astimezone(timezone.utc))
            chunks.append(Chunk(part, window))
    return chunks


def marked_partitions(context: dg.AssetExecutionContext, key: dg.AssetKey) -> set[str]:
    """The asset's partitions that this run marked already, or one that it goes on with.

    What other runs marked does not count: who asks for a range again wants it loaded again.
    """
    materialized = dg.DagsterEventType.ASSET_MATERIALIZATION
    events = (
        entry.dagster_event
        for run in attempts(context)
        for entry in context.instance.all_logs(run.run_id, of_type=materialized)
    )
    return {event.partition for event in events if event and event.asset_key == key and event.partition}


def attempts(context: dg.AssetExecutionContext) -> Iterator[dg.DagsterRun]:
    """The run, and the failed ones that it goes on with: re-executed "from failure", or retried by the daemon."""
    run: dg.DagsterRun | None = context.run
    while run:
        yield run
        goes_on = RESUMED & run.tags.keys()  # not so if all steps are executed again
        parent = context.instance.get_run_by_id(run.parent_run_id) if run.parent_run_id and goes_on else None
        run = parent if parent and parent.status != dg.DagsterRunStatus.SUCCESS else None
