"""Partitions: the grid of windows that the YAML declares."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timezone

import dagster as dg

from analytics_assets.rest_api.config import Partitions
from analytics_assets.rest_api.windows import Window

GRIDS: dict[str, Callable[..., dg.TimeWindowPartitionsDefinition]] = {
    "hourly": dg.HourlyPartitionsDefinition,
    "daily": dg.DailyPartitionsDefinition,
    "weekly": dg.WeeklyPartitionsDefinition,
    "monthly": dg.MonthlyPartitionsDefinition,
}


def build_partitions(partitions: Partitions) -> dg.TimeWindowPartitionsDefinition:
    build = GRIDS[partitions.cadence]
    return build(start_date=partitions.start, timezone=partitions.timezone)


def window_of(context: dg.AssetExecutionContext) -> Window:
    """The window of a run: its partition, or its range of partitions as one."""
    start, end = context.partition_time_window
    # In UTC: where clocks change, Python compares times of one zone by their hands, and takes two hours for one.
    return Window(start.astimezone(timezone.utc), end.astimezone(timezone.utc))
