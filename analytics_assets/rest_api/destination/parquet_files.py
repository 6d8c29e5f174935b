"""Fetched rows on disk: Parquet files that are loaded in the order in which they were written."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

# A column beside the rows' own. No column of a table has such a name: dlt's names do not end with an underscore.
ORDINAL = "ordinal_"
# Files are merged one by one: the memory of a merge grows with the rows of its file, not with those of the load.
ROWS_PER_FILE = 200_000


class ParquetFiles:
    """Writes Arrow tables to Parquet files. Rows are numbered in the column ORDINAL, over all files.

    A file has one schema: a table with other columns or types than the one before begins a new file.

    Attributes:
        paths: The files, in the order of their rows.
        rows: The number of rows in all files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: pq.ParquetWriter | None = None
        self._rows_in_file = 0
        self.paths: list[Path] = []
        self.rows = 0

    def write_all(self, tables: Iterable[pa.Table]) -> None:
        """Write all tables. Empty ones are skipped."""
        try:
            for table in tables:
                if table.num_rows:
                    self._write(table)
        finally:
            self._close_file()

    def _write(self, table: pa.Table) -> None:
        ordinals = array("q", range(self.rows, self.rows + table.num_rows))
        buffers = [None, pa.py_buffer(ordinals)]
        table = table.append_column(ORDINAL, pa.Array.from_buffers(pa.int64(), table.num_rows, buffers))
        if self._writer and (self._rows_in_file >= ROWS_PER_FILE or self._writer.schema != table.schema):
            self._close_file()
        if self._writer is None:
            self.paths.append(self._folder / f"rows_{len(self.paths):06}.parquet")
            # Dictionaries take a third of the writing time, and save a twentieth of the compressed file.
            self._writer = pq.ParquetWriter(self.paths[-1], table.schema, use_dictionary=False)
        self._writer.write_table(table)
        self._rows_in_file += table.num_rows
        self.rows += table.num_rows

    def _close_file(self) -> None:
        if self._writer:
            self._writer.close()
        self._writer, self._rows_in_file = None, 0


def read_batches(file: pq.ParquetFile, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Batches of at most that many rows. None crosses a row group: row groups are bounded in bytes, batches are not."""
    for group in range(file.num_row_groups):
        yield from file.iter_batches(rows, row_groups=[group], columns=columns)
