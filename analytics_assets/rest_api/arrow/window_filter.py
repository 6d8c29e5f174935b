"""Window filter: which rows of a page are of its window, and how many are of each partition."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from analytics_assets.rest_api.arrow.coercion import to_array
from analytics_assets.rest_api.arrow.cursor import Cursor
from analytics_assets.rest_api.arrow.table_schema import TableSchema
from analytics_assets.rest_api.arrow.timestamps import UTC
from analytics_assets.rest_api.errors import DataError
from analytics_assets.rest_api.extract.records import PageRecords, Records
from analytics_assets.rest_api.windows import EPOCH, MICROSECOND, Window


def in_window_mask(timestamps: pa.Array | pa.ChunkedArray, window: Window) -> pa.Array | pa.ChunkedArray:
    """A mask of the rows of [start, end). A row without a timestamp is in: no other window would have it."""
    after = pc.greater_equal(timestamps, pa.scalar(window.start, UTC))
    before = pc.less(timestamps, pa.scalar(window.end, UTC))
    return pc.fill_null(pc.and_(after, before), True)


class PartitionCounter:
    """Counts rows by the partition that their cursor is in.

    Attributes:
        rows: The number of rows of each partition. Rows outside of all partitions, and rows without a cursor, are not
            counted.
        newest: The newest cursor of each partition; None for a partition without rows.
    """

    def __init__(self, bounds: Sequence[datetime]) -> None:
        """
        Args:
            bounds: The start of each partition, in order, and the end of the last one.
        """
        self._bounds = [(bound - EPOCH) // MICROSECOND for bound in bounds]
        self.rows = [0] * (len(bounds) - 1)
        self.newest: list[datetime | None] = [None] * (len(bounds) - 1)

    def add(self, timestamps: pa.ChunkedArray) -> None:
        """Count rows by their cursors, as `Cursor.timestamps` returns them."""
        for chunk in timestamps.chunks:
            ordered = chunk.cast(pa.int64()).drop_null().sort()
            if not len(ordered):
                continue
            numbers = memoryview(ordered.buffers()[1]).cast("q")  # items as Python's integers, without a copy
            start, end = numbers[0], numbers[len(ordered) - 1]
            # Only the partitions that rows can be in: there may be many thousands.
            first = max(bisect_left(self._bounds, start + 1) - 1, 0)
            position = bisect_left(numbers, self._bounds[first], 0, len(ordered))
            for index in range(first, min(bisect_left(self._bounds, end + 1), len(self.rows))):
                following = bisect_left(numbers, self._bounds[index + 1], position, len(ordered))
                if following > position:
                    self._add(index, following - position, EPOCH + timedelta(microseconds=numbers[following - 1]))
                position = following

    def _add(self, index: int, rows: int, newest: datetime) -> None:
        before = self.newest[index]
        self.rows[index] += rows
        self.newest[index] = newest if before is None else max(before, newest)


class WindowCheck:
    """Whether all records of a page are of the window: an API that ignores the filter sends others too.

    A predicate for the reader, which asks before it cuts the window into slices. It changes no state.
    """

    def __init__(self, schema: TableSchema, cursor: Cursor, window: Window) -> None:
        self._schema = schema
        self._cursor = cursor
        self._window = window

    def __call__(self, records: PageRecords) -> bool:
        column = self._schema.column_for(self._cursor.field)
        values, mismatches = to_array(self._values(records, column), self._schema.column_type(column))
        if mismatches:
            return False
        try:
            timestamps = self._cursor.timestamps(values)
        except DataError:
            return False
        return bool(pc.all(in_window_mask(timestamps, self._window)).as_py())

    def _values(self, records: PageRecords, column: str) -> list[object]:
        dicts = records.dicts() if isinstance(records, Records) else records
        if self._cursor.is_nested:
            return [self._cursor.nested_value(record) for record in dicts]
        field = self._schema.field_of(column) or self._cursor.field
        return [record.get(field) for record in dicts]
