"""DuckDB's own parts of a load: it reads the parquet files themselves, in memory that does not grow with their rows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from dlt.common.destination import PreparedTableSchema
from dlt.common.destination.client import HasFollowupJobs, LoadJob, RunnableLoadJob
from dlt.destinations.exceptions import DatabaseException
from dlt.destinations.job_client_impl import SqlJobClientBase

from analytics_assets.rest_api.destination.merge_sql import MergeClientMixin, MergeSql, SqlTransactionJob

THREADS = min(2, os.cpu_count() or 1)
# DuckDB fills the memory that it may use; what a load needs grows with the columns, times the threads.
MEGABYTES, MEGABYTES_A_COLUMN = 128, 3
FILE_ROW, TABLE_ROW = "file_row_number", "rowid"  # DuckDB's own columns


class MemoryLimitedJob(SqlTransactionJob):
    """Runs the statements in little memory; where values are so long that it does not do, in what DuckDB takes itself.

    A bound that the user set stands.
    """

    def run(self) -> None:
        client = self._job_client
        assert isinstance(client, SqlJobClientBase)
        sql, settings = client.sql_client, getattr(client.config.credentials, "global_config", None) or {}
        if "threads" not in settings:
            sql.execute_sql(f"SET threads = {THREADS}")
        if {"memory_limit", "max_memory"} & settings.keys():
            return super().run()
        [[own]] = sql.execute_sql("SELECT current_setting('memory_limit')") or [[]]
        columns = len(self._schema.get_table_columns(self.load_table_name))
        sql.execute_sql(f"SET memory_limit = '{MEGABYTES + MEGABYTES_A_COLUMN * columns}MB'")
        try:
            super().run()
        except DatabaseException as error:
            sql.execute_sql(f"SET memory_limit = '{own}'")  # RESET tells DuckDB 1.5's buffers nothing
            # A commit that lacks memory says so as a TransactionException.
            if type(error.dbapi_exception).__name__ not in ("OutOfMemoryException", "TransactionException"):
                raise
            super().run()


class DuckDbClientMixin(MergeClientMixin):
    """Loads straight from the parquet files, by statements for each: nothing is staged."""

    transaction_job = MemoryLimitedJob

    def should_load_data_to_staging_dataset(self, table_name: str) -> bool:  # noqa: ARG002
        return False

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        if table["name"] == self.plan.table and file_path.endswith(".parquet"):
            return NoOpLoadJob(file_path)
        return super().create_load_job(table, file_path, load_id, restore)

    def merge_statements(self, statements: MergeSql, files: Sequence[str]) -> Iterable[str]:
        # The last file is still in dlt's folder of started jobs while this runs, and moves before the SQL does.
        quoted = [path.replace("'", "''") for path in sorted(files, key=_written_at)]
        # DuckDB's own numbers, unless the data has a column of that name. Those of a file are asked for: merely used,
        # they make statements over some ten columns fail inside DuckDB, up to 2.0.
        if FILE_ROW in statements.columns:
            ordinal_column = "arrival_"
            sources = [
                f"(SELECT *, ROW_NUMBER() OVER () AS {ordinal_column} FROM read_parquet('{path}'))" for path in quoted
            ]
        else:
            ordinal_column = FILE_ROW
            sources = [f"read_parquet('{path}', {FILE_ROW} = true)" for path in quoted]
        rowid_column = None if TABLE_ROW in statements.columns else TABLE_ROW
        with self.sql_client as opened:
            empty = not opened.execute_sql(f"SELECT 1 FROM {statements.target} LIMIT 1")
        return statements.build(
            sources, ordinal_column=ordinal_column, rowid_column=rowid_column, target_is_empty=empty
        )


class NoOpLoadJob(RunnableLoadJob, HasFollowupJobs):
    """A file's own job has nothing to do. It runs all the same: dlt waits a second for jobs that do not."""

    def run(self) -> None:
        pass


def _written_at(path: str) -> int:
    for folder in ("completed_jobs", "started_jobs"):
        candidate = Path(path).parent.with_name(folder) / Path(path).name
        if candidate.exists():
            return candidate.stat().st_mtime_ns
    return 0
