"""Planned evaluations of checks, which Dagster shows as "Skipped" or "Execution failed" if nothing replaces them."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage


def discard_planned_evaluations(context: dg.OpExecutionContext, specs: Sequence[dg.AssetCheckSpec]) -> None:
    """Remove the evaluations that Dagster planned for this run's checks and that have no result.

    Dagster 1.13 plans one evaluation for each partition of a run, also of checks without partitions: their only result
    replaces none of them. A load that fails has no results either, and its checks would all turn red. Without the
    planned evaluation the last result of a check stays.
    """
    storage = context.instance.event_log_storage
    if not specs or not isinstance(storage, SqlEventLogStorage):
        return
    table = AssetCheckExecutionsTable.c
    planned = (
        (table.run_id == context.run_id)
        & (table.asset_key == specs[0].asset_key.to_string())
        & (table.execution_status == AssetCheckExecutionRecordStatus.PLANNED.value)
    )
    with storage.index_connection() as connection:
        connection.execute(AssetCheckExecutionsTable.delete().where(planned))
