"""The dlt destination PostgreSQL. Imports its driver, psycopg2."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from dlt.destinations import postgres
from dlt.destinations.impl.postgres.configuration import PostgresClientConfiguration
from dlt.destinations.impl.postgres.postgres import PostgresClient

from analytics_assets.rest_api.arrow.table_columns import READ_NUMBER
from analytics_assets.rest_api.destination.dlt_client import TableClient, TableDestination
from analytics_assets.rest_api.destination.locks import holder_description
from analytics_assets.rest_api.destination.merge_sql import TargetTable
from analytics_assets.rest_api.destination.parents.columns import StoredField
from analytics_assets.rest_api.destination.parquet_files import read_batches
from analytics_assets.rest_api.destination.postgres.merge_sql import (
    LOADED_ROWS,
    UNCHANGED_PARENTS,
    PostgresMergeSql,
)
from analytics_assets.rest_api.destination.warehouse import Log
from analytics_assets.rest_api.destination.widening import widen_columns
from analytics_assets.rest_api.errors import BusyError

COPY_BATCH_ROWS = 20_000  # rows that are text in memory at the same time
LOCK_POLL_SECONDS = 0.25
STREAM_ROWS = 10_000
ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))
LOCK_HOLDER = """
SELECT application_name, COALESCE(host(client_addr), 'the server itself')
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) | objid::bigint = hashtext(%s)::bigint
"""


class PostgresTableClient(TableClient, PostgresClient):
    """Loads one table into a PostgreSQL database."""

    def load_files(self, table: TargetTable, files: Sequence[Path], load_id: str) -> None:
        sql, merge = self.sql_client, PostgresMergeSql(self.plan, table)
        with sql.begin_transaction():
            sql.execute_sql(merge.create_loaded_rows())
            for file in files:
                self._copy(file, merge)
            merge.find_gone_rows([LOADED_ROWS], sql.execute_sql, self.outcome)
            merge.find_overwritten_rows([LOADED_ROWS], sql.execute_sql, self.outcome)
            if self.plan.unchanged_parents:
                sql.execute_sql(merge.create_unchanged_parents())
                self._copy(self.plan.unchanged_parents, merge, table=UNCHANGED_PARENTS)
            widening = widen_columns(self.plan, table, sql.execute_sql)
            for statement in (*widening, *merge.prepare_table(), *merge.write_rows(load_id)):
                sql.execute_sql(statement)

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

    def lock(self, table: str, deadline: float, log: Log) -> None:
        """Take the dataset's advisory lock, which all machines share and which ends with the connection."""
        sql, dataset, logged = self.sql_client, self.sql_client.dataset_name, ""
        sql.execute_sql("SELECT set_config('application_name', %s, false)", holder_description(table))
        while sql.execute_sql("SELECT pg_try_advisory_lock(hashtext(%s))", dataset) != [(True,)]:
            [(holder, machine), *_] = sql.execute_sql(LOCK_HOLDER, dataset) or [("a load that has just ended", "")]
            holder = f"{holder or 'a session without a name'} on {machine}" if machine else holder
            if holder != logged:
                log.info(f"waiting for another load into {dataset!r} in PostgreSQL: {holder}")
                logged = holder
            if time.monotonic() > deadline:
                raise BusyError(
                    f"another load has locked {dataset!r} in PostgreSQL for too long: {holder}. Run again later"
                )
            time.sleep(LOCK_POLL_SECONDS)


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
