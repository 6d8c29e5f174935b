"""Steps: what an asset does when it runs. Imported by runs only."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import dagster as dg

from analytics_assets.components.checks import check_results, failed_checks
from analytics_assets.components.failures import step_failure
from analytics_assets.components.jobs import is_full_refresh
from analytics_assets.components.metadata import load_metadata
from analytics_assets.components.partitions import Chunk, remaining_chunks
from analytics_assets.components.resources import ApiCredentials, WarehouseResource
from analytics_assets.components.retries import Retries
from analytics_assets.rest_api.arrow.converter import Statistics
from analytics_assets.rest_api.config import Client, ResolvedResource
from analytics_assets.rest_api.errors import ConfigError, RestApiError, TypeChangeError
from analytics_assets.rest_api.load import LoadRequest, LoadResult, load_table


def run_step(
    context: dg.AssetExecutionContext,
    api: str,
    client: Client,
    resource: ResolvedResource,
    *,
    spec: dg.AssetSpec,
    check_specs: Sequence[dg.AssetCheckSpec],
    credentials: ApiCredentials,
    target: WarehouseResource,
    chunk_size: int,
) -> Iterator[Any]:
    """Loads the asset's table, its partitions chunk by chunk, then yields its materialization and checks.

    Raises:
        dagster.Failure: a load failed; the table is as the one before left it.
    """
    done: list[Statistics] = []
    try:
        request, sandbox = build_request(context, api, client, resource, credentials, target)
        windowed = not request.full_refresh and resource.endpoint.incremental is not None
        for chunk in requested_chunks(context, spec.key, size=chunk_size) if windowed else [None]:
            began, clock = datetime.now(timezone.utc), time.monotonic()
            load = load_table(replace(request, window=chunk.window if chunk else None))
            seconds = time.monotonic() - clock
            done.append(load.statistics)
            metadata = load_metadata(load, seconds=seconds, sandbox=sandbox)
            context.log.info(summary(spec.key, load, seconds=seconds))
            if request.full_refresh and isinstance(spec.partitions_def, dg.TimeWindowPartitionsDefinition):
                mark_windows(context, spec.key, spec.partitions_def, began=began, metadata=metadata)
            elif chunk is None or chunk.partitions == context.partition_keys:
                yield dg.MaterializeResult(asset_key=spec.key, metadata=metadata)
            else:
                mark_chunk(context, spec.key, chunk, metadata=metadata)
    except RestApiError as error:
        if isinstance(error, TypeChangeError):
            yield from failed_checks(check_specs, error)
        elif done:
            yield from check_results(check_specs, done)
        failure = step_failure(context, spec.key, error, Retries.from_environment(os.environ))
        raise failure from failure.__cause__
    yield from check_results(check_specs, done)


def build_request(
    context: dg.AssetExecutionContext,
    api: str,
    client: Client,
    resource: ResolvedResource,
    credentials: ApiCredentials,
    target: WarehouseResource,
) -> tuple[LoadRequest, bool]:
    """What this run asks of the load, and whether the sandbox answers it."""
    warehouse = target.warehouse()
    environment = credentials.environment(client, run_tags=context.run.tags, warehouse=warehouse)
    request = LoadRequest(
        api=api,
        client=client,
        resource=resource,
        warehouse=warehouse,
        dataset=warehouse.dataset(api, sandbox=environment.sandbox),
        environ=environment.variables,
        full_refresh=is_full_refresh(context),
        token_dir=environment.token_dir,
        log=context.log,
    )
    return request, environment.sandbox


def requested_chunks(context: dg.AssetExecutionContext, key: dg.AssetKey, *, size: int) -> list[Chunk]:
    """The run's partitions as they are to be loaded."""
    if not (context.has_partition_key or context.has_partition_key_range):
        raise ConfigError(
            "this asset is loaded by windows and the run names none: choose a partition in the UI, add "
            '--tags \'{"dagster/partition": "2026-10-01"}\', or run a full_refresh job to load all history'
        )
    chunks = remaining_chunks(context, key, size=size)
    asked, left = len(context.partition_keys), sum(len(chunk.partitions) for chunk in chunks)
    if left < asked:
        context.log.info(f"{key.to_user_string()}: goes on with {left} of {asked} partitions, the others are loaded")
    return chunks


def mark_chunk(
    context: dg.AssetExecutionContext, key: dg.AssetKey, chunk: Chunk, *, metadata: Mapping[str, Any]
) -> None:
    """Marks a chunk's partitions as materialized at once: whatever happens next, they are not loaded again."""
    for partition in chunk.partitions:
        context.log_event(dg.AssetMaterialization(key, partition=partition, metadata=metadata))


def mark_windows(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    partitions_def: dg.TimeWindowPartitionsDefinition,
    *,
    began: datetime,
    metadata: dict[str, Any],
) -> None:
    """Marks as materialized the windows that had ended when the walk began: rows may still come into later ones."""
    ended = partitions_def.get_partition_keys(current_time=began)
    for partition in ended[:-1]:
        context.log_event(dg.AssetMaterialization(key, partition=partition, metadata={"mode": "full refresh"}))
    context.log_event(dg.AssetMaterialization(key, partition=ended[-1] if ended else None, metadata=metadata))


def summary(key: dg.AssetKey, load: LoadResult, *, seconds: float) -> str:
    """The one line that a load leaves in the console."""
    statistics, report = load.statistics, load.table
    window = str(load.window) if load.window else "all history"
    left_out = "".join(
        f", {count} {what} left out"
        for count, what in (
            (statistics.rows_outside_window, "outside the window"),
            (statistics.rows_without_key, "without key"),
        )
        if count
    )
    return (
        f"{key.to_user_string()}: {statistics.rows} rows ({window}{left_out}) into {report.name}, "
        f"which holds {report.total_rows}; {seconds:.1f} s"
    )
