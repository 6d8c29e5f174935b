"""What a table holds after a load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlt.destinations.job_client_impl import SqlJobClientBase

from analytics_assets.rest_api.arrow.column_types import ColumnType

PREVIEW_ROWS = 10


@dataclass
class TableReport:
    """A table after a load.

    Attributes:
        name: The table with its dataset.
        columns: Its columns, as they are in the destination; empty if there is no table.
        total_rows: The number of all its rows.
        preview: Its first rows, with values in the order of `columns`.
    """

    name: str
    columns: Mapping[str, ColumnType] = field(default_factory=dict)
    total_rows: int = 0
    preview: list[Sequence[Any]] = field(default_factory=list)


def stored_columns(client: SqlJobClientBase, table: str) -> dict[str, ColumnType]:
    """The columns of a table in the destination; none if it does not exist."""
    if not client.is_storage_initialized():
        return {}
    columns = dict(client.get_storage_tables([table])).get(table, {})
    return {name: ColumnType.from_dlt(column) for name, column in columns.items()}


def describe_table(client: SqlJobClientBase, *, dataset: str, table: str, preview_rows: int) -> TableReport:
    """Count the table's rows and read the first few."""
    sql, report = client.sql_client, TableReport(name=f"{dataset}.{table}", columns=stored_columns(client, table))
    if report.columns:
        qualified = sql.make_qualified_table_name(table)
        [[report.total_rows]] = sql.execute_sql(f"SELECT COUNT(*) FROM {qualified}") or [[0]]
        if preview_rows:
            names = ", ".join(map(sql.escape_column_name, report.columns))
            report.preview = list(sql.execute_sql(f"SELECT {names} FROM {qualified} LIMIT {preview_rows}") or [])
    return report
