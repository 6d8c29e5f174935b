"""Window filter: which rows of a page are of its window."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from analytics_assets.rest_api.arrow.coercion import to_array
from analytics_assets.rest_api.arrow.cursor import Cursor
from analytics_assets.rest_api.arrow.table_schema import TableSchema
from analytics_assets.rest_api.arrow.timestamps import UTC
from analytics_assets.rest_api.errors import DataError
from analytics_assets.rest_api.extract.records import PageRecords, Records
from analytics_assets.rest_api.windows import Window


def in_window_mask(timestamps: pa.Array | pa.ChunkedArray, window: Window) -> pa.Array | pa.ChunkedArray:
    """A mask of the rows of [start, end). A row without a timestamp is in: no other window would have it."""
    after = pc.greater_equal(timestamps, pa.scalar(window.start, UTC))
    before = pc.less(timestamps, pa.scalar(window.end, UTC))
    return pc.fill_null(pc.and_(after, before), True)


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
        if self._cursor.is_nested:
            dicts = records.dicts() if isinstance(records, Records) else records
            return [self._cursor.nested_value(record) for record in dicts]
        if isinstance(records, Records):
            found = (field.decode_all(values) for field, values in records.values() if field.column == column)
            return list(next(found, [None] * len(records)))
        field = self._schema.field_of(column)
        return [record.get(field) for record in records]
