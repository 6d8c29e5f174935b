"""The last step of a load: how fetched rows get into their table, in one SQL transaction.

dlt creates tables and carries files. On DuckDB the step reads the parquet files themselves (`duckdb_load`); on other
destinations it reads the staging table that dlt filled, and the statements are standard MERGE, DELETE and INSERT.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from dlt.common.destination import PreparedTableSchema
from dlt.common.destination.client import FollowupJobRequest, LoadJob, RunnableLoadJob
from dlt.common.schema.typing import TSchemaTables
from dlt.common.storages.load_package import LoadJobInfo, ParsedLoadJobFileName
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.job_impl import FollowupJobRequestImpl

from analytics_assets.rest_api.windows import Window, ceil, format_timestamp, resolution

Mode = Literal["merge", "append", "replace"]
RANK = "rank_"  # no column's name: dlt lets none end so
CHANGED_ROWS = "temp.chosen_"


@dataclass(frozen=True)
class Plan:
    """What a load does to its table. Columns are named as in the destination.

    merge: rows are upserted by `primary_key`; a row never replaces one with a greater `cursor`.
    append: the rows take the place of those that the table holds of `window`.
    replace: the rows take the place of all; with `fresh` the table is created anew, with this load's columns only.
    """

    table: str
    mode: Mode
    primary_key: tuple[str, ...] = ()
    cursor: str | None = None
    cursor_format: str = "iso8601"
    window: Window | None = None
    recreate_table: bool = False


class MergeSql:
    """A plan's SQL for one table: `quote` quotes a column name, `create` are the statements that create the table."""

    def __init__(
        self,
        plan: Plan,
        table: PreparedTableSchema,
        target: str,
        *,
        quote: Callable[[str], str],
        create: Sequence[str],
    ) -> None:
        self._plan = plan
        self.columns = table["columns"]
        self.target = target
        self._quote = quote
        self._create = create
        self._names = ", ".join(map(quote, self.columns))
        self._keys = ", ".join(map(quote, plan.primary_key))

    def build(
        self,
        sources: Sequence[str],
        *,
        ordinal_column: str | None = None,
        rowid_column: str | None = None,
        target_is_empty: bool = False,
    ) -> Iterator[str]:
        """The statements of one transaction, over sources in the order of their arrival.

        `arrival` is a column of the sources, growing with arrival: of two equal rows the later one counts. `row` is the
        same of the table's own rows, in DuckDB. `into_empty` says that the table has none yet.
        """
        yield from self._clear_target()
        empty = target_is_empty or self._plan.mode == "replace"
        if not self._plan.primary_key or self._plan.mode == "append":
            yield from map(self._insert, sources)
        elif empty and rowid_column:
            # Half the time of merging into nothing.
            yield from map(self._insert, sources)
            yield self._delete_older_duplicates(rowid_column)
        elif empty and len(sources) == 1:
            yield self._insert(self._newest(sources[0], ordinal_column))
        else:
            for source in sources:
                if ordinal_column and rowid_column:
                    yield from self._delete_and_insert(source, ordinal_column, rowid_column)
                else:
                    yield self._merge(self._newest(source, ordinal_column))

    def _clear_target(self) -> Iterator[str]:
        plan = self._plan
        if plan.mode == "replace" and plan.recreate_table:
            yield f"DROP TABLE IF EXISTS {self.target}"
            yield from self._create
        elif plan.mode == "replace":
            yield f"DELETE FROM {self.target}"
        elif plan.mode == "append" and plan.window and plan.cursor:
            start, end = self._bound(plan.window.start), self._bound(plan.window.end)
            cursor = self._moment(plan.cursor)
            yield f"DELETE FROM {self.target} WHERE {cursor} >= {start} AND {cursor} < {end}"

    def _insert(self, source: str) -> str:
        return f"INSERT INTO {self.target} ({self._names}) SELECT {self._names} FROM {source} s"

    def _newest(self, source: str, ordinal_column: str | None) -> str:
        """The source's rows, one per key: the one with the greatest cursor, among equals the last to arrive."""
        ranked = f"SELECT {self._names}, {self._rank(self._changed, ordinal_column)} FROM {source}"
        return f"(SELECT {self._names} FROM ({ranked}) r WHERE {RANK} = 1)"

    @property
    def _changed(self) -> str | None:
        """When a row changed, if the cursor says so."""
        return self._moment(self._plan.cursor) if self._plan.cursor else None

    def _rank(self, changed: str | None, ordinal_column: str | None) -> str:
        """A row's rank among those of its key."""
        order = [f"{changed} DESC NULLS LAST"] if changed else []
        order += [f"{ordinal_column} DESC"] if ordinal_column else []
        return f"ROW_NUMBER() OVER (PARTITION BY {self._keys} ORDER BY {', '.join(order) or self._keys}) AS {RANK}"

    def _delete_older_duplicates(self, rowid_column: str) -> str:
        """Deletes what `_newest` would have left out; keys that are there once cost no more than to be counted."""
        keys, target = self._keys, self.target
        twice = f"SELECT {keys} FROM {target} GROUP BY {keys} HAVING COUNT(*) > 1"
        rank = self._rank(self._changed, rowid_column)
        ranked = f"SELECT {rowid_column} AS beaten_, {rank} FROM {target} SEMI JOIN ({twice}) t USING ({keys})"
        return f"DELETE FROM {target} WHERE {rowid_column} IN (SELECT beaten_ FROM ({ranked}) r WHERE {RANK} > 1)"

    def _delete_and_insert(self, source: str, ordinal_column: str, rowid_column: str) -> Iterator[str]:
        """What `_merge` does, in memory that does not grow with the rows that change: DuckDB's MERGE holds all of them.

        Rows are compared by a hash of 64 bits, since DuckDB cannot join wide rows in little memory either.
        """
        compared = ", ".join(["0", *map(self._quote, self._compared())])
        facts = f"SELECT {self._keys}, {self._changed or 0} AS changed_, hash({compared}) AS hash_"
        ranked = f"SELECT *, {self._rank('changed_', 'new_')} FROM ({facts}, {ordinal_column} AS new_ FROM {source})"
        yield (
            f"CREATE TEMP TABLE {CHANGED_ROWS} AS SELECT old_, new_ FROM (SELECT * FROM ({ranked}) r WHERE {RANK} = 1) s "
            f"LEFT JOIN ({facts}, {rowid_column} AS old_ FROM {self.target}) d USING ({self._keys}) WHERE old_ IS NULL "
            "OR (s.hash_ <> d.hash_ AND (d.changed_ IS NULL OR s.changed_ >= d.changed_))"
        )
        yield f"DELETE FROM {self.target} WHERE {rowid_column} IN (SELECT old_ FROM {CHANGED_ROWS})"
        yield f"{self._insert(source)} WHERE {ordinal_column} IN (SELECT new_ FROM {CHANGED_ROWS})"
        yield f"DROP TABLE {CHANGED_ROWS}"

    def _compared(self) -> list[str]:
        """The columns whose values make a change. The load id alone does not: such a row is not written again."""
        return [name for name in self.columns if name not in (*self._plan.primary_key, "_dlt_load_id")]

    def _merge(self, source: str) -> str:
        names = [self._quote(name) for name in self.columns]
        keys = [self._quote(key) for key in self._plan.primary_key]
        values = [name for name in names if name not in keys]
        changed = " OR ".join(
            f"{self._comparable(name, 'd.')} IS DISTINCT FROM {self._comparable(name, 's.')}"
            for name in self._compared()
        )
        when = f"({changed})" if changed else "1 = 0"
        if self._plan.cursor:
            old, new = self._moment(self._plan.cursor, "d."), self._moment(self._plan.cursor, "s.")
            when += f" AND ({old} IS NULL OR {new} >= {old})"
        update = ", ".join(f"{name} = s.{name}" for name in values)
        return (
            f"MERGE INTO {self.target} d USING {source} s ON {' AND '.join(f'd.{key} = s.{key}' for key in keys)} "
            + (f"WHEN MATCHED AND {when} THEN UPDATE SET {update} " if values else "")
            + f"WHEN NOT MATCHED THEN INSERT ({self._names}) VALUES ({', '.join(f's.{name}' for name in names)})"
        )

    def _comparable(self, column: str, alias: str) -> str:
        """The column as something that can be compared: JSON cannot on PostgreSQL."""
        name = alias + self._quote(column)
        return f"CAST({name} AS VARCHAR)" if self.columns[column].get("data_type") == "json" else name

    def _moment(self, column: str, alias: str = "") -> str:
        """The column as something that orders as time does: text such as `...00Z` and `...00.5Z` does not."""
        name = alias + self._quote(column)
        is_text = self.columns[column].get("data_type") == "text"
        if is_text and self._plan.cursor_format in ("epoch_s", "epoch_ms"):
            return f"CAST({name} AS BIGINT)"
        return f"CAST({name} AS TIMESTAMP WITH TIME ZONE)" if is_text else name

    def _bound(self, moment: datetime) -> str:
        """A window's edge as a literal that compares with `_moment`."""
        kind, format = self.columns[self._plan.cursor or ""].get("data_type"), self._plan.cursor_format
        if format in ("epoch_s", "epoch_ms") and kind not in ("timestamp", "date"):
            return format_timestamp(ceil(moment, resolution(format)), format)
        if kind == "date":
            return f"CAST('{format_timestamp(ceil(moment, 'day'), 'date')}' AS DATE)"
        return f"CAST('{format_timestamp(moment, 'iso8601')}' AS TIMESTAMP WITH TIME ZONE)"


