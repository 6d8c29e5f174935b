"""Merge SQL for PostgreSQL: standard MERGE from a temporary table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from analytics_assets.rest_api.destination.merge_sql import LOAD_ID, MergeSql
from analytics_assets.rest_api.destination.parquet_files import ORDINAL

LOADED_ROWS = "pg_temp.loaded_rows_"


class PostgresMergeSql(MergeSql):
    """Rows are copied to LOADED_ROWS, a temporary table that ends with the transaction, and merged from there."""

    def create_loaded_rows(self) -> str:
        columns = [f"{self._quote(name)} {self._table.types[name]}" for name in self._table.columns if name != LOAD_ID]
        return f"CREATE TEMP TABLE {LOADED_ROWS} ({', '.join([*columns, f'{ORDINAL} BIGINT'])}) ON COMMIT DROP"

    def add_columns(self, names: Sequence[str]) -> Iterator[str]:
        """Add columns to LOADED_ROWS that the table got after its rows were copied. They are NULL."""
        for name in names:
            yield f"ALTER TABLE {LOADED_ROWS} ADD COLUMN {self._quote(name)} {self._table.types[name]}"

    def create_parent_keys(self, file: Path) -> str:
        columns = [f"{self._quote(name)} {self._table.types[name]}" for name in self._plan.parent_key]
        return f"CREATE TEMP TABLE {self.parent_keys(file)} ({', '.join(columns)}) ON COMMIT DROP"

    def parent_keys(self, file: Path) -> str:
        return f"pg_temp.{file.stem}_"

    def copy(self, names: Sequence[str], *, table: str = LOADED_ROWS) -> str:
        """The COPY statement for rows with these columns. Other columns are NULL."""
        return f"COPY {table} ({', '.join(map(self._quote, names))}) FROM STDIN"

    def write_rows(self, load_id: str) -> Iterator[str]:
        """Write the rows of LOADED_ROWS to the table."""
        source = f"(SELECT *, '{load_id}' AS {LOAD_ID} FROM {LOADED_ROWS})"
        if not self._has_unique_key:
            yield self._insert(source)
        elif self._plan.mode == "replace":
            yield self._insert(self._newest(source))
        else:
            yield self._merge(self._newest(source))
