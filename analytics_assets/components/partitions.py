"""Partitions: the time windows that the YAML declares, and the chunks in which a run loads a range of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import click
import dagster as dg
from dagster._core.definitions.partitions.context import PartitionLoadingContext
from dagster._core.storage.tags import ASSET_RESUME_RETRY_TAG, RESUME_RETRY_TAG

from analytics_assets.components.sandbox_materializations import is_from_sandbox
from analytics_assets.rest_api.config import Partitions
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets.rest_api.windows import Window, format_timestamp

RESUME_TAGS = {RESUME_RETRY_TAG, ASSET_RESUME_RETRY_TAG}
# Cron schedule and key format of each cadence: those of Dagster's own hourly, daily, ... partitions.
CADENCES = {
    "hourly": ("0 * * * *", "%Y-%m-%d-%H:%M"),
    "daily": ("0 0 * * *", "%Y-%m-%d"),
    "weekly": ("0 0 * * 0", "%Y-%m-%d"),
    "monthly": ("0 0 1 * *", "%Y-%m-%d"),
}


class PartitionKeyError(ConfigError, click.ClickException, ValueError):
    """A run names a partition that does not exist or is not over yet.

    A ClickException, so that Dagster's command line shows the message without a stack trace; a ValueError, as Dagster
    expects it for a malformed key.
    """


class WindowPartitionsDefinition(dg.TimeWindowPartitionsDefinition):
    """Dagster's time windows, with one-line errors for wrong partition keys."""

    @property
    def example_key(self) -> str:
        """A key for messages: the first partition, or where no partition is over yet, the start in the keys' format."""
        return self.get_first_partition_key() or self.start.strftime(self.fmt)

    def time_window_for_partition_key(self, partition_key: str) -> dg.TimeWindow:  # type: ignore[override]
        """The time window of a partition.

        Raises:
            PartitionKeyError: The key is malformed, or no partition starts at its time.
        """
        try:
            window = super().time_window_for_partition_key(partition_key)
        except ValueError:
            raise PartitionKeyError(
                f"{partition_key!r} is not a partition key: keys are written as {self.example_key!r}"
            ) from None
        if (following := self.get_partition_key_for_timestamp(window.start.timestamp())) != partition_key:
            raise PartitionKeyError(
                f"no partition starts at {partition_key!r}: the next partition after it is {following!r}"
            )
        return window

    def validate_partition_key(self, partition_key: str, context: PartitionLoadingContext) -> None:
        """Called by Dagster's command line for `--partition` and `--partition-range`.

        Raises:
            PartitionKeyError: See `check_is_over`.
        """
        self.check_is_over(partition_key, now=context.effective_dt)

    def check_is_over(self, partition_key: str, *, now: datetime) -> None:
        """Accept only a partition whose window has ended.

        Raises:
            PartitionKeyError: The key is malformed, before the first partition, or its window is not over.
        """
        window = self.time_window_for_partition_key(partition_key)
        if window.start.timestamp() < self.start_timestamp:
            raise PartitionKeyError(f"partition {partition_key} is before the first one. {self._choice(now)}")
        if window.end > now:
            end = format_timestamp(window.end, "iso8601")
            raise PartitionKeyError(
                f"partition {partition_key} is not over: its window ends at {end}. {self._choice(now)}"
            )

    def _choice(self, now: datetime) -> str:
        keys = self.get_partition_keys(current_time=now)
        return f"Choose a partition from {keys[0]} to {keys[-1]}" if keys else "No partition is over yet"


def build_partitions_def(partitions: Partitions) -> WindowPartitionsDefinition:
    cron_schedule, key_format = CADENCES[partitions.cadence]
    return WindowPartitionsDefinition(
        start=partitions.start, timezone=partitions.timezone, fmt=key_format, cron_schedule=cron_schedule
    )


@dataclass(frozen=True)
class Chunk:
    """One load of a run, and the partitions that it marks as materialized.

    Attributes:
        partitions: Keys of consecutive partitions; empty for an asset without partitions.
        window: From the start of the first to the end of the last partition; None loads the full history.
    """

    partitions: Sequence[str] = ()
    window: Window | None = None


