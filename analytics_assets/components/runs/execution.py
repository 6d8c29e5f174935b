"""What an asset does when it runs. Imported by runs only."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, TypeAlias

import dagster as dg

from analytics_assets.components.asset_plan import AssetPlan
from analytics_assets.components.assets import WAREHOUSE
from analytics_assets.components.checks.base import RunOfLoads
from analytics_assets.components.checks.planned import discard_planned_evaluations
from analytics_assets.components.checks.registry import build_check_specs, check_results, outputs_without_result
from analytics_assets.components.command_line.run_origin import set_run_origin
from analytics_assets.components.jobs import FULL_REFRESH, MODE_TAG
from analytics_assets.components.metadata.endpoint import observation_metadata
from analytics_assets.components.metadata.load import materialization_metadata, summary
from analytics_assets.components.partitions import (
    Chunk,
    loaded_partitions,
    partition_bounds,
    refuse_unused_partition,
    remaining_chunks,
    requested_partitions,
)
from analytics_assets.components.resources import ApiCredentials, WarehouseResource
from analytics_assets.components.runs.failures import retry_after_outage, step_failure
from analytics_assets.components.runs.lost_executions import check_lost_executions
from analytics_assets.components.sandbox_materializations import source_text, tag_run, wipe_sandbox_materializations
from analytics_assets.components.settings import Settings
from analytics_assets.rest_api.auth.secret_reader import references
from analytics_assets.rest_api.errors import RestApiError
from analytics_assets.rest_api.load.request import LoadRequest, LoadResult
from analytics_assets.rest_api.load.table import load_table

Reported: TypeAlias = "dg.MaterializeResult[Any] | dg.AssetCheckResult | dg.Output[None]"


def run_asset(context: dg.OpExecutionContext, plan: AssetPlan) -> Iterator[Reported]:
    """Run an asset. The step is retried if the database of Dagster's history was unavailable.

    Raises:
        dagster.Failure: A load failed. The table is as the last successful load left it.
        dagster.RetryRequested: A load failed, or Dagster's history was unavailable, and the step is retried.
    """
    try:
        yield from load_asset(context, plan)
    except Exception as error:
        request = retry_after_outage(context, plan.name, error, Settings.from_environ(os.environ))
        if request is None:
            raise
        raise request from request.__cause__


def load_asset(context: dg.OpExecutionContext, plan: AssetPlan) -> Iterator[Reported]:
    """Load the asset's table, a range of partitions chunk by chunk, and report materializations and checks.

    Raises:
        dagster.Failure: A load failed. The table is as the last successful load left it.
        dagster.RetryRequested: A load failed, and the step is retried.
    """
    set_run_origin(context.instance, context.run)
    now = datetime.now(timezone.utc)  # read once per run: it decides which windows have ended
    specs = build_check_specs(plan)
    results: list[LoadResult] = []
    partitions: list[str] = []
    sandbox = False

    def finished() -> RunOfLoads:
        return RunOfLoads(plan, results, context.instance, context.run_id, partitions, sandbox)

    check_lost_executions(context, plan.name)
    try:
        request, sandbox = build_request(context, plan)
        tag_run(context, sandbox=sandbox)
        for chunk in chunks_to_load(context, plan, now=now, sandbox=sandbox):
            started = time.monotonic()
            bounds = partition_bounds(plan.partitions_def, chunk.partitions) if plan.partitions_def else ()
            result = load_table(replace(request, window=chunk.window, partition_bounds=bounds))
            seconds = time.monotonic() - started
            results.append(result)
            partitions += chunk.partitions if chunk.window else ()
            context.log.info(summary(plan.name, result, seconds=seconds))
            yield from report_load(context, plan, chunk, result, seconds=seconds, sandbox=sandbox)
    except RestApiError as error:
        yield from check_results(finished(), error)
        discard_planned_evaluations(context, specs)
        failure = step_failure(context, plan.name, error, Settings.from_environ(os.environ))
        raise failure from failure.__cause__
    checks = list(check_results(finished()))
    yield from checks
    yield from outputs_without_result(specs, checks)
    discard_planned_evaluations(context, specs)


def build_request(context: dg.OpExecutionContext, plan: AssetPlan) -> tuple[LoadRequest, bool]:
    """The load of this run without its window, and whether the sandbox serves it."""
    credentials: ApiCredentials = getattr(context.resources, plan.credentials_key)
    resource: WarehouseResource = getattr(context.resources, WAREHOUSE)
    target = resource.warehouse()
    environment = credentials.environment(
        plan.credentials,
        run_tags=context.run.tags,
        warehouse=target,
        others=[*references([plan.resource.hash, plan.resource.endpoint.values, plan.resource.endpoint.for_each])],
    )
    request = LoadRequest(
        api=plan.api,
        client=plan.client,
        resource=plan.resource,
        warehouse=target,
        dataset=target.dataset(plan.api, sandbox=environment.sandbox),
        environ=environment.variables,
        full_refresh=is_full_refresh(context),
        token_dir=environment.token_dir,
        log=context.log,
    )
    if environment.sandbox:
        context.log.warning(
            f"{plan.name}: loading invented data from the sandbox into {request.dataset}.{plan.resource.name}, since "
            f"none of the variables of {plan.api} is set. To load real data, set them: "
            f"{', '.join(credentials.variables)}"
        )
    return request, environment.sandbox


def chunks_to_load(context: dg.OpExecutionContext, plan: AssetPlan, *, now: datetime, sandbox: bool) -> list[Chunk]:
    """The chunks of the run's partitions; one chunk without a window if the whole resource is loaded."""
    if is_full_refresh(context):
        return [Chunk(plan.partitions_def.get_partition_keys(current_time=now) if plan.partitions_def else ())]
    if plan.partitions_def is None:
        refuse_unused_partition(context)
        return [Chunk()]
    requested = requested_partitions(context, plan.partitions_def, now=now)
    loaded = loaded_partitions(context, plan.key, sandbox=sandbox)
    chunks = remaining_chunks(plan.partitions_def, requested, loaded, size=plan.chunk_size)
    remaining = sum(len(chunk.partitions) for chunk in chunks)
    if remaining < len(requested):
        context.log.info(
            f"{plan.name}: loading the remaining {remaining} of {len(requested)} partitions; an earlier attempt loaded "
            "the others"
        )
    if len(chunks) > 1:
        context.log.info(f"{plan.name}: {remaining} partitions in {len(chunks)} loads, of up to {plan.chunk_size} each")
    return chunks


