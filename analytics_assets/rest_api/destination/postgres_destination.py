"""PostgreSQL's own parts of a load: rows reach it by COPY, and one lock in the server holds for all machines."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from io import BytesIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from dlt.common.destination import PreparedTableSchema
from dlt.common.destination.client import HasFollowupJobs, LoadJob, RunnableLoadJob
from dlt.destinations.job_client_impl import SqlJobClientBase

from analytics_assets.rest_api.destination.locks import holder_description
from analytics_assets.rest_api.destination.merge_sql import MergeClientMixin
from analytics_assets.rest_api.errors import BusyError

COPIED_ROWS = 20_000
ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))


class PostgresClientMixin(MergeClientMixin):
    """Copies parquet files into the staging table. dlt's own way, CSV, takes empty texts for NULL."""

    ordinal_column = "ctid"

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        if file_path.endswith(".parquet"):
            return CopyJob(file_path)
        return super().create_load_job(table, file_path, load_id, restore)


class CopyJob(RunnableLoadJob, HasFollowupJobs):
    """Copies one file in one transaction."""

    def run(self) -> None:
        client = self._job_client
        assert isinstance(client, SqlJobClientBase)
        sql, file = client.sql_client, pq.ParquetFile(self._file_path)
        names = ", ".join(map(sql.escape_column_name, file.schema_arrow.names))
        copy = f"COPY {sql.make_qualified_table_name(self.load_table_name)} ({names}) FROM STDIN"
        with sql.begin_transaction(), sql.native_connection.cursor() as cursor:
            for batch in batches(file):
                try:
                    cursor.copy_expert(copy, BytesIO("".join(copy_lines(batch)).encode()))
                except Exception as error:  # as dlt tells errors apart: what can never succeed is not tried again
                    raise sql._make_database_exception(error) from error


def batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """The rows, never those of two row groups together: these are bounded in bytes."""
    for group in range(file.num_row_groups):
        yield from file.iter_batches(COPIED_ROWS, row_groups=[group])


def copy_lines(batch: pa.RecordBatch) -> Iterator[str]:
    """The rows in COPY's text format, which tells NULL from an empty text, and a backslash from its end mark."""
    texts = []
    for column in batch.columns:
        text = column.cast(pa.string())
        for raw, escaped in ESCAPES:
            text = pc.replace_substring(text, raw, escaped)
        texts.append(text)
    joined = pc.binary_join_element_wise(*texts, "\t", null_handling="replace", null_replacement="\\N")
    return (f"{line}\n" for line in joined.to_pylist())


HOLDER = """
SELECT application_name, COALESCE(host(client_addr), 'the server itself')
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) | objid::bigint = hashtext(%s)::bigint
"""


def lock_dataset(client: SqlJobClientBase, dataset: str, table: str, deadline: float, log: logging.Logger) -> None:
    """Returns once no other machine loads into the dataset; the lock ends with the client's connection."""
    sql, said = client.sql_client, ""
    sql.execute_sql("SELECT set_config('application_name', %s, false)", holder_description(f"{dataset}.{table}"))
    while sql.execute_sql("SELECT pg_try_advisory_lock(hashtext(%s))", dataset) != [(True,)]:
        [(holder, machine), *_] = sql.execute_sql(HOLDER, dataset) or [("one that just ended", "")]
        by = f"{holder or 'a session without a name'} on {machine}" if machine else holder
        if by != said:
            log.info(f"waiting for another load to leave {dataset!r} in PostgreSQL: {by}")
            said = by
        if time.monotonic() > deadline:
            raise BusyError(f"another load holds {dataset!r} in PostgreSQL for too long: {by}. Run again later")
        time.sleep(0.25)
