"""One resource as a dlt source: its pages are walked, converted to Arrow and cut to the window."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.compute as pc
from dlt.extract import DltSource

from analytics_assets.rest_api.config import ResolvedResource
from analytics_assets.rest_api.cursors import inside, moments
from analytics_assets.rest_api.errors import DataError
from analytics_assets.rest_api.records import PageRecords, Records
from analytics_assets.rest_api.table_schema import TableSchema
from analytics_assets.rest_api.threads import ahead
from analytics_assets.rest_api.walk import Walk, WalkedPage, misread
from analytics_assets.rest_api.windows import Window, surroundings

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
    def filter_ignored(self) -> bool:
        """Whether most rows were not of the window: the API does not filter as the configuration says."""
        return self.rows_outside_window > self.rows


class Progress:
    """A line in the log every few seconds, so that a person sees that a long walk goes on."""

    def __init__(self, log: logging.Logger, name: str, walk: Walk) -> None:
        self._log, self._name, self._walk = log, name, walk
        self._began = self._last = time.monotonic()

    def tick(self) -> None:
        now, walk = time.monotonic(), self._walk
        if now - self._last < PROGRESS_SECONDS:
            return
        self._last = now
        share = f", {min(walk.rows / walk.total, 1):.0%} of {walk.total}" if walk.total else ""
        rate = walk.rows / (now - self._began)
        self._log.info(f"{self._name}: {walk.rows} rows in {walk.pages} pages, {rate:.0f} rows/s{share}")


class Conversion:
    """The pages of a walk as Arrow tables of one schema, cut to their windows."""

    def __init__(
        self,
        walk: Walk,
        resource: ResolvedResource,
        *,
        schema: TableSchema,
        schema_if_empty: TableSchema,
        sliced: bool,
        statistics: Statistics,
        log: logging.Logger,
    ) -> None:
        self._walk = walk
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
            walk.may_slice = self._inside

    def tables(self) -> Iterator[pa.Table]:
        """Arrow tables of about BATCH_ROWS rows or BATCH_BYTES, of one growing schema; one at least, maybe empty."""
        statistics, progress = self._statistics, Progress(self._log, self._resource.name, self._walk)
        batch: list[pa.Table] = []
        rows = size = 0
        for page in self._walk.walk():
            batch.append(self._convert(page))
            progress.tick()
            rows, size = rows + batch[-1].num_rows, size + page.bytes
            if rows >= BATCH_ROWS or size >= BATCH_BYTES:
                yield self.schema.concat(batch)
                batch, rows, size = [], 0, 0
        statistics.pages = self._walk.pages
        self._check_cursor()
        if statistics.filter_ignored:
            self._log.warning(
                f"{self._resource.name}: {statistics.rows_outside_window} of {statistics.fetched} rows were not of the "
                "window and were left out: does the API ignore the parameters of `incremental`?"
            )
        if not statistics.fetched:
            self.schema = self._schema_if_empty
        yield self.schema.concat(batch)
        statistics.new_columns = sorted(self.schema.new_columns)
        left_out = self.schema.left_out
        statistics.changed_columns = {
            name: sorted(to) or [f"{left_out[name]} values left out"] for name, to in self.schema.changed.items()
        }

    def _convert(self, page: WalkedPage) -> pa.Table:
        """Records as a table; without those that are not of the page's window."""
        statistics, (table, times) = self._statistics, self._placed(page.records)
        statistics.rows_without_key += len(page.records) - table.num_rows
        if times is not None:
            self._cursors_seen += len(times) - times.null_count
            if times.null_count and self._resource.write_disposition == "append":
                raise DataError(
                    f"{times.null_count} records have no {self._cursor_path!r}: no window to append them to"
                )
            if page.window is not None and self._walk.window is not None:
                wanted = inside(times, self._walk.window)
                statistics.rows_outside_window += pc.sum(pc.invert(wanted)).as_py() or 0
                if page.window != self._walk.window:
                    self._check_slice(times.filter(wanted), page.window)
                    wanted = inside(times, page.window)
                table = table.filter(wanted)
        statistics.rows += table.num_rows
        return table

    def _check_slice(self, times: pa.ChunkedArray, window: Window) -> None:
        """What is just outside of a slice another one brings, but only if the API reads all bounds as they are meant.

        Raises:
            SliceError: it does not.
        """
        near = inside(times, surroundings(window, self._cursor_format))
        if far := pc.sum(pc.invert(near)).as_py():
            raise misread(f"{far} rows are not of the slice of the window that they were asked for")

    def _placed(self, records: PageRecords) -> tuple[pa.Table, pa.ChunkedArray | None]:
        """The records as a table, and when they changed, if they say so."""
        path = self._cursor_path
        if path is None:
            return self.schema.convert(records), None
        field = path.replace(".", "__")
        if field != path:
            dicts = records.dicts() if isinstance(records, Records) else records
            records = [{**record, field: dig(record, path)} for record in dicts]
        table, cursor = self.schema.convert(records), self.schema.column_for(field)
        if cursor in self.schema.changed:
            raise DataError(
                f"the cursor field {path!r} changed its type, or is not always written as its `format` says: such rows "
                "belong to no window. Correct `format` or the column's declaration, and run the full refresh"
            )
        if cursor not in table.column_names:
            return table, pa.nulls(table.num_rows, pa.timestamp("us", "UTC"))
        return table, moments(table.column(cursor), self._cursor_format, name=cursor)

    def _inside(self, records: PageRecords) -> bool:
        """Whether the API kept to the window: one that ignores it would send all of it for each slice."""
        left_out = self.schema.left_out.copy()
        times = self._placed(records)[1]
        self.schema.left_out = left_out  # these records come again
        return (
            times is not None
            and self._walk.window is not None
            and bool(pc.all(inside(times, self._walk.window)).as_py())
        )

    def _check_cursor(self) -> None:
        """A cursor that no row has is a mistake in the configuration: windows would hold whatever came."""
        if self._cursor_path and self._statistics.fetched and not self._cursors_seen:
            raise DataError(
                f"no record has the field {self._cursor_path!r} that `incremental.cursor_path` names; "
                f"the columns are {', '.join(self.schema.dlt_columns())}"
            )


def dig(record: Mapping[str, Any], path: str) -> Any:
    value: Any = record
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def source(conversion: Conversion, *, name: str, needed: Collection[str]) -> DltSource:
    """A dlt source with one resource of that name, whose columns are declared as they become known.

    `needed` are the columns without which a load cannot say what to do: an empty table that lacks one is left out.
    """

    def read() -> Iterator[Any]:
        declared = 0
        for table in ahead(conversion.tables()):  # the next is fetched and converted while dlt writes this one
            if not table.num_rows and not set(needed) <= set(table.column_names):
                continue
            if table.num_columns == declared:
                yield table
            else:
                declared = table.num_columns
                yield dlt.mark.with_hints(table, dlt.mark.make_hints(columns=conversion.schema.dlt_columns()))

    resource = dlt.resource(read, name=name, columns=conversion.schema.dlt_columns(), write_disposition="append")
    return DltSource(dlt.Schema(name), "rest_api", [resource])