def partition_bounds(partitions_def: WindowPartitionsDefinition, partitions: Sequence[str]) -> list[datetime]:
    """The start of each of consecutive partitions and the end of the last one, in UTC; empty without partitions."""
    windows = [partitions_def.time_window_for_partition_key(key) for key in partitions]
    bounds = [window.start for window in windows] + [window.end for window in windows[-1:]]
    return [bound.astimezone(timezone.utc) for bound in bounds]


def refuse_unused_partition(context: dg.OpExecutionContext) -> None:
    """Fail a run that names a partition although none of its assets has partitions.

    Raises:
        PartitionKeyError: The run would load everything and not the time window that a person expects.
    """
    layer = context.job_def.asset_layer
    names_partition = context.has_partition_key or context.has_partition_key_range
    if names_partition and not any(layer.get(key).partitions_def for key in layer.selected_asset_keys):
        raise PartitionKeyError(
            "this asset has no partitions, and the run names one. Run it without a partition: it always loads all rows"
        )


def requested_partitions(
    context: dg.OpExecutionContext, partitions_def: WindowPartitionsDefinition, *, now: datetime
) -> Sequence[str]:
    """The partitions that the run names.

    Raises:
        ConfigError: The run names none, or one that does not exist or is not over yet.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        example = partitions_def.example_key
        raise ConfigError(
            "this asset is partitioned, and the run names no partition. Choose one in the UI, add "
            f'`--partition {example}` (dg launch) or `--tags \'{{"dagster/partition": "{example}"}}\'` '
            "(dagster job execute), or load the full history with a full_refresh job"
        )
    key_range = context.partition_key_range
    for key in (key_range.start, key_range.end):
        partitions_def.check_is_over(key, now=now)
    keys = partitions_def.get_partition_keys_in_range(key_range)
    if not keys:
        raise PartitionKeyError(
            f"the partition range from {key_range.start} to {key_range.end} is empty: it must start before it ends"
        )
    return keys


def remaining_chunks(
    partitions_def: WindowPartitionsDefinition, partitions: Sequence[str], loaded: set[str], *, size: int
) -> list[Chunk]:
    """Partitions in chunks of up to `size`, without those that an earlier attempt at this run has loaded."""
    if loaded.issuperset(partitions):  # the earlier attempt was complete: this one loads everything again
        loaded = set()
    chunks = []
    for is_loaded, group in itertools.groupby(partitions, loaded.__contains__):
        while not is_loaded and (keys := list(itertools.islice(group, size))):
            first, last = (partitions_def.time_window_for_partition_key(key) for key in (keys[0], keys[-1]))
            # In UTC: within one zone Python compares wall-clock times and ignores DST folds.
            chunks.append(Chunk(keys, Window(first.start.astimezone(timezone.utc), last.end.astimezone(timezone.utc))))
    return chunks


def loaded_partitions(context: dg.OpExecutionContext, asset_key: dg.AssetKey, *, sandbox: bool) -> set[str]:
    """The partitions of an asset that this run, or a failed run that it continues, has marked as materialized.

    Other runs do not count: a person who requests a range again wants it loaded again. Partitions that the sandbox
    loaded do not count once the credentials are set.
    """
    events = (
        entry.dagster_event
        for run in attempts(context)
        for entry in context.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    )
    reported = (event.step_materialization_data.materialization for event in events if event)
    of_asset = [each for each in reported if each.asset_key == asset_key]
    return {each.partition for each in of_asset if each.partition and is_from_sandbox(each) is sandbox}


def attempts(context: dg.OpExecutionContext) -> Iterator[dg.DagsterRun]:
    """The run, and the failed runs that it continues: re-executed "from failure", or retried by the daemon."""
    run: dg.DagsterRun | None = context.run
    while run:
        yield run
        continues = RESUME_TAGS & run.tags.keys()  # not set if all steps are executed again
        parent = context.instance.get_run_by_id(run.parent_run_id) if run.parent_run_id and continues else None
        run = parent if parent and parent.status != dg.DagsterRunStatus.SUCCESS else None
