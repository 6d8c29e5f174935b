"""The dlt destination PostgreSQL. Imports its driver, psycopg2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from dlt.common.schema.typing import TSchemaTables
from dlt.destinations import postgres
from dlt.destinations.exceptions import DatabaseException
from dlt.destinations.impl.postgres.configuration import PostgresClientConfiguration
from dlt.destinations.impl.postgres.postgres import PostgresClient

from analytics_assets.rest_api.arrow.table_columns import READ_NUMBER
from analytics_assets.rest_api.destination.dlt_client import SqlTableClient, TableDestination
from analytics_assets.rest_api.destination.merge_sql import TargetTable
from analytics_assets.rest_api.destination.parents.columns import StoredField
from analytics_assets.rest_api.destination.parquet_files import read_batches
from analytics_assets.rest_api.destination.postgres.locks import acquire_lock
from analytics_assets.rest_api.destination.postgres.merge_sql import LOADED_ROWS, PostgresMergeSql
from analytics_assets.rest_api.destination.widening import widen_columns
from analytics_assets.rest_api.errors import BusyError
from analytics_assets.rest_api.state.postgres_database import KEEPALIVES

COPY_BATCH_ROWS = 20_000  # rows that are text in memory at the same time
STREAM_ROWS = 10_000
# Each statement sees what others have committed, also while the transaction waited for a lock. The server soon ends the
# connection of a machine that has vanished, and with it the locks: by keepalives, or by tcp_user_timeout if the machine
# has not confirmed a result.
TRANSACTION_SETTINGS = """
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET LOCAL tcp_keepalives_idle = 30; SET LOCAL tcp_keepalives_interval = 10; SET LOCAL tcp_keepalives_count = 3;
SET LOCAL tcp_user_timeout = 60000
"""
ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))


class PostgresTableClient(SqlTableClient, PostgresClient):
    """Loads one table into a PostgreSQL database, beside other loads: see `locks`."""

    def initialize_storage(self, truncate_tables: Iterable[str] | None = None) -> None:
        """Nothing: `update_stored_schema` creates the dataset."""

    def update_stored_schema(
        self,
        only_tables: Any = None,  # noqa: ARG002
        expected_update: Any = None,  # noqa: ARG002
        force: bool = False,  # noqa: ARG002
    ) -> TSchemaTables | None:
        """Create the dataset and dlt's tables, and store dlt's schema, if any is missing. Only then is it locked."""
        own_tables = self.schema.dlt_table_names()
        if not self._missing(own_tables) and self.get_stored_schema_by_hash(self.schema.stored_version_hash):
            return {}
        with self._transaction():
            self._lock(self.sql_client.dataset_name)
            if not self.is_storage_initialized():
                self.sql_client.create_dataset()
            self._create_missing(own_tables)
            if not self.get_stored_schema_by_hash(self.schema.stored_version_hash):
                self._update_schema_in_storage(self.schema)
        return {}

    def load_files(self, table: TargetTable, files: Sequence[Path], load_id: str) -> None:
        """Copy the rows to a temporary table, beside other loads; then lock the table, and write them to it."""
        sql, merge, name = self.sql_client, PostgresMergeSql(self.plan, table), self.plan.table
        with self._transaction():
            sql.execute_sql(merge.create_loaded_rows())
            for file in files:
                self._copy(file, merge)
            self._lock(f"{sql.dataset_name}.{name}")
            self.settle()
            known, table = table, self.target(self.prepare_load_table(name))
            merge = PostgresMergeSql(self.plan, table)
            for statement in merge.add_columns([column for column in table.columns if column not in known.columns]):
                sql.execute_sql(statement)
            if not self.plan.recreate_table:
                self._create_missing([name])
            if parents := self.plan.parents:
                for keys in (parents.read, parents.existing):
                    sql.execute_sql(merge.create_parent_keys(keys))
                    self._copy(keys, merge, table=merge.parent_keys(keys))
            merge.find_gone_rows([LOADED_ROWS], sql.execute_sql, self.outcome)
            merge.find_overwritten_rows([LOADED_ROWS], sql.execute_sql, self.outcome)
            widening = widen_columns(self.plan, table, sql.execute_sql)
            for statement in (*widening, *merge.prepare_table(), *merge.write_rows(load_id)):
                sql.execute_sql(statement)

    @contextmanager
    def stable_table(self, table: str) -> Iterator[None]:
        with self._transaction():
            if self.get_storage_table(table)[0]:
                self.sql_client.execute_sql(
                    f"LOCK TABLE {self.sql_client.make_qualified_table_name(table)} IN ACCESS SHARE MODE"
                )
            yield

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A transaction beside other loads.

        Raises:
            BusyError: A statement waited too long for a session that is not a load.
        """
        with self.sql_client.begin_transaction():
            self.sql_client.execute_sql(TRANSACTION_SETTINGS)
            try:
                yield
            except DatabaseException as error:
                if not isinstance(error.dbapi_exception, psycopg2.errors.LockNotAvailable):
                    raise
                raise BusyError(
                    f"another session has locked {self.sql_client.dataset_name}.{self.plan.table} in PostgreSQL for "
                    "too long: end transactions that are open there, and run again"
                ) from None

    def _lock(self, place: str) -> None:
        table = f"{self.sql_client.dataset_name}.{self.plan.table}"
        acquire_lock(self.sql_client.native_connection, place, table=table, seconds=self.lock_seconds, log=self.log)

    def _missing(self, tables: Sequence[str]) -> list[str]:
        """The statements that create tables of dlt's schema, or the columns that they lack."""
        statements, _ = self._build_schema_update_sql(list(self.get_storage_tables(tables)))
        return statements

    def _create_missing(self, tables: Sequence[str]) -> None:
        for statement in self._missing(tables):
            self.sql_client.execute_sql(statement)

    def _copy(self, path: Path, merge: PostgresMergeSql, *, table: str = LOADED_ROWS) -> None:
        with pq.ParquetFile(path) as file, self.sql_client.native_connection.cursor() as cursor:
            names = [name for name in file.schema_arrow.names if name != READ_NUMBER]
            statement = merge.copy(names, table=table)
            for batch in read_batches(file, COPY_BATCH_ROWS, columns=names):
                try:
                    cursor.copy_expert(statement, BytesIO("".join(copy_lines(batch)).encode()))
                except Exception as error:  # dlt's classes of errors decide whether a job is tried again
                    raise self.sql_client._make_database_exception(error) from error

    def stream(self, query: str) -> Iterator[Sequence[Sequence[Any]]]:
        execute = self.sql_client.execute_sql
        execute(f"DECLARE streamed_rows NO SCROLL CURSOR WITH HOLD FOR {query}")
        while rows := execute(f"FETCH {STREAM_ROWS} FROM streamed_rows"):
            yield rows
        execute("CLOSE streamed_rows")

    def text_of(self, field: StoredField) -> str:
        value, data_type = self.sql_client.escape_column_name(field.column), field.type.data_type
        if data_type == "timestamp":
            return f"CAST(EXTRACT(EPOCH FROM {value}) * 1000000 AS BIGINT)"
        if data_type == "date":
            return f"to_char({value}, 'YYYY-MM-DD')"
        if field.path:
            steps = ", ".join("'" + step.replace("'", "''") + "'" for step in field.path)
            value = f"{value} #> ARRAY[{steps}]"
        return f"NULLIF(CAST({value} AS TEXT), 'null')" if data_type == "json" else f"CAST({value} AS TEXT)"


class PostgresDestination(TableDestination, postgres):
    """dlt's PostgreSQL destination, loading one table by a plan."""

    @property
    def client_class(self) -> type[PostgresTableClient]:
        return PostgresTableClient

    def configuration(self, initial_config: Any, accept_partial: bool = False) -> PostgresClientConfiguration:
        config = super().configuration(initial_config, accept_partial)
        assert isinstance(config, PostgresClientConfiguration)
        if config.credentials:
            config.credentials.session_timezone = "UTC"  # as in DuckDB, whatever the server's is
            config.credentials.query = {**KEEPALIVES, **(config.credentials.query or {})}
        return config


def copy_lines(batch: pa.RecordBatch) -> Iterator[str]:
    """The rows in COPY's text format, in which NULL and an empty text differ (in CSV, dlt's format, they do not)."""
    texts = []
    for column in batch.columns:
        text = column.cast(pa.string())
        for raw, escaped in ESCAPES:
            text = pc.replace_substring(text, raw, escaped)
        texts.append(text)
    joined = pc.binary_join_element_wise(*texts, "\t", null_handling="replace", null_replacement="\\N")
    return (f"{line}\n" for line in joined.to_pylist())
