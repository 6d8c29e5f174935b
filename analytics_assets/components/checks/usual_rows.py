"""Check of the number of rows: compared with those of earlier loads in Dagster's event log."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
from dagster._core.definitions.partitions.schedule_type import ScheduleType

from analytics_assets.components.checks.base import Check, Finding, RunOfLoads, counted
from analytics_assets.components.partitions import WindowPartitionsDefinition

MIN_HISTORY = 3  # loads
RECENT = 7  # windows or loads before
SEASON: Mapping[ScheduleType | None, int] = {ScheduleType.HOURLY: 24, ScheduleType.DAILY: 7}  # windows
SEASONS = 4
MAX_EVALUATED = 31  # newest partitions of a run; a longer range is a backfill
ROWS = "dagster/partition_row_count"
ROWS_OF_LOAD = "rows_loaded"
SOURCE = "source"


class UsualRows(Check):
    """Passes until there are enough earlier loads to compare with."""

    name = "rows_as_usual"
    description = (
        "The number of rows of each window is from half of the fewest to twice the most rows of the same weekday in "
        "the last four weeks (hourly: the same hour of the last four days), or, until these are loaded, of the last "
        "seven windows. Small numbers may differ more. A load is empty only if an earlier one was."
    )

    def evaluate(self, run: RunOfLoads) -> Finding | None:
        if run.plan.partitions_def is None:
            return evaluate_loads(run)
        return evaluate_partitions(run) if run.partitions else None  # a full refresh has no window


def evaluate_loads(run: RunOfLoads) -> Finding:
    """Compare the rows with those of the asset's last loads."""
    records = run.instance.fetch_materializations(run.plan.key, limit=RECENT + 1).records
    history = [
        count
        for record in records
        if record.run_id != run.run_id and (count := row_count(record, (ROWS_OF_LOAD,), run)) is not None
    ]
    return finding({"this load": sum(result.rows for result in run.results)}, {"this load": history[:RECENT]})


def evaluate_partitions(run: RunOfLoads) -> Finding | None:
    """Compare the rows of each partition with those of earlier partitions."""
    assert run.plan.partitions_def is not None
    evaluated = run.partitions[-MAX_EVALUATED:]
    earlier = {key: earlier_partitions(run.plan.partitions_def, key) for key in evaluated}
    counts = partition_rows(run, {*evaluated, *itertools.chain.from_iterable(itertools.chain(*earlier.values()))})
    history = {}
    for key, (seasonal, recent) in earlier.items():
        same = [counts[other] for other in seasonal if other in counts]
        history[key] = same if len(same) >= MIN_HISTORY else [counts[other] for other in recent if other in counts]
    rows = {key: counts[key] for key in evaluated if key in counts}
    return finding(rows, history) if rows else None


def earlier_partitions(partitions_def: WindowPartitionsDefinition, key: str) -> tuple[Sequence[str], Sequence[str]]:
    """The partitions of the same weekday, or hour, and the last ones before a partition."""
    window = partitions_def.time_window_for_partition_key(key)
    season = SEASON.get(partitions_def.schedule_type, 0)
    length = window.end - window.start
    start = window.start - length * (season * SEASONS + RECENT) - timedelta(days=4)  # changes of the clock, months
    keys = partitions_def.get_partition_keys_in_time_window(dg.TimeWindow(start, window.start))
    return keys[-season : -season * SEASONS - 1 : -season] if season else (), keys[-RECENT:]


def partition_rows(run: RunOfLoads, keys: Collection[str]) -> dict[str, int]:
    """The rows of partitions, of the newest materialization of each, in one query."""
    records = run.instance.fetch_materializations(
        dg.AssetRecordsFilter(run.plan.key, asset_partitions=sorted(keys)), limit=4 * len(keys)
    ).records
    rows: dict[str, int] = {}
    for record in records:  # newest first
        count = row_count(record, (ROWS, ROWS_OF_LOAD), run)
        if count is not None and record.partition_key is not None:
            rows.setdefault(record.partition_key, count)
    return rows


def row_count(record: dg.EventLogRecord, names: Sequence[str], run: RunOfLoads) -> int | None:
    """The number of rows of a materialization; None if it names none, or if its rows are of another source."""
    materialization = record.asset_materialization
    metadata = materialization.metadata if materialization else {}
    source = metadata.get(SOURCE)
    if source is not None and str(source.value).startswith("sandbox") != run.sandbox:
        return None
    values = (metadata[name].value for name in names if name in metadata)
    return next((value for value in values if isinstance(value, int)), None)


def finding(rows: Mapping[str, int], history: Mapping[str, Sequence[int]]) -> Finding:
    """Compare numbers of rows with those of earlier loads.

    Args:
        rows: The rows by partition, in order.
        history: The rows to compare each with.
    """
    last = list(rows)[-1]
    known = {key: usual_rows(history[key]) for key in rows if len(history[key]) >= MIN_HISTORY}
    if last not in known:
        text = f"No history yet: {counted(len(history[last]), 'load')} to compare with, of {MIN_HISTORY} needed."
        return Finding(True, text, {"rows": rows[last]})
    low, high = known[last]
    metadata: dict[str, Any] = {"rows": rows[last], "usual_from": low, "usual_to": high}
    unusual = [key for key, (low, high) in known.items() if not low <= rows[key] <= high]
    metadata["unusual_windows"] = len(unusual)
    if not unusual:
        return Finding(True, f"{counted(rows[last], 'row')} in {last}; usual are {low:,} to {high:,}.", metadata)
    found = "; ".join(
        f"{key} has {counted(rows[key], 'row')}, usual are {known[key][0]:,} to {known[key][1]:,}"
        for key in unusual[-5:]
    )
    return Finding(
        False,
        f"{counted(len(unusual), 'window')} of {len(known)} with an unusual number of rows: {found}. Compare with the "
        "API; load the window again if rows were missing",
        metadata,
    )


def usual_rows(history: Sequence[int]) -> tuple[int, int]:
    """The fewest and the most rows that are usual after these numbers.

    Half of the fewest to twice the most; small numbers vary by chance, up to three times their square root. Zero only
    after a zero.
    """
    fewest, most = min(history), max(history)
    low = min(fewest // 2, max(math.ceil(fewest - 3 * math.sqrt(fewest)), 0))
    high = max(2 * most, math.floor(most + 3 * math.sqrt(max(most, 1))))
    return max(low, 1 if fewest else 0), high
