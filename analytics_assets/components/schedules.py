"""Schedules: when an API's jobs run by themselves, once somebody switches them on."""

from __future__ import annotations

import dagster as dg

from analytics_assets.rest_api.config import Partitions, Schedule


def build_incremental_schedule(
    job: dg.UnresolvedAssetJobDefinition, *, partitions: Partitions, schedule: Schedule
) -> dg.UnresolvedPartitionedAssetScheduleDefinition:
    """Asks for each partition once its window has ended, at the schedule's hour and minute (hourly: its minute)."""
    return dg.build_schedule_from_partitioned_job(
        job,
        minute_of_hour=schedule.minute,
        hour_of_day=None if partitions.cadence == "hourly" else schedule.hour,
        description=f"Loads each {partitions.cadence} window once it has ended.",
    )


def build_snapshot_schedule(
    job: dg.UnresolvedAssetJobDefinition, *, timezone: str, schedule: Schedule
) -> dg.ScheduleDefinition:
    """Walks the whole of the resources without windows once a day."""
    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=f"{schedule.minute} {schedule.hour} * * *",
        execution_timezone=timezone,
        description="Loads the whole of each resource once a day.",
    )
