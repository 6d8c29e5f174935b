"""The time range of a command: the partitions between `--from` and `--to`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import click

from analytics_assets.components.partitions import WindowPartitionsDefinition


@dataclass(frozen=True)
class PartitionRange:
    """The partitions of a time range.

    Attributes:
        keys: Their keys, in order.
        note: What the range has and `keys` does not; empty if there is nothing.
    """

    keys: Sequence[str]
    note: str = ""


def partition_range(
    partitions_def: WindowPartitionsDefinition, start: str | None, end: str | None, *, now: datetime
) -> PartitionRange:
    """The partitions of [start, end) that are over.

    Args:
        partitions_def: The partitions.
        start: A date or a time in their time zone; None for the first partition.
        end: A date or a time; None for the end of the last partition that is over.
        now: The current time.

    Raises:
        click.UsageError: A bound is not a time, or no start of a partition, or there are no partitions in between.
    """
    first, last = _time("--from", start), _time("--to", end)
    if first and last and first >= last:
        raise click.UsageError(
            f"--from {start} is not before --to {end}: --to is the end of the range, not its last day"
        )
    starts = {key: datetime.strptime(key, partitions_def.fmt) for key in partitions_def.get_partition_keys(now)}
    keys = [key for key, time in starts.items() if (not first or first <= time) and (not last or time < last)]
    if not keys:
        known = list(starts)
        there = f"there are partitions from {known[0]} to {known[-1]}" if known else "no partition is over yet"
        raise click.UsageError(f"there is no partition between {start or 'the first one'} and {end or 'now'}: {there}")
    if first and first > min(starts.values()) and starts[keys[0]] != first:
        raise click.UsageError(f"--from {start} is not the start of a partition: the next one is {keys[0]}")
    ends = partitions_def.time_window_for_partition_key(keys[-1]).end.replace(tzinfo=None)
    if last and ends > last:
        raise click.UsageError(f"--to {end} is inside the partition {keys[-1]}, which ends at {ends.isoformat()}")
    if last and ends < last and keys[-1] == list(starts)[-1]:
        return PartitionRange(keys, f"partitions after {keys[-1]} are not over yet, and are not part of this")
    return PartitionRange(keys)


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


def _time(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"{option} {text}: write a date such as 2026-01-31, or a time such as 2026-01-31T06:00"
        ) from None
    if time.tzinfo:
        raise click.UsageError(f"{option} {text}: write it without an offset, in the time zone of the partitions")
    return time
