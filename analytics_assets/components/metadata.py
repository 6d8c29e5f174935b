"""Metadata of assets and loads, as the Dagster UI shows it, and the line that a load writes to the log."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from analytics_assets import rest_api
from analytics_assets.rest_api.arrow.column_names import column_name
from analytics_assets.rest_api.config import ResolvedResource


def declared_schema(resource: ResolvedResource) -> dg.TableSchema | None:
    """The columns that the YAML declares; None if it declares none."""
    data_types = {column_name(field): column.data_type for field, column in resource.columns.items()}
    return column_schema(resource, data_types) if data_types else None


def column_schema(resource: ResolvedResource, data_types: Mapping[str, str]) -> dg.TableSchema:
    """The columns of a table with what the YAML declares of them.

    Args:
        resource: The resource that the table belongs to.
        data_types: dlt's data types by column name, in the order of the table.
    """
    declared = {column_name(field): column for field, column in resource.columns.items()}
    key = {column_name(field) for field in resource.primary_key}
    unique = key if resource.write_disposition != "append" else set()
    columns = []
    for name, data_type in data_types.items():
        column = declared.get(name)
        nullable = name not in key and (column is None or column.nullable)
        constraints = dg.TableColumnConstraints(nullable=nullable, unique=unique == {name})
        columns.append(dg.TableColumn(name, data_type, column.description if column else None, constraints))
    return dg.TableSchema(columns=columns)


def load_metadata(result: rest_api.LoadResult, *, seconds: float, sandbox: bool) -> dict[str, Any]:
    """The metadata of a load's materialization.

    Args:
        result: What the load did.
        seconds: How long it took. `api_seconds` may be more, since requests run in parallel.
        sandbox: Whether the sandbox served the API.
    """
    statistics, metrics, table = result.statistics, result.metrics, result.table
    metadata: dict[str, Any] = {
        "dagster/row_count": table.total_rows,
        "rows_loaded": result.rows,
        "rows_outside_window": statistics.rows_outside_window,
        "rows_without_key": statistics.rows_without_key,
        "mode": result.mode,
        "window": window_text(result),
        "pages": statistics.pages,
        "requests": metrics.requests,
        "retries": metrics.retries,
        "seconds_waited": round(metrics.waited_seconds, 3),
        "bytes_received": metrics.bytes_received,
        "api_seconds": round(metrics.api_seconds, 3),
        "seconds": round(seconds, 3),
        "rows_per_second": round(result.rows / seconds, 1) if seconds else 0.0,
        "new_columns": ", ".join(result.new_columns) or "none",
        "changed_columns": ", ".join(f"{old} -> {', '.join(new)}" for old, new in statistics.changed_columns.items())
        or "none",
        "source": "sandbox: invented data" if sandbox else "API",
    }
    if table.columns:
        data_types = {name: column.data_type for name, column in table.columns.items()}
        metadata["dagster/table_name"] = table.name
        metadata["dagster/column_schema"] = column_schema(result.request.resource, data_types)
    if table.preview:
        metadata["preview"] = dg.MetadataValue.md(markdown_table(list(table.columns), table.preview))
    return metadata


def summary(asset: str, result: rest_api.LoadResult, *, seconds: float) -> str:
    """The line that a load writes to the log."""
    statistics, table = result.statistics, result.table
    discarded = "".join(
        f", {count} {reason} discarded"
        for count, reason in (
            (statistics.rows_outside_window, "outside the window"),
            (statistics.rows_without_key, "without key"),
        )
        if count
    )
    destination = (
        f"into {table.name}, which has {rows(table.total_rows)}"
        if table.columns
        else "loaded; the first row creates the table"
    )
    return f"{asset}: {rows(result.rows)} ({window_text(result)}{discarded}) {destination}; {seconds:.1f} s"


def window_text(result: rest_api.LoadResult) -> str:
    return str(result.window) if result.window else "all history"


def rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"


def markdown_table(names: Sequence[str], values: Sequence[Sequence[Any]]) -> str:
    """Rows of values as a Markdown table."""
    lines = [names, ["---"] * len(names), *([_cell(value) for value in row] for row in values)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    """A value, shortened and escaped: Markdown, HTML and links to images in it are shown as text, not rendered."""
    text = "" if value is None else str(value)
    text = text if len(text) <= 80 else f"{text[:79]}…"
    return re.sub(r"([\\`*_~|<>&!\[\]])", r"\\\1", re.sub(r"[\r\n]", " ", text))
