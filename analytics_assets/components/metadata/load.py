"""What a load reports: the metadata of its materializations, and its line in the log."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import dagster as dg

from analytics_assets import rest_api
from analytics_assets.components.metadata.preview import markdown_table
from analytics_assets.components.metadata.table import column_lineage, column_schema
from analytics_assets.rest_api.load.log import counted

FULL_REFRESH_MODE = "full refresh"
NOT_COUNTED = "unknown: the rows have no cursor (`incremental.cursor_path`), so the numbers are of the whole chunk"


def materialization_metadata(
    result: rest_api.LoadResult, endpoint_key: dg.AssetKey, *, partitions: int, seconds: float, source: str
) -> list[dict[str, Any]]:
    """The metadata of each materialization of a load: one for each partition, or one for an asset without partitions.

    Rows are those of the partition. Values of the whole chunk, such as requests and seconds, are on the last one.

    Args:
        result: What the load did.
        endpoint_key: The asset of the endpoint.
        partitions: The number of partitions that the load covers.
        seconds: How long the load took.
        source: Where the rows are from: `sandbox_materializations.source_text`.
    """
    shared = {"mode": mode(result), "window": window_text(result), "source": source}
    whole = load_metadata(result, endpoint_key, seconds=seconds)
    if not partitions:
        return [{**shared, "rows_loaded": result.rows, **whole}]
    each: list[dict[str, Any]] = [dict(shared) for _ in range(partitions)]
    if result.partitions:
        for metadata, rows, newest in zip(each, result.partitions.rows, result.partitions.newest, strict=True):
            metadata.update({"dagster/partition_row_count": rows, "rows_loaded": rows})
            if newest:
                metadata["newest_cursor"] = dg.MetadataValue.timestamp(newest)
    elif partitions == 1 and result.window:
        each[-1].update({"dagster/partition_row_count": result.rows, "rows_loaded": result.rows})
    else:
        each[-1].update({"rows_loaded": result.rows, "rows_by_partition": NOT_COUNTED})
    each[-1].update({"chunk_partitions": partitions, "chunk_rows_loaded": result.rows, **whole})
    return each


def load_metadata(result: rest_api.LoadResult, endpoint_key: dg.AssetKey, *, seconds: float) -> dict[str, Any]:
    """The metadata of a whole load.

    Args:
        result: What the load did.
        endpoint_key: The asset of the endpoint, where the columns come from.
        seconds: How long it took. `api_seconds` may be more, since requests run in parallel.
    """
    statistics, metrics, table = result.statistics, result.metrics, result.table
    metadata: dict[str, Any] = {
        "dagster/row_count": table.total_rows,
        "rows_outside_window": statistics.rows_outside_window,
        "rows_without_key": statistics.rows_without_key,
        "ignored_reads": statistics.ignored_reads,
        "api_host": urlsplit(result.url).netloc,
        "api_path": urlsplit(result.url).path,
        **parent_counts(result),
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
    }
    if statistics.api_total is not None:
        metadata["api_total"] = statistics.api_total
    if result.load_id:
        metadata["_dlt_load_id"] = result.load_id
    if table.columns:
        data_types = {name: column.data_type for name, column in table.columns.items()}
        metadata["dagster/uri"] = table.uri
        metadata["warehouse"] = table.uri.partition("://")[2]
        metadata["dagster/table_name"] = table.name
        metadata["dagster/column_schema"] = column_schema(result.request.resource, data_types)
        metadata["dagster/column_lineage"] = column_lineage(result, endpoint_key)
    if table.preview:
        metadata["preview"] = dg.MetadataValue.md(markdown_table(table.preview_columns, table.preview))
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
        f"into {table.name}, which has {counted(table.total_rows, 'row')}"
        if table.columns
        else "loaded; the first row creates the table"
    )
    return f"{asset}: {counted(result.rows, 'row')} ({window_text(result)}{discarded}) {destination}; {seconds:.1f} s"


def parent_counts(result: rest_api.LoadResult) -> dict[str, int]:
    """The counts of parents for a child; empty for other resources."""
    counts = result.statistics.parents
    if counts is None or result.request.resource.parent is None:
        return {}
    return {
        "parents_read": counts.read,
        "parents_without_rows": counts.without_rows,
        "parents_ignored": counts.ignored,
    }


def mode(result: rest_api.LoadResult) -> str:
    return FULL_REFRESH_MODE if result.request.full_refresh else result.mode


def window_text(result: rest_api.LoadResult) -> str:
    return str(result.window) if result.window else "all history"
