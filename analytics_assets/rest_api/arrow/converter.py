"""One resource as a dlt source: its pages are walked, converted to Arrow and cut to the window."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analytics_assets.rest_api.arrow.table_schema import TableSchema
from analytics_assets.rest_api.arrow.timestamps import cursor_timestamps, in_window_mask
from analytics_assets.rest_api.config import ResolvedResource
from analytics_assets.rest_api.errors import DataError
from analytics_assets.rest_api.extract.reader import EndpointReader, PageBatch, slice_error
from analytics_assets.rest_api.extract.records import PageRecords, Records
from analytics_assets.rest_api.windows import Window, padded

BATCH_ROWS = 20_000
BATCH_BYTES = 16_000_000
PROGRESS_SECONDS = 5.0


@dataclass
class Statistics:
    """What a walk saw. `rows` are those handed to the table; the others say where the rest went."""

    rows: int = 0
    rows_outside_window: int = 0
    rows_without_key: int = 0
    pages: int = 0
    new_columns: list[str] = field(default_factory=list)
    # What became of values of another type: the variant columns, or how many values were left out.
    changed_columns: dict[str, list[str]] = field(default_factory=dict)

    @property
    def fetched(self) -> int:
        return self.rows + self.rows_outside_window + self.rows_without_key

    @property
    def filter_seems_ignored(self) -> bool:
        """Whether most rows were not of the window: the API does not filter as the configuration says."""
        return self.rows_outside_window > self.rows


class Progress:
    """A line in the log every few seconds, so that a person sees that a long walk goes on."""

    def __init__(self, log: logging.Logger, name: str, reader: EndpointReader) -> None:
        self._log, self._name, self._reader = log, name, reader
        self._began = self._last = time.monotonic()

    def log_if_due(self) -> None:
        now, reader = time.monotonic(), self._reader
        if now - self._last < PROGRESS_SECONDS:
            return
        self._last = now
        share = f", {min(reader.rows / reader.total, 1):.0%} of {reader.total}" if reader.total else ""
        rate = reader.rows / (now - self._began)
        self._log.info(f"{self._name}: {reader.rows} rows in {reader.pages} pages, {rate:.0f} rows/s{share}")


class ArrowConverter:
    """The pages of a walk as Arrow tables of one schema, cut to their windows."""

    def __init__(
        self,
        reader: EndpointReader,
        resource: ResolvedResource,
        *,
        schema: TableSchema,
        schema_if_empty: TableSchema,
        sliced: bool,
        statistics: Statistics,
        log: logging.Logger,
    ) -> None:
        self._reader = reader
        self._resource = resource
        self.schema = schema
        self._schema_if_empty = schema_if_empty
        self._statistics = statistics
        self._log = log
        self._cursors_seen = 0
        incremental = resource.endpoint.incremental
        self._cursor_path = incremental.cursor_path if incremental else None
        self._cursor_format = incremental.format if incremental else ""
        if self._cursor_path and sliced:
            reader.window_is_honoured = self._all_in_window

    def tables(self) -> Iterator[pa.Table]:
        """Arrow tables of about BATCH_ROWS rows or BATCH_BYTES, of one growing schema; one at least, maybe empty."""
        statistics, progress = self._statistics, Progress(self._log, self._resource.name, self._reader)
        batch: list[pa.Table] = []
        rows = size = 0
        for page in self._reader.read_pages():
            batch.append(self._convert(page))
            progress.log_if_due()
            rows, size = rows + batch[-1].num_rows, size + page.bytes
            if rows >= BATCH_ROWS or size >= BATCH_BYTES:
                yield self.schema.concat(batch)
                batch, rows, size = [], 0, 0
        statistics.pages = self._reader.pages
        self._check_cursor()
        if statistics.filter_seems_ignored:
            self._log.warning(
                f"{self._resource.name}: {statistics.rows_outside_window} of {statistics.fetched} rows were not of the "
                "window and were left out: does the API ignore the parameters of `incremental`?"
            )
        if not statistics.fetched:
            self.schema = self._schema_if_empty
        yield self.schema.concat(batch)
        statistics.new_columns = sorted(self.schema.new_columns)
        discarded_counts = self.schema.discarded_counts
        statistics.changed_columns = {
            name: sorted(to) or [f"{discarded_counts[name]} values left out"]
            for name, to in self.schema.variant_columns.items()
        }

    def _convert(self, page: PageBatch) -> pa.Table:
        """Records as a table; without those that are not of the page's window."""
        statistics, (table, times) = self._statistics, self._with_cursor(page.records)
        statistics.rows_without_key += len(page.records) - table.num_rows
        if times is not None:
            self._cursors_seen += len(times) - times.null_count
            if times.null_count and self._resource.write_disposition == "append":
                raise DataError(
                    f"{times.null_count} records have no {self._cursor_path!r}: no window to append them to"
                )
            if page.window is not None and self._reader.window is not None:
                wanted = in_window_mask(times, self._reader.window)
                statistics.rows_outside_window += pc.sum(pc.invert(wanted)).as_py() or 0
                if page.window != self._reader.window:
                    self._check_slice(times.filter(wanted), page.window)
                    wanted = in_window_mask(times, page.window)
                table = table.filter(wanted)
        statistics.rows += table.num_rows
        return table

    def _check_slice(self, times: pa.ChunkedArray, window: Window) -> None:
        """What is just outside of a slice another one brings, but only if the API reads all bounds as they are meant.

        Raises:
            SliceError: it does not.
        """
        near = in_window_mask(times, padded(window, self._cursor_format))
        if far := pc.sum(pc.invert(near)).as_py():
            raise slice_error(f"{far} rows are not of the slice of the window that they were asked for")

    def _with_cursor(self, records: PageRecords) -> tuple[pa.Table, pa.ChunkedArray | None]:
        """The records as a table, and when they changed, if they say so."""
        path = self._cursor_path
        if path is None:
            return self.schema.convert(records), None
        field = path.replace(".", "__")
        if field != path:
            dicts = records.dicts() if isinstance(records, Records) else records
            records = [{**record, field: get_nested(record, path)} for record in dicts]
        table, cursor = self.schema.convert(records), self.schema.column_for(field)
        if cursor in self.schema.variant_columns:
            raise DataError(
                f"the cursor field {path!r} changed its type, or is not always written as its `format` says: such rows "
                "belong to no window. Correct `format` or the column's declaration, and run the full refresh"
            )
        if cursor not in table.column_names:
            return table, pa.nulls(table.num_rows, pa.timestamp("us", "UTC"))
        return table, cursor_timestamps(table.column(cursor), self._cursor_format, name=cursor)

    def _all_in_window(self, records: PageRecords) -> bool:
        """Whether the API kept to the window: one that ignores it would send all of it for each slice."""
        discarded_counts = self.schema.discarded_counts.copy()
        times = self._with_cursor(records)[1]
        self.schema.discarded_counts = discarded_counts  # these records come again
        return (
            times is not None
            and self._reader.window is not None
            and bool(pc.all(in_window_mask(times, self._reader.window)).as_py())
        )

    def _check_cursor(self) -> None:
        """A cursor that no row has is a mistake in the configuration: windows would hold whatever came."""
        if self._cursor_path and self._statistics.fetched and not self._cursors_seen:
            raise DataError(
                f"no record has the field {self._cursor_path!r} that `incremental.cursor_path` names; "
                f"the columns are {', '.join(self.schema.dlt_columns())}"
            )


def get_nested(record: Mapping[str, Any], path: str) -> Any:
    value: Any = record
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value
