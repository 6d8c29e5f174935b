"""Metadata: what a person sees of a load in the UI."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from analytics_assets.rest_api.arrow.column_names import column_name
from analytics_assets.rest_api.config import ResolvedResource

if TYPE_CHECKING:
    from analytics_assets.rest_api.load import LoadResult


def declared_schema(resource: ResolvedResource) -> dg.TableSchema | None:
    """The column schema as far as the YAML declares it; None if it declares nothing."""
    kinds = {column_name(field): column.data_type for field, column in resource.columns.items()}
    return column_schema(resource, kinds) if kinds else None


def column_schema(resource: ResolvedResource, kinds: Mapping[str, str]) -> dg.TableSchema:
    """Columns by their names in the table, with what the YAML says of them."""
    declared = {column_name(field): column for field, column in resource.columns.items()}
    key = {column_name(field) for field in resource.primary_key}
    unique = key if resource.write_disposition != "append" else set()
    columns = []
    for name, kind in kinds.items():
        column = declared.get(name)
        nullable = name not in key and (column is None or column.nullable)
        constraints = dg.TableColumnConstraints(nullable=nullable, unique=unique == {name})
        columns.append(dg.TableColumn(name, kind, column.description if column else None, constraints))
    return dg.TableSchema(columns=columns)


def load_metadata(load: LoadResult, *, seconds: float, sandbox: bool) -> dict[str, Any]:
    """A materialization's metadata. Seconds of the API are summed over the requests, which may run at once."""
    statistics, counters, report, request = load.statistics, load.metrics, load.table, load.request
    metadata: dict[str, Any] = {
        "dagster/table_name": report.name,
        "dagster/row_count": report.total_rows,
        "dagster/column_schema": column_schema(
            request.resource, {name: held.data_type for name, held in report.columns.items()}
        ),
        "rows_loaded": statistics.rows,
        "rows_outside_window": statistics.rows_outside_window,
        "rows_without_key": statistics.rows_without_key,
        "mode": load.mode,
        "window": str(request.window) if request.window else "all history",
        "pages": statistics.pages,
        "requests": counters.requests,
        "retries": counters.retries,
        "seconds_waited": round(counters.waited_seconds, 3),
        "bytes_received": counters.bytes_received,
        "api_seconds": round(counters.api_seconds, 3),
        "seconds": round(seconds, 3),
        "rows_per_second": round(statistics.rows / seconds, 1) if seconds else 0.0,
        "new_columns": ", ".join(load.new_columns) or "none",
        "changed_columns": ", ".join(f"{old} -> {', '.join(new)}" for old, new in statistics.changed_columns.items())
        or "none",
        "source": "sandbox: invented data" if sandbox else "API",
    }
    if report.preview:
        metadata["preview"] = dg.MetadataValue.md(markdown_table(list(report.columns), report.preview))
    return metadata


def markdown_table(names: list[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [names, ["---"] * len(names), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    """A value as it is: Markdown, HTML or an image from elsewhere in it are shown, not rendered."""
    text = "" if value is None else str(value)
    text = text if len(text) <= 80 else f"{text[:79]}…"
    return re.sub(r"([\\`*_~|<>&!\[\]])", r"\\\1", re.sub(r"[\r\n]", " ", text))
