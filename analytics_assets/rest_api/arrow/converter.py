"""Converter: batches of pages -> Arrow tables of one schema, cut to their windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from analytics_assets.rest_api.arrow.cursor import Cursor
from analytics_assets.rest_api.arrow.statistics import Statistics
from analytics_assets.rest_api.arrow.table_schema import TableSchema
from analytics_assets.rest_api.arrow.window_filter import PartitionCounter, in_window_mask
from analytics_assets.rest_api.errors import DataError
from analytics_assets.rest_api.extract.page_batches import PageBatch, coalesce_pages
from analytics_assets.rest_api.extract.records import PageRecords, Records
from analytics_assets.rest_api.windows import Window, padded, slice_error

# One table is one row group of a parquet file: larger ones need more memory, smaller ones cost dlt more time.
BATCH_ROWS = 20_000
BATCH_BYTES = 16_000_000


class ArrowConverter:
    """Converts the pages of one read.

    Attributes:
        schema: The schema of the tables, complete once the last table was made.
        partitions: Counts the rows of each partition; None if they are not counted.
    """

    def __init__(
        self,
        schema: TableSchema,
        *,
        schema_if_empty: TableSchema,
        cursor: Cursor | None = None,
        window: Window | None = None,
        needs_cursor: bool = False,
        statistics: Statistics,
        partitions: PartitionCounter | None = None,
    ) -> None:
        """
        Args:
            schema: The schema so far: columns that are declared or stored.
            schema_if_empty: The schema of the table if the API sends no rows.
            cursor: The field that says when a record changed.
            window: The time range that was requested.
            needs_cursor: Whether a record without a cursor value is an error.
            statistics: Counts the rows.
            partitions: Counts the rows of each partition, if there is a cursor.
        """
        self.schema = schema
        self._schema_if_empty = schema_if_empty
        self._cursor = cursor
        self._window = window
        self._needs_cursor = needs_cursor
        self._statistics = statistics
        self.partitions = partitions
        self._cursors_seen = 0

    def tables(self, pages: Iterable[PageBatch], on_page: Callable[[], None] = lambda: None) -> Iterator[pa.Table]:
        """Arrow tables of about BATCH_ROWS rows or BATCH_BYTES; at least one, which may be empty.

        A later table may have more columns, and wider types of numbers, than an earlier one.

        Args:
            pages: The pages of the read.
            on_page: Called after each page.

        Raises:
            DataError: Records cannot be loaded exactly; the message names the field.
            SliceError: The API does not filter by the time slices that it was asked for.
        """
        try:
            yield from self._tables(coalesce_pages(_reported(pages, on_page), rows=BATCH_ROWS, size=BATCH_BYTES))
        finally:
            self.schema.close()

    def _tables(self, pages: Iterable[PageBatch]) -> Iterator[pa.Table]:
        batch: list[pa.Table] = []
        rows = size = 0
        for page in pages:
            batch.append(self._convert(page))
            rows, size = rows + batch[-1].num_rows, size + page.bytes
            if rows >= BATCH_ROWS or size >= BATCH_BYTES:
                yield self._counted(self.schema.concat(batch))
                batch, rows, size = [], 0, 0
        self._check_cursor_exists()
        if not self._statistics.fetched:
            self.schema = self._schema_if_empty
        yield self._counted(self.schema.concat(batch))

    def _counted(self, table: pa.Table) -> pa.Table:
        if self.partitions and self._cursor and table.num_rows:
            column = table.column(self.schema.column_for(self._cursor.field))
            self.partitions.add(self._cursor.timestamps(column))
        return table

    def _convert(self, page: PageBatch) -> pa.Table:
        """The records of a page that are of its window."""
        statistics = self._statistics
        table = self.schema.convert(self._flatten_cursor(page.records), page.origins)
        statistics.rows_without_key += len(page.records) - table.num_rows
        if self._cursor is not None:
            timestamps = self._cursor.timestamps(table.column(self.schema.column_for(self._cursor.field)))
            self._cursors_seen += len(timestamps) - timestamps.null_count
            if timestamps.null_count and self._needs_cursor:
                raise DataError(
                    f"{timestamps.null_count} of {table.num_rows} records have no {self._cursor.path!r}: they belong "
                    "to no window and cannot be appended"
                )
            if page.window is not None and self._window is not None:
                wanted = in_window_mask(timestamps, self._window)
                statistics.rows_outside_window += pc.sum(pc.invert(wanted)).as_py() or 0
                if page.window != self._window:
                    self._check_slice(timestamps.filter(wanted), page.window, self._cursor.format)
                    wanted = in_window_mask(timestamps, page.window)
                table = table.filter(wanted)
        statistics.rows += table.num_rows
        return table

    def _flatten_cursor(self, records: PageRecords) -> PageRecords:
        if self._cursor is None or not self._cursor.is_nested:
            return records
        dicts = records.dicts() if isinstance(records, Records) else records
        return [{**record, self._cursor.field: self._cursor.nested_value(record)} for record in dicts]

    def _check_slice(self, timestamps: pa.ChunkedArray, window: Window, format: str) -> None:
        """Rows just outside of a slice are read with the next slice, but only if the API filters as requested.

        Raises:
            SliceError: It does not.
        """
        near = in_window_mask(timestamps, padded(window, format))
        if far := pc.sum(pc.invert(near)).as_py():
            raise slice_error(f"{far} rows are outside of the slice of the window that was requested")

    def _check_cursor_exists(self) -> None:
        """A cursor that no record has is a mistake in the configuration: rows would belong to no window."""
        if self._cursor and self._statistics.fetched and not self._cursors_seen:
            raise DataError(
                f"no record has the field {self._cursor.path!r} that `incremental.cursor_path` names; "
                f"the columns are {', '.join(self.schema.dlt_columns())}"
            )


def _reported(pages: Iterable[PageBatch], on_page: Callable[[], None]) -> Iterator[PageBatch]:
    for page in pages:
        yield page
        on_page()
