"""The dlt destination of Delta tables: dlt's `filesystem`, with a Delta table in place of its data files.

DuckDB reads and writes the data files, so that memory does not grow with the table. delta-rs reads and writes the log.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
from deltalake.exceptions import CommitFailedError
from dlt.common.destination import PreparedTableSchema
from dlt.common.libs.deltalake import deltalake_storage_options
from dlt.common.schema.typing import TSchemaTables
from dlt.destinations import duckdb as duckdb_destination
from dlt.destinations import filesystem
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.destinations.impl.filesystem.filesystem import FilesystemClient

from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.destination.delta.bucket_files import BucketFiles, check_bucket
from analytics_assets.rest_api.destination.delta.column_types import (
    sql_type,
    stored_columns,
)
from analytics_assets.rest_api.destination.delta.load import DeltaLoad
from analytics_assets.rest_api.destination.delta.merge_sql import STORED_ROWS, rows_of_files
from analytics_assets.rest_api.destination.delta.table import LakeTable, pause
from analytics_assets.rest_api.destination.dlt_client import TableClient, TableDestination
from analytics_assets.rest_api.destination.duckdb.destination import DuckDbReads
from analytics_assets.rest_api.destination.duckdb.memory import run_in_limited_memory
from analytics_assets.rest_api.destination.merge_sql import TargetTable
from analytics_assets.rest_api.errors import BusyError
from analytics_assets.rest_api.workdir import temporary_workdir


class DeltaTableClient(DuckDbReads, TableClient, FilesystemClient):
    """Loads one table into a Delta table."""

    _opened: ExitStack | None = None

    def __enter__(self) -> DeltaTableClient:
        with ExitStack() as stack:
            self._folder = stack.enter_context(temporary_workdir())
            connection = stack.enter_context(duckdb.connect(config={"temp_directory": str(self._folder / "spilled")}))
            if not self.is_local_filesystem:
                check_bucket(self.fs_client, self.bucket_path)
                connection.register_filesystem(BucketFiles(self.fs_client))
            credentials = DuckDbCredentials(connection)
            credentials.resolve()
            capabilities = duckdb_destination(credentials=credentials).capabilities()
            self.sql_client = client = DuckDbSqlClient(self.dataset_name, "", credentials, capabilities)
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {client.fully_qualified_dataset_name()}")
            client.open_connection()
            stack.callback(client.close_connection)
            self._opened = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        if self._opened:
            self._opened.close()

    @property
    def uri(self) -> str:
        return self.make_remote_url(self.dataset_path)

    def stored_columns(self, table: str) -> dict[str, ColumnType]:
        """The columns of a table; none if it does not exist. Its rows can be queried by its name from now on."""
        lake_table = self._lake_table(table)
        version = lake_table.latest()
        if version is None:
            return {}
        columns = stored_columns(version.schema())
        rows = rows_of_files(list(lake_table.files(version)), columns, self.sql_client.escape_column_name)
        name = self.sql_client.make_qualified_table_name(table)
        self.sql_client.execute_sql(f"CREATE OR REPLACE VIEW {name} AS {rows}")
        return columns

    def update_stored_schema(
        self, only_tables: Any = None, expected_update: Any = None, force: bool = False
    ) -> TSchemaTables:
        applied = super().update_stored_schema(only_tables, expected_update, force)
        name = self.plan.table
        if name in self.schema.tables and (only_tables is None or name in only_tables):
            columns = self.schema.get_table_columns(name)
            types = {column: ColumnType.from_dlt(hint) for column, hint in columns.items()}
            table = self._lake_table(name)
            if not self.plan.recreate_table or table.latest() is None:
                table.add_columns(types, frozenset(c for c, hint in columns.items() if not hint.get("nullable", True)))
        return applied or {}

    def target(self, table: PreparedTableSchema) -> TargetTable:
        columns = table["columns"]
        return TargetTable(
            name=STORED_ROWS,
            columns=columns,
            types={name: sql_type(ColumnType.from_dlt(column)) for name, column in columns.items()},
            quote=self.sql_client.escape_column_name,
        )

    def load_files(self, table: TargetTable, files: Sequence[Path], load_id: str) -> None:
        """Write the rows in one commit. If another writer commits first, the load is computed anew from its version."""
        lake_table, execute = self._lake_table(self.plan.table), self.sql_client.execute_sql
        deadline, attempt = time.monotonic() + self.lock_seconds, 0
        while True:
            version = lake_table.require()
            stored = stored_columns(version.schema())
            self.plan = self.adjust_plan(stored)
            target = table if self.plan.recreate_table else with_columns(table, stored)
            folder = self._folder / "written"
            load = DeltaLoad(self.plan, target, lake_table, version, execute=execute, folder=folder)
            try:
                run_in_limited_memory(
                    lambda load=load: load.write(files, load_id, self.outcome),  # type: ignore[misc]
                    execute=execute,
                    columns=len(target.columns),
                    user_settings={},
                )
                return
            except CommitFailedError:
                # A commit whose response was lost is sent again by delta-rs, and then seems to be another writer's.
                if lake_table.has_commit_since(version, load_id):
                    return
                lake_table.remove_uploaded(load.uploaded or ())
            if time.monotonic() > deadline:
                raise BusyError(f"other loads have changed {lake_table.uri} again and again. Run again later")
            pause(attempt)
            attempt += 1

    @cached_property
    def _storage_options(self) -> dict[str, str]:
        return deltalake_storage_options(self.config.credentials, self.config.deltalake_storage_options)

    def _lake_table(self, name: str) -> LakeTable:
        folder = self.get_table_dir(name)
        return LakeTable(self.make_remote_url(folder), folder, self._storage_options, self.fs_client)


class DeltaDestination(TableDestination, filesystem):
    """dlt's filesystem destination, loading one Delta table by a plan."""

    @property
    def client_class(self) -> type[DeltaTableClient]:
        return DeltaTableClient


def with_columns(table: TargetTable, stored: Mapping[str, ColumnType]) -> TargetTable:
    """The table with all of its stored columns. Those that the load does not have get NULL."""
    others = {name: column for name, column in stored.items() if name not in table.columns}
    return replace(
        table,
        columns={**table.columns, **{name: column.dlt_column(name, nullable=True) for name, column in others.items()}},
        types={**table.types, **{name: sql_type(column) for name, column in others.items()}},
    )
