"""SQL of a load into a Delta table: DuckDB finds the files that change, and writes the ones that replace them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.destination.delta.column_types import sql_type
from analytics_assets.rest_api.destination.duckdb.merge_sql import DuckDbMergeSql, literal
from analytics_assets.rest_api.destination.merge_sql import RANK, TargetTable
from analytics_assets.rest_api.destination.parquet_files import ORDINAL
from analytics_assets.rest_api.destination.plan import Plan
from analytics_assets.rest_api.destination.widening import Conversion

FILE = "file_"  # no column's name, as ORDINAL
STORED_ROWS = "temp.stored_rows_"
WRITTEN_ROWS = "temp.written_rows_"
ROWS_PER_GROUP = 50_000
FILE_SIZE = "128MB"

Query = Callable[[str], Sequence[Sequence[Any]] | None]


def rows_of_files(
    files: Collection[str], columns: Mapping[str, ColumnType], quote: Callable[[str], str], *, with_file: bool = False
) -> str:
    """A query of all rows of data files. Columns that a file lacks are NULL.

    Args:
        files: The paths.
        columns: The columns of the table.
        quote: Quotes a column's name.
        with_file: Whether to add the column FILE with the path.
    """
    names = [*map(quote, columns), *([FILE] if with_file else [])]
    typed = [f"CAST(NULL AS {sql_type(column)}) AS {quote(name)}" for name, column in columns.items()]
    if with_file:
        typed.append(f"CAST(NULL AS VARCHAR) AS {FILE}")
    rows = f"SELECT {', '.join(typed)} WHERE false"
    if files:
        file_name = f", filename = '{FILE}'" if with_file else ""
        paths = ", ".join(map(literal, files))
        rows += f" UNION ALL BY NAME SELECT * FROM read_parquet([{paths}], union_by_name = true{file_name})"
    return f"SELECT {', '.join(names)} FROM ({rows})"


class DeltaMergeSql(DuckDbMergeSql):
    """Finds the rows that a load writes, and the files that it replaces.

    `STORED_ROWS` are the rows of a version of the table. `WRITTEN_ROWS` are the ordinals of the load's rows that are
    written; with a unique key, also their keys and the files that have rows with the same keys.
    """

    def __init__(self, plan: Plan, table: TargetTable, stored: Mapping[str, ColumnType]) -> None:
        super().__init__(plan, table)
        self._stored = stored

    def create_stored_rows(self, files: Iterable[str], conversions: Iterable[Conversion] = ()) -> str:
        """The view STORED_ROWS, with the values of converted columns."""
        columns, replaced = dict(self._stored), []
        for conversion in conversions:
            name = self._quote(conversion.column)
            if conversion.is_variant:
                columns.setdefault(conversion.column, conversion.type)
            replaced.append(f"CAST({conversion.value or name} AS {conversion.sql_type}) AS {name}")
        rows = rows_of_files(list(files), columns, self._quote, with_file=True)
        values = f"* REPLACE ({', '.join(replaced)})" if replaced else "*"
        return f"CREATE OR REPLACE TEMP VIEW {STORED_ROWS.removeprefix('temp.')} AS SELECT {values} FROM ({rows})"

    def find_written_rows(self, sources: Sequence[str]) -> str:
        """The table WRITTEN_ROWS."""
        create = f"CREATE OR REPLACE TEMP TABLE {WRITTEN_ROWS} AS"
        ordinals = self._union(f"SELECT {ORDINAL}, CAST(NULL AS VARCHAR) AS {FILE} FROM {source}" for source in sources)
        if not sources:
            return f"{create} SELECT CAST(NULL AS BIGINT) AS {ORDINAL}, CAST(NULL AS VARCHAR) AS {FILE} WHERE false"
        if not self._has_unique_key:
            return f"{create} {ordinals}"
        compared = ", ".join(["0", *map(self._quote, self._compared_columns())])
        facts = f"SELECT {self._keys}, {self._changed_at or 0} AS changed_at_, hash({compared}) AS hash_"
        loaded = self._union(f"{facts}, {ORDINAL} FROM {source}" for source in sources)
        ranked = f"SELECT *, {self._rank('changed_at_', ORDINAL)} FROM ({loaded})"
        newest = f"SELECT * FROM ({ranked}) r WHERE {RANK} = 1"
        if self._plan.mode == "replace":
            return f"{create} SELECT {self._keys}, {ORDINAL}, CAST(NULL AS VARCHAR) AS {FILE} FROM ({newest})"
        return (
            f"{create} SELECT {self._keys}, {ORDINAL}, d.{FILE} FROM ({newest}) s "
            f"LEFT JOIN ({facts}, {FILE} FROM {self._target} d WHERE {self.stays}) d USING ({self._keys}) "
            "WHERE d.hash_ IS NULL "
            "OR (s.hash_ <> d.hash_ AND (d.changed_at_ IS NULL OR s.changed_at_ >= d.changed_at_))"
        )

    @property
    def stays(self) -> str:
        """Whether a row `d` of STORED_ROWS is not among those that are removed whatever the load has."""
        plan = self._plan
        if plan.mode == "replace":
            return "false"
        if plan.mode == "append" and plan.window and plan.cursor:
            start, end = self._bound(plan.window.start), self._bound(plan.window.end)
            cursor = f"d.{self._quote(plan.cursor)}"
            return f"({cursor} IS NULL OR {cursor} < {start} OR {cursor} >= {end})"
        if not plan.parent_key:
            return "true"
        if plan.parents is None:  # no row names its parent
            return "false"
        return f"({self.parent_is_in(plan.parents.existing)} AND NOT {self.parent_is_in(plan.parents.read)})"

    def changed_files(self) -> str:
        """The paths of the files with rows that are removed or replaced."""
        files = f"SELECT DISTINCT {FILE} FROM {WRITTEN_ROWS} WHERE {FILE} IS NOT NULL"
        if self.stays == "true":
            return files
        return f"{files} UNION SELECT DISTINCT {FILE} FROM {self._target} d WHERE NOT ({self.stays})"

    def has_written_rows(self) -> str:
        """A query with a row if the load writes rows."""
        return f"SELECT 1 FROM {WRITTEN_ROWS} LIMIT 1"

    def write_files(self, sources: Sequence[str], columns: Mapping[str, ColumnType], folder: Path) -> str:
        """Write the rows of STORED_ROWS that stay, and those of WRITTEN_ROWS, to files in a folder.

        Args:
            sources: Table expressions, see `MergeSql`.
            columns: The columns of the new files.
            folder: A folder that does not exist.
        """
        queries = []
        if self.stays != "false":
            stays = self.stays
            if sources and self._has_unique_key:
                same_key = " AND ".join(f"d.{key} = w.{key}" for key in map(self._quote, self._plan.primary_key))
                stays += f" AND NOT EXISTS (SELECT 1 FROM {WRITTEN_ROWS} w WHERE {same_key})"
            queries.append(f"SELECT {', '.join(map(self._quote, columns))} FROM {self._target} d WHERE {stays}")
        values = [
            self._quote(name) if sources and name in self._table.columns else f"CAST(NULL AS {sql_type(column)})"
            for name, column in columns.items()
        ]
        loaded = ", ".join(f"{value} AS {self._quote(name)}" for value, name in zip(values, columns, strict=True))
        queries += [
            f"SELECT {loaded} FROM {source} s WHERE {ORDINAL} IN (SELECT {ORDINAL} FROM {WRITTEN_ROWS})"
            for source in sources
        ]
        if not queries:
            queries.append(f"SELECT {loaded} WHERE false")
        return (
            f"COPY ({self._union(queries)}) TO {literal(folder)} "
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_PER_GROUP}, FILE_SIZE_BYTES '{FILE_SIZE}')"
        )

    @staticmethod
    def _union(queries: Iterable[str]) -> str:
        return " UNION ALL ".join(queries)
