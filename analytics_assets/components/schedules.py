"""Schedules: when the jobs of an API run by themselves. Dagster creates them stopped."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timezone

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from analytics_assets.components.partitions import PartitionKeyError, WindowPartitionsDefinition
from analytics_assets.components.sandbox_materializations import SANDBOX, SOURCE_TAG, loaded_partitions_of_api
from analytics_assets.rest_api.config import Schedule


def build_incremental_schedule(
    job: UnresolvedAssetJobDefinition,
    asset_keys: Sequence[dg.AssetKey],
    partitions_def: WindowPartitionsDefinition,
    schedule: Schedule,
) -> dg.ScheduleDefinition:
    """Requests each partition after its window has ended, also those whose tick was missed.

    Dagster's own schedules of partitioned jobs evaluate only the last of several missed ticks, and request only the
    partition of that tick.

    Args:
        job: The job to run.
        asset_keys: The assets of the job.
        partitions_def: Their partitions.
        schedule: Hour and minute of the runs (hourly: the minute), and how far to catch up.
    """

    def request_partitions(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        tick = context.scheduled_execution_time
        due = partitions_def.get_partition_keys(current_time=tick)
        if not due:
            yield dg.SkipReason("No partition is over yet.")
            return
        older, recent = due[: -schedule.catch_up - 1], due[-schedule.catch_up - 1 :]
        loaded = set.intersection(*(loaded_partitions_of_api(context.instance, key) for key in asset_keys))
        if not_loaded := [key for key in older if key not in loaded]:
            context.log.warning(
                f"{len(not_loaded)} older partitions are not loaded, from {not_loaded[0]} to {not_loaded[-1]}. "
                f"`schedule.catch_up` is {schedule.catch_up}: raise it, or load them by hand"
            )
        oldest_end = partitions_def.time_window_for_partition_key(recent[0]).end
        done = loaded | requested_partitions(context.instance, job.name, partitions_def, since=oldest_end)
        if done.issuperset(recent):
            yield dg.SkipReason(f"All partitions up to {due[-1]} are loaded or were requested.")
        for keys in consecutive_missing(recent, done):
            yield run_request(keys, tick=tick)

    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=partitions_def.get_cron_schedule(
            minute_of_hour=schedule.minute,
            hour_of_day=None if partitions_def.is_basic_hourly else schedule.hour,
        ),
        execution_timezone=partitions_def.timezone,
        execution_fn=request_partitions,
        description="Loads each partition after its time window has ended, and partitions that were missed before.",
    )


def requested_partitions(
    instance: dg.DagsterInstance, job_name: str, partitions_def: WindowPartitionsDefinition, *, since: datetime
) -> set[str]:
    """The partitions that runs of a job were started for, whatever the status of the runs.

    Runs that were created before `since`, or loaded from the sandbox, do not count.
    """
    requested: set[str] = set()
    for record in instance.get_run_records(
        dg.RunsFilter(job_name=job_name, created_after=since.astimezone(timezone.utc))
    ):
        tags = record.dagster_run.tags
        if tags.get(SOURCE_TAG) == SANDBOX:
            continue
        start = tags.get(PARTITION_NAME_TAG) or tags.get(ASSET_PARTITION_RANGE_START_TAG)
        end = tags.get(PARTITION_NAME_TAG) or tags.get(ASSET_PARTITION_RANGE_END_TAG)
        if start and end:
            with suppress(PartitionKeyError):  # of a run that was refused
                first, last = (partitions_def.time_window_for_partition_key(key) for key in (start, end))
                requested.update(partitions_def.get_partition_keys_in_time_window(dg.TimeWindow(first.start, last.end)))
    return requested


def consecutive_missing(keys: Sequence[str], done: set[str]) -> Iterator[list[str]]:
    """Groups of consecutive keys that are not done."""
    for is_done, group in itertools.groupby(keys, done.__contains__):
        if not is_done:
            yield list(group)


def run_request(keys: Sequence[str], *, tick: datetime) -> dg.RunRequest:
    """One run over consecutive partitions. Dagster tells the runs of one tick apart by their keys."""
    run_key = f"{tick.isoformat()} {keys[0]}"
    if len(keys) == 1:
        return dg.RunRequest(run_key, partition_key=keys[0])
    return dg.RunRequest(
        run_key, tags={ASSET_PARTITION_RANGE_START_TAG: keys[0], ASSET_PARTITION_RANGE_END_TAG: keys[-1]}
    )


def build_snapshot_schedule(
    job: UnresolvedAssetJobDefinition, *, timezone: str, schedule: Schedule
) -> dg.ScheduleDefinition:
    """Runs the job once a day, whatever the cadence of the API's partitions."""
    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=f"{schedule.minute} {schedule.hour} * * *",
        execution_timezone=timezone,
        description="Loads all rows of each resource once a day.",
    )