class SqlTransactionJob(RunnableLoadJob):
    """Runs the plan's statements in one transaction. dlt's own job would cut them at each semicolon, a path's too."""

    def run(self) -> None:
        client = self._job_client
        assert isinstance(client, SqlJobClientBase)
        sql = client.sql_client
        with sql.begin_transaction():
            for statement in json.loads(Path(self._file_path).read_text()):
                sql.execute_sql(statement)


class MergeClientMixin(SqlJobClientBase):
    """Mixin for a dlt SQL client: the plan's table is staged, and its last step is the plan's statements."""

    plan: ClassVar[Plan]
    transaction_job: ClassVar[type[SqlTransactionJob]] = SqlTransactionJob
    ordinal_column: ClassVar[str | None] = None  # a column of the staging table that grows with arrival

    def should_load_data_to_staging_dataset(self, table_name: str) -> bool:
        return table_name == self.plan.table

    def update_stored_schema(
        self,
        only_tables: Any = None,
        expected_update: Any = None,
        force: bool = False,  # noqa: ARG002
    ) -> TSchemaTables | None:
        # dlt believes its own record of the schema; a table that somebody dropped would be missed.
        return super().update_stored_schema(only_tables, expected_update, force=True)

    def create_table_chain_completed_followup_jobs(
        self,
        table_chain: Sequence[PreparedTableSchema],
        completed_table_chain_jobs: Sequence[LoadJobInfo] | None = None,
    ) -> list[FollowupJobRequest]:
        table = table_chain[0]
        if table["name"] != self.plan.table:
            return super().create_table_chain_completed_followup_jobs(table_chain, completed_table_chain_jobs)
        create = self._get_table_update_sql(table["name"], list(table["columns"].values()), generate_alter=False)
        target = self.sql_client.make_qualified_table_name(table["name"])
        statements = MergeSql(self.plan, table, target, quote=self.sql_client.escape_column_name, create=create)
        sql = self.merge_statements(statements, [job.file_path for job in completed_table_chain_jobs or []])
        name = ParsedLoadJobFileName(table["name"], ParsedLoadJobFileName.new_file_id(), 0, "sql").file_name()
        job = FollowupJobRequestImpl(name)
        job._save_text_file(json.dumps(list(sql)))
        return [job]

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        if table["name"] == self.plan.table and file_path.endswith(".sql"):
            return self.transaction_job(file_path)
        return super().create_load_job(table, file_path, load_id, restore)

    def merge_statements(self, statements: MergeSql, files: Sequence[str]) -> Iterable[str]:  # noqa: ARG002
        with self.sql_client.with_staging_dataset():
            staging = self.sql_client.make_qualified_table_name(self.plan.table)
        return statements.build([staging], ordinal_column=self.ordinal_column)
