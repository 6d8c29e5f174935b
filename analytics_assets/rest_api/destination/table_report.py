"""What a table holds after a load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.rest_api.arrow.column_names import RESERVED
from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.destination.dlt_client import TableClient

PREVIEW_ROWS = 10
PREVIEW_COLUMNS = 8


@dataclass
class TableReport:
    """A table after a load.

    Attributes:
        name: The table with its dataset.
        uri: Where the table is: the DuckDB file, host, port and database of a server, or a folder of a bucket.
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


def describe_table(
    client: TableClient, *, dataset: str, table: str, primary_key: Sequence[str], preview_rows: int
) -> TableReport:
    """Count the table's rows and read the first few."""
    sql, columns = client.sql_client, client.stored_columns(table)
    report = TableReport(name=f"{dataset}.{table}", uri=client.uri, columns=columns)
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
