"""Metadata: what a person sees of a load in the UI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from analytics_assets.rest_api.config import ResolvedResource
from analytics_assets.rest_api.load import Load


def declared_schema(resource: ResolvedResource) -> dg.TableSchema | None:
    """The column schema as far as the YAML declares it; None if it declares nothing."""
    if not resource.columns:
        return None
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=column.kind,
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable and name not in resource.primary_key, unique=name in resource.primary_key
                ),
            )
            for name, column in resource.columns.items()
        ]
    )


def load_metadata(load: Load, *, seconds: float, sandbox: bool) -> dict[str, Any]:
    """A materialization's metadata. Seconds of the API are summed over the requests, which may run at once."""
    statistics, counters, report, request = load.statistics, load.counters, load.pipeline.report, load.request
    metadata: dict[str, Any] = {
        "dagster/table_name": report.name,
        "dagster/row_count": report.total_rows,
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    name=name,
                    type=kind,
                    constraints=dg.TableColumnConstraints(unique=name in load.pipeline.plan.primary_key),
                )
                for name, kind in report.columns.items()
            ]
        ),
        "rows_loaded": statistics.rows,
        "rows_outside_window": statistics.rows_outside_window,
        "rows_without_key": statistics.rows_without_key,
        "mode": load.pipeline.plan.mode,
        "window": str(request.window) if request.window else "all history",
        "pages": statistics.pages,
        "requests": counters.requests,
        "retries": counters.retries,
        "seconds_waited": round(counters.waited_seconds, 3),
        "bytes_received": counters.bytes_received,
        "api_seconds": round(counters.api_seconds, 3),
        "seconds": round(seconds, 3),
        "rows_per_second": round(statistics.rows / seconds, 1) if seconds else 0.0,
        "new_columns": ", ".join(statistics.new_columns) or "none",
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
    text = "" if value is None else str(value)
    text = text if len(text) <= 80 else f"{text[:79]}…"
    for plain, escaped in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("\n", " "), ("\r", " ")):
        text = text.replace(plain, escaped)
    return text
