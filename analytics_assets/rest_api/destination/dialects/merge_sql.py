"""Merge SQL for warehouses: rows are loaded into a staging table, and written to their table from there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from analytics_assets.rest_api.destination.dialects.dialect import Dialect
from analytics_assets.rest_api.destination.merge_sql import LOAD_ID, RANK, MergeSql, TargetTable
from analytics_assets.rest_api.destination.parquet_files import ORDINAL
from analytics_assets.rest_api.destination.plan import Plan
from analytics_assets.rest_api.errors import WarehouseError


@dataclass(frozen=True)
class StagingTables:
    """Names of the tables of one load, qualified and quoted.

    Attributes:
        rows: The load's rows, with all columns of the table but LOAD_ID, and ORDINAL.
        read_parents: The rows of `Plan.parents.read`.
        existing_parents: The rows of `Plan.parents.existing`.
        widened: The stored rows while the table gets wider types.
    """

    rows: str
    read_parents: str
    existing_parents: str
    widened: str


class DialectMergeSql(MergeSql):
    """The statements of one load into a warehouse.

    With transactions, the statements that write rows are one transaction. Without them, a single MERGE writes the rows
    if that is possible. Otherwise rows are inserted before the rows that they replace are deleted: an interrupted load
    leaves some rows twice, none is missing, and the next load of these rows deletes the older ones. Each attempt
    needs a load id of its own.
    """

    def __init__(self, plan: Plan, table: TargetTable, dialect: Dialect, staging: StagingTables, load_id: str) -> None:
        super().__init__(plan, table)
        self._dialect = dialect
        self._staging = staging
        self._load_id = load_id
        self._staged = [name for name in table.columns if name != LOAD_ID]

    @property
    def source(self) -> str:
        """The rows of the load as a table expression."""
        names = ", ".join(map(self._quote, self._staged))
        load_id = ""
        if LOAD_ID in self._table.columns:
            load_id = f"CAST('{self._load_id}' AS {self._table.types[LOAD_ID]}) AS {self._quote(LOAD_ID)}, "
        return f"(SELECT {names}, {load_id}{ORDINAL} FROM {self._staging.rows})"

    def create_staging(self, ordinal_type: str) -> Iterator[str]:
        """Create the tables that the rows of the load, and the keys of parents, are loaded into.

        Args:
            ordinal_type: The type of ORDINAL.
        """
        columns = [*map(self._definition, self._staged), f"{ORDINAL} {ordinal_type}"]
        yield f"CREATE TABLE {self._staging.rows} ({', '.join(columns)}){self._engine()}"
        key = self._plan.parent_key
        definitions = ", ".join(map(self._definition, key))
        for table in self._parent_tables():
            yield f"CREATE TABLE {table} ({definitions}){self._engine(key)}"

    def drop_staging(self) -> Iterator[str]:
        """Drop all tables of the load."""
        yield f"DROP TABLE {self._staging.rows}"
        yield from (f"DROP TABLE {table}" for table in self._parent_tables())

    def _parent_tables(self) -> tuple[str, ...]:
        return (self._staging.read_parents, self._staging.existing_parents) if self._plan.parents else ()

    def update_table(self, stored: Sequence[str] | None) -> Iterator[str]:
        """Create the table, or the columns that it lacks, and widen columns.

        Args:
            stored: The columns that the table has; None if there is no table.

        Raises:
            WarehouseError: Whole numbers of a column would have to move to columns of other types.
        """
        if self._plan.recreate_table:
            return
        if stored is None:
            yield self._create()
            return
        for name in self._table.columns:
            if name not in stored:
                yield f"ALTER TABLE {self._target} ADD COLUMN {self._definition(name)}"
        for name, widening in self._plan.widen.items():
            if widening.variants:
                raise WarehouseError(
                    f"column {name!r} of {self._plan.table} is {widening.old} in the warehouse and {widening.new} in "
                    f"this load: {self._dialect.destination} cannot change it. Run the full refresh, which creates the "
                    "table anew"
                )
        if self._plan.widen:
            yield from self._widen()

    def write_rows(self) -> Iterator[str]:
        """Remove the rows that the load replaces, and write its rows."""
        plan, dialect = self._plan, self._dialect
        rows = self._newest(self.source) if self._has_unique_key else self.source
        if plan.mode == "replace" and plan.recreate_table:
            yield from self._recreate(rows)
        elif dialect.has_transactions:
            yield "BEGIN TRANSACTION"
            yield from self.prepare_table()
            if plan.mode != "merge" or not self._has_unique_key:
                yield self._insert(rows)
            elif dialect.has_merge:
                yield self._merge(rows)
            else:
                yield from self._delete_and_insert()
            yield "COMMIT"
        elif plan.mode == "merge" and self._has_unique_key and dialect.has_merge and not plan.parent_key:
            yield self._merge(rows)
        else:
            yield from self._insert_and_delete(rows)

    def prepare_table(self) -> Iterator[str]:
        if replaced := self._is_replaced():
            yield f"DELETE FROM {self._target} WHERE {replaced}"

    def parent_keys(self, file: Path) -> str:
        parents = self._plan.parents
        return self._staging.read_parents if parents and file == parents.read else self._staging.existing_parents

    def _is_replaced(self) -> str | None:
        """Whether the load replaces a stored row, whatever its key; None if it replaces none."""
        plan = self._plan
        if plan.mode == "replace":
            return "1 = 1"
        if plan.mode == "append" and plan.window and plan.cursor:
            start, end = self._bound(plan.window.start), self._bound(plan.window.end)
            cursor = self._quote(plan.cursor)
            return f"{cursor} >= {start} AND {cursor} < {end}"
        if plan.parent_key:
            return f"NOT {self._parent_is_kept()}" if plan.parents else "1 = 1"
        return None

    def _parent_is_kept(self) -> str:
        key, staging = self._plan.parent_key, self._staging
        return f"({self._is_in(key, staging.existing_parents)} AND NOT {self._is_in(key, staging.read_parents)})"

    def _is_in(self, columns: Sequence[str], rows: str) -> str:
        """Whether the values of the columns are in these rows. The names of the outer table need no alias."""
        names = list(map(self._quote, columns))
        if self._dialect.has_tuple_in:
            return f"(({', '.join(names)}) IN (SELECT {', '.join(names)} FROM {rows}))"
        renamed = ", ".join(f"{name} AS key_{number}_" for number, name in enumerate(names))
        same = " AND ".join(f"k.key_{number}_ = {name}" for number, name in enumerate(names))
        return f"EXISTS (SELECT 1 FROM (SELECT {renamed} FROM {rows}) k WHERE {same})"

    def _delete_and_insert(self) -> Iterator[str]:
        """Merge without MERGE, in a transaction: only the rows that are written stay in the staging table."""
        staged, key = self._staging.rows, self._plan.primary_key
        ranked = f"SELECT {ORDINAL}, {self._rank(self._changed_at, ORDINAL)} FROM {staged} l"
        yield f"DELETE FROM {staged} WHERE {ORDINAL} IN (SELECT {ORDINAL} FROM ({ranked}) r WHERE {RANK} > 1)"
        stays = f"CASE WHEN {self._replaces()} THEN 0 ELSE 1 END = 1"
        stored = f"SELECT s.{ORDINAL} FROM {staged} s JOIN {self._target} d ON {self._same_key()} WHERE {stays}"
        yield f"DELETE FROM {staged} WHERE {ORDINAL} IN ({stored})"
        yield f"DELETE FROM {self._target} WHERE {self._is_in(key, staged)}"
        yield self._insert(self.source)

    def _insert_and_delete(self, rows: str) -> Iterator[str]:
        """Write without a transaction. Unchanged rows are written too, so that an interrupted load is repaired."""
        plan, replaced = self._plan, self._is_replaced()
        merges = plan.mode == "merge" and self._has_unique_key
        insert = self._insert(rows)
        if merges and self._changed_at and not (plan.parent_key and not plan.parents):
            insert += f" WHERE {ORDINAL} NOT IN ({self._older_than_stored()})"
        yield insert
        conditions = [replaced] if replaced else []
        if merges:
            own = f"(SELECT {self._keys} FROM {self._target} WHERE {self._quote(LOAD_ID)} = '{self._load_id}') o"
            conditions.append(self._is_in(plan.primary_key, own))
        if conditions:
            yield (
                f"DELETE FROM {self._target} WHERE {self._quote(LOAD_ID)} <> '{self._load_id}' "
                f"AND ({' OR '.join(f'({condition})' for condition in conditions)})"
            )

    def _older_than_stored(self) -> str:
        """The ordinals of rows that are older than a stored row which is not replaced as a whole."""
        cursor, kept = self._changed_at, self._target
        if self._plan.parent_key:
            kept = f"(SELECT {self._names} FROM {self._target} WHERE {self._parent_is_kept()})"
        older = f"s.{cursor} < d.{cursor} OR (s.{cursor} IS NULL AND d.{cursor} IS NOT NULL)"
        return f"SELECT s.{ORDINAL} FROM {self._staging.rows} s JOIN {kept} d ON {self._same_key()} WHERE {older}"

    def _recreate(self, rows: str) -> Iterator[str]:
        if self._dialect.replaces_tables:
            yield f"CREATE OR REPLACE TABLE {self._target}{self._engine()} AS SELECT {self._names} FROM {rows} s"
            return
        yield "BEGIN TRANSACTION"
        yield f"DROP TABLE IF EXISTS {self._target}"
        yield self._create()
        yield self._insert(rows)
        yield "COMMIT"

    def _widen(self) -> Iterator[str]:
        selected = ", ".join(
            f"CAST({self._quote(name)} AS {self._type(name)}) AS {self._quote(name)}"
            if name in self._plan.widen
            else self._quote(name)
            for name in self._table.columns
        )
        widened, engine = f"SELECT {selected} FROM {self._target} t", self._engine()
        if self._dialect.replaces_tables:
            yield f"CREATE OR REPLACE TABLE {self._target}{engine} AS {widened}"
            return
        yield "BEGIN TRANSACTION"
        yield f"CREATE TABLE {self._staging.widened} AS {widened}"
        yield f"DROP TABLE {self._target}"
        yield self._create()
        yield self._insert(self._staging.widened)
        yield f"DROP TABLE {self._staging.widened}"
        yield "COMMIT"

    def _create(self) -> str:
        definitions = ", ".join(map(self._definition, self._table.columns))
        return f"CREATE TABLE {self._target} ({definitions}){self._engine()}"

    def _engine(self, key: Sequence[str] | None = None) -> str:
        """How a table is stored: sorted by its key, if no column of the key can be NULL."""
        key = self._plan.primary_key if key is None else key
        columns = () if any(map(self._is_nullable, key)) else map(self._quote, key)
        return self._dialect.engine.format(", ".join(columns))

    def _is_nullable(self, column: str) -> bool:
        return bool(self._table.columns[column].get("nullable", True))

    def _type(self, column: str) -> str:
        """The type of a column's values, without NOT NULL."""
        sql_type = self._table.types[column]
        return self._dialect.nullable_type.format(sql_type) if self._is_nullable(column) else sql_type

    def _definition(self, column: str) -> str:
        sql_type, dialect = self._table.types[column], self._dialect
        definition = dialect.nullable_type if self._is_nullable(column) else dialect.required_type
        return f"{self._quote(column)} {definition.format(sql_type)}"

    def _differ(self, one: str, other: str) -> str:
        """Not every warehouse has IS DISTINCT FROM."""
        return f"({one} <> {other} OR ({one} IS NULL) <> ({other} IS NULL))"

    def _comparable(self, column: str, alias: str) -> str:
        name = alias + self._quote(column)
        is_json = self._table.columns[column].get("data_type") == "json"
        return self._dialect.json_text.format(name) if is_json else name

    def _bound(self, timestamp: datetime) -> str:
        cursor = self._plan.cursor or ""
        data_type = self._table.columns[cursor].get("data_type")
        if data_type not in ("timestamp", "date"):
            return super()._bound(timestamp)
        text = super()._bound(timestamp).split("'")[1]
        if data_type == "timestamp":  # the type of a ClickHouse column names UTC, and its values no offset
            text = f"{timestamp.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S.%f}"
            text += "" if "'UTC'" in self._table.types[cursor] else "+00:00"
        return f"CAST('{text}' AS {self._table.types[cursor]})"
