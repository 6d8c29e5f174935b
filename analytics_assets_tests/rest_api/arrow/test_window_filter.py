"""Rows are counted by the partition that their cursor is in."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_assets.rest_api.arrow.timestamps import UTC
from analytics_assets.rest_api.arrow.window_filter import PartitionCounter

START = datetime(2026, 10, 1, tzinfo=timezone.utc)
timestamps = st.one_of(
    st.none(),
    st.integers(-2, 12).map(lambda hour: START + timedelta(hours=hour)),
    st.integers(-(10**11), 10**11).map(lambda microseconds: START + timedelta(microseconds=microseconds)),
)


@given(
    hours=st.lists(st.integers(0, 10), min_size=2, unique=True).map(sorted),
    batches=st.lists(st.lists(timestamps), max_size=4),
)
def test_counts_and_newest_cursors_are_exact(hours: list[int], batches: list[list[datetime | None]]) -> None:
    bounds = [START + timedelta(hours=hour) for hour in hours]
    counter = PartitionCounter(bounds)
    for batch in batches:
        counter.add(pa.chunked_array([pa.array(batch, UTC)]))
    rows = [row for batch in batches for row in batch if row]
    inside = [[row for row in rows if start <= row < end] for start, end in itertools.pairwise(bounds)]
    assert counter.rows == [len(partition) for partition in inside]
    assert counter.newest == [max(partition, default=None) for partition in inside]


@pytest.mark.parametrize("column", [pa.chunked_array([], UTC), pa.chunked_array([pa.nulls(3, UTC)])])
def test_a_batch_without_cursors_counts_nothing(column: pa.ChunkedArray) -> None:
    counter = PartitionCounter([START, START + timedelta(days=1)])
    counter.add(column)
    assert (counter.rows, counter.newest) == ([0], [None])
