"""Merge SQL for DuckDB: reads the Parquet files themselves, and deletes and inserts rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.destination.merge_sql import LOAD_ID, RANK, MergeSql
from analytics_assets.rest_api.destination.parquet_files import ORDINAL

ROW_ID = "rowid"  # DuckDB's own column: grows with the order of insertion
CHANGED_ROWS = "temp.changed_rows_"


class DuckDbMergeSql(MergeSql):
    """Deletes and inserts changed rows, file by file: DuckDB's MERGE holds all changed rows in memory."""

    def source(self, file: Path, load_id: str) -> str:
        """The rows of a file. Columns that the file lacks are NULL; those of another type are cast."""
        schema = pq.read_schema(file)
        selected = [ORDINAL]
        for name, column in self._table.columns.items():
            value, stored = self._quote(name), schema.field(name).type if name in schema.names else None
            if name == LOAD_ID:
                value = f"'{load_id}'"
            elif stored is None:
                value = f"CAST(NULL AS {self._table.types[name]})"
            elif stored != ColumnType.from_dlt(column).arrow:
                value = f"CAST({value} AS {self._table.types[name]})"
            selected.append(f"{value} AS {self._quote(name)}")
        return f"(SELECT {', '.join(selected)} FROM read_parquet({literal(file)}))"

    def parent_keys(self, file: Path) -> str:
        return f"read_parquet({literal(file)})"

    def write_rows(self, sources: Sequence[str], *, table_is_empty: bool) -> Iterator[str]:
        """Write the rows of the sources, which are in the order of their ordinals.

        Args:
            sources: Table expressions, see `MergeSql`.
            table_is_empty: Whether the table has no rows after `prepare_table`.
        """
        if not self._has_unique_key:
            yield from map(self._insert, sources)
        elif table_is_empty and ROW_ID not in self._table.columns:
            # Takes half the time of merging into an empty table.
            yield from map(self._insert, sources)
            yield self._delete_older_duplicates()
        else:
            for source in sources:
                yield from self._delete_and_insert(source)

    def _delete_older_duplicates(self) -> str:
        """Delete all but the newest row of each key. Only keys with several rows are ranked."""
        keys, target = self._keys, self._target
        repeated = f"SELECT {keys} FROM {target} GROUP BY {keys} HAVING COUNT(*) > 1"
        rank = self._rank(self._changed_at, ROW_ID)
        ranked = f"SELECT {ROW_ID} AS row_, {rank} FROM {target} SEMI JOIN ({repeated}) k USING ({keys})"
        return f"DELETE FROM {target} WHERE {ROW_ID} IN (SELECT row_ FROM ({ranked}) r WHERE {RANK} > 1)"

    def _delete_and_insert(self, source: str) -> Iterator[str]:
        """Replace the rows that changed, in memory that does not grow with their width.

        Rows are compared by a hash of 64 bits: DuckDB cannot join wide rows in little memory.
        """
        compared = ", ".join(["0", *map(self._quote, self._compared_columns())])
        facts = f"SELECT {self._keys}, {self._changed_at or 0} AS changed_at_, hash({compared}) AS hash_"
        ranked = f"SELECT *, {self._rank('changed_at_', ORDINAL)} FROM ({facts}, {ORDINAL} FROM {source})"
        yield (
            f"CREATE TEMP TABLE {CHANGED_ROWS} AS SELECT {self._keys}, {ORDINAL} "
            f"FROM (SELECT * FROM ({ranked}) r WHERE {RANK} = 1) s "
            f"LEFT JOIN ({facts} FROM {self._target}) d USING ({self._keys}) WHERE d.hash_ IS NULL "
            "OR (s.hash_ <> d.hash_ AND (d.changed_at_ IS NULL OR s.changed_at_ >= d.changed_at_))"
        )
        same_key = " AND ".join(f"d.{key} = c.{key}" for key in map(self._quote, self._plan.primary_key))
        yield f"DELETE FROM {self._target} d USING {CHANGED_ROWS} c WHERE {same_key}"
        yield f"{self._insert(source)} WHERE {ORDINAL} IN (SELECT {ORDINAL} FROM {CHANGED_ROWS})"
        yield f"DROP TABLE {CHANGED_ROWS}"


def literal(path: Path | str) -> str:
    """The path as a literal of SQL."""
    return "'" + str(path).replace("'", "''") + "'"
