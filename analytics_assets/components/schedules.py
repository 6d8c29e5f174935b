"""Schedules: when the jobs of an API run by themselves. Dagster creates them stopped."""

from __future__ import annotations

import dagster as dg
from dagster._core.definitions.partitions.partitioned_schedule import UnresolvedPartitionedAssetScheduleDefinition
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from analytics_assets.rest_api.config import Partitions, Schedule


def build_incremental_schedule(
    job: UnresolvedAssetJobDefinition, *, partitions: Partitions, schedule: Schedule
) -> UnresolvedPartitionedAssetScheduleDefinition | dg.ScheduleDefinition:
    """Requests each partition after its window ended, at the configured hour and minute (hourly: at the minute)."""
    return dg.build_schedule_from_partitioned_job(
        job,
        minute_of_hour=schedule.minute,
        hour_of_day=None if partitions.cadence == "hourly" else schedule.hour,
        description=f"Loads each {partitions.cadence} partition after its time window has ended.",
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
