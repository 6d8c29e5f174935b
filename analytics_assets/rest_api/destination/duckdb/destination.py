"""The dlt destination DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dlt.common.configuration import configspec
from dlt.destinations import duckdb
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration
from dlt.destinations.impl.duckdb.duck import DuckDbClient

from analytics_assets.rest_api.destination.dlt_client import SqlTableClient, TableClient, TableDestination
from analytics_assets.rest_api.destination.duckdb.memory import run_in_limited_memory
from analytics_assets.rest_api.destination.duckdb.merge_sql import DuckDbMergeSql
from analytics_assets.rest_api.destination.merge_sql import TargetTable
from analytics_assets.rest_api.destination.parents.columns import StoredField
from analytics_assets.rest_api.destination.widening import widen_columns

STREAM_ROWS = 10_000


class DuckDbReads(TableClient):
    """Queries of a destination whose SQL client is DuckDB's."""

    def stream(self, query: str) -> Iterator[Sequence[Sequence[Any]]]:
        with self.sql_client.execute_query(query) as cursor:
            while rows := cursor.fetchmany(STREAM_ROWS):
                yield rows

    def text_of(self, field: StoredField) -> str:
        value = self.sql_client.escape_column_name(field.column)
        if field.type.data_type == "timestamp":
            return f"epoch_us({value})"
        if field.path:
            steps = "".join(f'."{step}"' for step in field.path).replace("'", "''")
            value = f"json_extract({value}, '${steps}')"
        text = f"CAST({value} AS VARCHAR)"
        return f"NULLIF({text}, 'null')" if field.type.data_type == "json" else text


class DuckDbTableClient(DuckDbReads, SqlTableClient, DuckDbClient):
    """Loads one table into a DuckDB file."""

    def load_files(self, table: TargetTable, files: Sequence[Path], load_id: str) -> None:
        run_in_limited_memory(
            lambda: self._load_files(table, files, load_id),
            execute=self.sql_client.execute_sql,
            columns=len(table.columns),
            user_settings=getattr(self.config.credentials, "global_config", None) or {},
        )

    def _load_files(self, table: TargetTable, files: Sequence[Path], load_id: str) -> None:
        sql, merge = self.sql_client, DuckDbMergeSql(self.plan, table)
        sources = [merge.source(file, load_id) for file in files]
        with sql.begin_transaction():
            merge.find_gone_rows(sources, sql.execute_sql, self.outcome)
            merge.find_overwritten_rows(sources, sql.execute_sql, self.outcome)
            for statement in (*widen_columns(self.plan, table, sql.execute_sql), *merge.prepare_table()):
                sql.execute_sql(statement)
            empty = not sql.execute_sql(f"SELECT 1 FROM {table.name} LIMIT 1")
            for statement in merge.write_rows(sources, table_is_empty=empty):
                sql.execute_sql(statement)


@configspec(init=False)
class DuckDbFileConfiguration(DuckDbClientConfiguration):
    """The configuration of a DuckDB file. dlt would format it with SQLAlchemy, whose import takes 0.15 s."""

    def __str__(self) -> str:
        return str(self.credentials.database if self.credentials else "")


class DuckDbDestination(TableDestination, duckdb):
    """dlt's DuckDB destination, loading one table by a plan."""

    spec = DuckDbFileConfiguration

    @property
    def client_class(self) -> type[DuckDbTableClient]:
        return DuckDbTableClient
