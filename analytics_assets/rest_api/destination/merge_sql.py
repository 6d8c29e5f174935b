"""SQL that writes fetched rows to their table: what is the same in all databases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dlt.common.schema.typing import TTableSchemaColumns

from analytics_assets.rest_api.destination.duplicate_keys import SAMPLE_KEYS
from analytics_assets.rest_api.destination.parquet_files import ORDINAL
from analytics_assets.rest_api.destination.plan import LoadOutcome, Plan
from analytics_assets.rest_api.windows import ceil, format_timestamp, resolution

LOAD_ID = "_dlt_load_id"
RANK = "rank_"  # no column's name, as ORDINAL

Execute = Callable[[str], Sequence[Sequence[Any]] | None]


@dataclass(frozen=True)
class TargetTable:
    """A table as a database sees it.

    Attributes:
        name: The qualified name, quoted.
        columns: All columns by name, as dlt describes them.
        types: SQL types of the columns.
        quote: Quotes a column's name.
    """

    name: str
    columns: TTableSchemaColumns
    types: Mapping[str, str]
    quote: Callable[[str], str]


class MergeSql(ABC):
    """The statements of one load, which run in one transaction.

    A source is a table expression with all columns of the table, and ORDINAL: of two rows with the same key and the
    same cursor, the one with the greater ordinal wins.
    """

    def __init__(self, plan: Plan, table: TargetTable) -> None:
        self._plan = plan
        self._table = table
        self._target = table.name
        self._quote = table.quote
        self._names = ", ".join(map(table.quote, table.columns))
        self._keys = ", ".join(map(table.quote, plan.primary_key))
        # Appended rows may have the same key.
        self._has_unique_key = bool(plan.primary_key) and plan.mode != "append"

    def prepare_table(self) -> Iterator[str]:
        """Remove the rows that the load replaces."""
        plan, target = self._plan, self._target
        if plan.mode == "replace" and plan.recreate_table:
            yield f"DROP TABLE IF EXISTS {target}"
            yield f"CREATE TABLE {target} ({', '.join(map(self._definition, self._table.columns))})"
            return
        if plan.mode == "replace":
            yield f"DELETE FROM {target}"
        elif plan.mode == "append" and plan.window and plan.cursor:
            start, end = self._bound(plan.window.start), self._bound(plan.window.end)
            cursor = self._quote(plan.cursor)
            yield f"DELETE FROM {target} WHERE {cursor} >= {start} AND {cursor} < {end}"
        elif plan.parent_key:
            yield from self._delete_rows_of_parents()

    def _delete_rows_of_parents(self) -> Iterator[str]:
        """Delete the rows of parents that were read, and of parents that do not exist.

        Two statements, because PostgreSQL does not hash the keys if OR joins the conditions.
        """
        if self._plan.parents is None:  # no row names its parent
            yield f"DELETE FROM {self._target}"
            return
        yield f"DELETE FROM {self._target} d WHERE {self.parent_is_in(self._plan.parents.read)}"
        yield f"DELETE FROM {self._target} d WHERE NOT {self.parent_is_in(self._plan.parents.existing)}"

    def parent_is_in(self, file: Path) -> str:
        """The condition that the parent of a row `d` is in one of `Plan.parents`."""
        same_parent = " AND ".join(f"d.{name} = p.{name}" for name in map(self._quote, self._plan.parent_key))
        return f"EXISTS (SELECT 1 FROM {self.parent_keys(file)} p WHERE {same_parent})"

    @abstractmethod
    def parent_keys(self, file: Path) -> str:
        """The rows of one of `Plan.parents` as a table expression."""

    def find_gone_rows(self, sources: Sequence[str], execute: Execute, outcome: LoadOutcome) -> None:
        """Count the stored rows whose key is in none of the sources, before any row is removed or written."""
        if not self._plan.counts_gone_rows:
            return
        gone = f"FROM {self._target} d"
        if sources:
            loaded = " UNION ALL ".join(f"SELECT {self._keys} FROM {source} l" for source in sources)
            same_key = " AND ".join(f"s.{key} = d.{key}" for key in map(self._quote, self._plan.primary_key))
            gone += f" WHERE NOT EXISTS (SELECT 1 FROM ({loaded}) s WHERE {same_key})"
        [[outcome.rows_gone]] = execute(f"SELECT COUNT(*) {gone}") or [[None]]
        if outcome.rows_gone:
            sample = execute(f"SELECT {self._keys} {gone} LIMIT {SAMPLE_KEYS}") or ()
            outcome.gone_keys = tuple(map(tuple, sample))

    def find_overwritten_rows(self, sources: Sequence[str], execute: Execute, outcome: LoadOutcome) -> None:
        """Count the stored rows of other parents that have a key of the sources, before any row is written."""
        columns = [self._quote(name) for name in self._plan.read_columns if name in self._table.columns]
        if not (sources and columns and self._has_unique_key) or self._plan.mode == "replace":
            return
        names = ", ".join([self._keys, *columns])
        loaded = " UNION ALL ".join(f"SELECT {names} FROM {source} l" for source in sources)
        same_key = " AND ".join(f"s.{key} = d.{key}" for key in map(self._quote, self._plan.primary_key))
        differs = " OR ".join(self._differ(f"s.{column}", f"d.{column}") for column in columns)
        [[outcome.overwritten_rows]] = execute(
            f"SELECT COUNT(*) FROM {self._target} d "
            f"WHERE EXISTS (SELECT 1 FROM ({loaded}) s WHERE {same_key} AND ({differs}))"
        ) or [[0]]

    def _definition(self, column: str) -> str:
        nullable = "" if self._table.columns[column].get("nullable", True) else " NOT NULL"
        return f"{self._quote(column)} {self._table.types[column]}{nullable}"

    def _insert(self, source: str) -> str:
        return f"INSERT INTO {self._target} ({self._names}) SELECT {self._names} FROM {source} s"

    @property
    def _changed_at(self) -> str | None:
        """When a row changed, if there is a cursor."""
        return self._quote(self._plan.cursor) if self._plan.cursor else None

    def _rank(self, changed_at: str | None, ordinal: str) -> str:
        """A row's rank among the rows of its key: the newest is 1, of equals the last one read."""
        newest_first = [f"{changed_at} DESC NULLS LAST"] if changed_at else []
        order = ", ".join([*newest_first, f"{ordinal} DESC"])
        return f"ROW_NUMBER() OVER (PARTITION BY {self._keys} ORDER BY {order}) AS {RANK}"

    def _compared_columns(self) -> list[str]:
        """The columns that make a row a changed one. The load id does not: an unchanged row keeps its first one."""
        return [name for name in self._table.columns if name not in (*self._plan.primary_key, LOAD_ID)]

    def _newest(self, source: str) -> str:
        """The newest row of each key."""
        ranked = f"SELECT {self._names}, {ORDINAL}, {self._rank(self._changed_at, ORDINAL)} FROM {source} l"
        return f"(SELECT {self._names}, {ORDINAL} FROM ({ranked}) r WHERE {RANK} = 1)"

    def _merge(self, source: str) -> str:
        """Standard MERGE of rows with unique keys."""
        names = [self._quote(name) for name in self._table.columns]
        values = [self._quote(name) for name in self._table.columns if name not in self._plan.primary_key]
        update = ", ".join(f"{name} = s.{name}" for name in values)
        return (
            f"MERGE INTO {self._target} d USING {source} s ON {self._same_key()} "
            + (f"WHEN MATCHED AND {self._replaces()} THEN UPDATE SET {update} " if values else "")
            + f"WHEN NOT MATCHED THEN INSERT ({self._names}) VALUES ({', '.join(f's.{name}' for name in names)})"
        )

    def _same_key(self) -> str:
        return " AND ".join(f"d.{key} = s.{key}" for key in map(self._quote, self._plan.primary_key))

    def _replaces(self) -> str:
        """Whether a row `s` of the load replaces the stored row `d` with the same key."""
        changed = " OR ".join(
            self._differ(self._comparable(name, "d."), self._comparable(name, "s."))
            for name in self._compared_columns()
        )
        replaces = f"({changed})" if changed else "1 = 0"
        if cursor := self._changed_at:
            replaces += f" AND (d.{cursor} IS NULL OR s.{cursor} >= d.{cursor})"
        return replaces

    def _differ(self, one: str, other: str) -> str:
        return f"{one} IS DISTINCT FROM {other}"

    def _comparable(self, column: str, alias: str) -> str:
        """The column as a value that can be compared: JSON cannot."""
        name = alias + self._quote(column)
        return f"CAST({name} AS VARCHAR)" if self._table.columns[column].get("data_type") == "json" else name

    def _bound(self, timestamp: datetime) -> str:
        """An end of the window as a literal of the cursor's type."""
        data_type = self._table.columns[self._plan.cursor or ""].get("data_type")
        return cursor_literal(timestamp, data_type, self._plan.cursor_format)


def cursor_literal(timestamp: datetime, data_type: str | None, format: str) -> str:
    """A bound of a window as a literal of a cursor's type: a timestamp, a date, or a number of an epoch.

    Args:
        timestamp: The bound.
        data_type: dlt's data type of the cursor's column.
        format: `incremental.format`.
    """
    if data_type == "timestamp":
        return f"CAST('{format_timestamp(timestamp, 'iso8601')}' AS TIMESTAMP WITH TIME ZONE)"
    if data_type == "date":
        return f"CAST('{format_timestamp(ceil(timestamp, 'day'), 'date')}' AS DATE)"
    return format_timestamp(ceil(timestamp, resolution(format)), format)
