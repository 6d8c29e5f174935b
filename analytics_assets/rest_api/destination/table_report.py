"""What a table holds after a load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlt.destinations.job_client_impl import SqlJobClientBase

from analytics_assets.rest_api.arrow.column_names import RESERVED
from analytics_assets.rest_api.arrow.column_types import ColumnType

PREVIEW_ROWS = 10
PREVIEW_COLUMNS = 8


@dataclass
class TableReport:
    """A table after a load.

    Attributes:
        name: The table with its dataset.
        uri: The database: the DuckDB file, or host, port and database of a server.
        columns: Its columns, as they are in the destination; empty if there is no table.
        total_rows: The number of all its rows.
        preview_columns: The columns of the preview: the key first, then the others, up to PREVIEW_COLUMNS.
        preview: Its first rows, with values in the order of `preview_columns`.
    """

    name: str
    uri: str = ""
    columns: Mapping[str, ColumnType] = field(default_factory=dict)
    total_rows: int = 0
    preview_columns: Sequence[str] = ()
    preview: list[Sequence[Any]] = field(default_factory=list)


def stored_columns(client: SqlJobClientBase, table: str) -> dict[str, ColumnType]:
    """The columns of a table in the destination; none if it does not exist."""
    if not client.is_storage_initialized():
        return {}
    columns = dict(client.get_storage_tables([table])).get(table, {})
    return {name: ColumnType.from_dlt(column) for name, column in columns.items()}


def describe_table(
    client: SqlJobClientBase, *, dataset: str, table: str, primary_key: Sequence[str], preview_rows: int
) -> TableReport:
    """Count the table's rows and read the first few."""
    sql, columns = client.sql_client, stored_columns(client, table)
    report = TableReport(name=f"{dataset}.{table}", uri=database_uri(client.config.credentials), columns=columns)
    if report.columns:
        qualified = sql.make_qualified_table_name(table)
        [[report.total_rows]] = sql.execute_sql(f"SELECT COUNT(*) FROM {qualified}") or [[0]]
        report.preview_columns = preview_columns(report.columns, primary_key)
        if preview_rows and report.preview_columns:
            names = ", ".join(map(sql.escape_column_name, report.preview_columns))
            report.preview = list(sql.execute_sql(f"SELECT {names} FROM {qualified} LIMIT {preview_rows}") or [])
    return report


def preview_columns(columns: Iterable[str], primary_key: Sequence[str]) -> list[str]:
    """The columns to show of a table: the key first, then the others in their order, without dlt's own."""
    own = [name for name in columns if name not in RESERVED]
    return sorted(own, key=lambda name: name not in primary_key)[:PREVIEW_COLUMNS]


def database_uri(credentials: Any) -> str:
    """The database that dlt's credentials lead to, without user and password."""
    if host := getattr(credentials, "host", None):
        return f"{credentials.drivername}://{host}:{credentials.port}/{credentials.database}"
    return f"{credentials.drivername}://{Path(credentials.database).absolute()}"