def report_load(
    context: dg.OpExecutionContext, plan: AssetPlan, chunk: Chunk, result: LoadResult, *, seconds: float, sandbox: bool
) -> Iterator[dg.MaterializeResult[Any]]:
    """Report what a load saw of the endpoint, and what it loaded into the table."""
    may_materialize = wipe_sandbox_materializations(context, plan.key, endpoint_key=plan.endpoint_key, sandbox=sandbox)
    source = source_text(sandbox=sandbox)
    observed = observation_metadata(result, source=source)
    context.log_event(dg.AssetObservation(plan.endpoint_key, metadata=observed))
    metadata = materialization_metadata(
        result, plan.endpoint_key, partitions=len(chunk.partitions), seconds=seconds, source=source
    )
    if may_materialize:
        yield from materializations(context, plan, chunk, metadata)
    else:
        log_observations(context, plan, chunk, metadata)


def materializations(
    context: dg.OpExecutionContext, plan: AssetPlan, chunk: Chunk, metadata: Sequence[Mapping[str, Any]]
) -> Iterator[dg.MaterializeResult[Any]]:
    """Report the materialization of each partition of a chunk, or of an asset without partitions.

    Args:
        context: The context of the step.
        plan: The asset.
        chunk: The chunk that was loaded.
        metadata: The metadata of each partition; one without partitions.
    """
    if plan.partitions_def is None:
        yield dg.MaterializeResult(asset_key=plan.key, metadata=metadata[0])
    elif chunk.window and chunk.partitions == context.partition_keys:
        step = context.get_step_execution_context()
        for partition, of_partition in zip(chunk.partitions, metadata, strict=True):
            step.add_asset_metadata(of_partition, plan.key, partition)
        yield dg.MaterializeResult(asset_key=plan.key)
    else:
        # Reported now, and not at the end of the step: after a later failure they are not loaded again. In a full
        # refresh, the run does not name the partitions.
        partitions: Sequence[str | None] = chunk.partitions or [None]
        for marked, of_partition in zip(partitions, metadata, strict=True):
            context.log_event(dg.AssetMaterialization(plan.key, partition=marked, metadata=of_partition))


def log_observations(
    context: dg.OpExecutionContext, plan: AssetPlan, chunk: Chunk, metadata: Sequence[Mapping[str, Any]]
) -> None:
    """Report what a load did without marking anything as materialized."""
    partitions: Sequence[str | None] = chunk.partitions or [None]
    for partition, of_partition in zip(partitions, metadata, strict=True):
        context.log_event(dg.AssetObservation(plan.key, partition=partition, metadata=of_partition))


def is_full_refresh(context: dg.OpExecutionContext) -> bool:
    return context.run.tags.get(MODE_TAG) == FULL_REFRESH
