"""Assets: one for each resource, one op and one dlt pipeline each."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` itself.
import hashlib
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import dagster as dg
from dagster_dlt import DagsterDltTranslator
from dagster_dlt.translator import DltResourceTranslatorData

from analytics_assets.components.checks import build_check_specs, check_results
from analytics_assets.components.failures import step_failure
from analytics_assets.components.jobs import is_full_refresh
from analytics_assets.components.metadata import declared_schema, load_metadata
from analytics_assets.components.partitions import window_of
from analytics_assets.components.resources import ApiCredentials, WarehouseResource
from analytics_assets.rest_api.config import Client, ResolvedResource
from analytics_assets.rest_api.errors import ConfigError, RestApiError
from analytics_assets.rest_api.load import LOADER_FILE_FORMAT, Load, LoadRequest, prepare
from analytics_assets.rest_api.windows import Window

WAREHOUSE = "warehouse"


class Translator(DagsterDltTranslator):
    """Says which asset a dlt resource is: the one with the spec."""

    def __init__(self, spec: dg.AssetSpec) -> None:
        self._spec = spec

    def get_asset_spec(self, data: DltResourceTranslatorData) -> dg.AssetSpec:  # noqa: ARG002
        return self._spec


def endpoint_spec(api: str, resource: ResolvedResource) -> dg.AssetSpec:
    """The API's endpoint as an external asset: lineage starts there."""
    return dg.AssetSpec(
        dg.AssetKey([f"{api}_api", resource.name]),
        group_name=api,
        description=f"The endpoint `{resource.endpoint.path}` of the {api} API.",
        kinds={"rest"},
    )


def table_spec(
    api: str,
    resource: ResolvedResource,
    *,
    warehouse: WarehouseResource,
    partitions_def: dg.PartitionsDefinition | None,
) -> dg.AssetSpec:
    metadata: dict[str, Any] = {"dagster/table_name": f"{warehouse.dataset_prefix}{api}.{resource.name}"}
    if columns := declared_schema(resource):
        metadata["dagster/column_schema"] = columns
    return dg.AssetSpec(
        dg.AssetKey([api, resource.name]),
        deps=[endpoint_spec(api, resource).key],
        description=resource.description or f"Rows of `{resource.endpoint.path}` of the {api} API.",
        group_name=api,
        owners=list(resource.owners),
        tags=dict(resource.tags),
        kinds={"dlt", warehouse.destination},
        metadata=metadata,
        # A full refresh marks the windows that it covers by itself: the step then has no output of its own.
        skippable=partitions_def is not None,
        code_version=hashlib.sha256(resource.model_dump_json().encode()).hexdigest()[:12],
        partitions_def=partitions_def,
    )


def build_asset(
    api: str,
    client: Client,
    resource: ResolvedResource,
    *,
    warehouse: WarehouseResource,
    partitions_def: dg.TimeWindowPartitionsDefinition | None,
) -> dg.AssetsDefinition:
    """The asset of one resource; `partitions_def` for resources that the API can filter by time."""
    spec = table_spec(api, resource, warehouse=warehouse, partitions_def=partitions_def)
    check_specs = build_check_specs(spec.key, resource)
    credentials_key = f"{api}_credentials"

    @dg.multi_asset(
        name=f"{api}__{resource.name}",
        specs=[spec],
        check_specs=check_specs,
        partitions_def=partitions_def,
        backfill_policy=dg.BackfillPolicy.single_run() if partitions_def else None,
        required_resource_keys={credentials_key, WAREHOUSE},
    )
    def load_table(context: dg.AssetExecutionContext) -> Iterator[Any]:
        credentials: ApiCredentials = getattr(context.resources, credentials_key)
        target: WarehouseResource = getattr(context.resources, WAREHOUSE)
        began, clock = datetime.now(timezone.utc), time.monotonic()
        try:
            request, sandbox = build_request(context, api, client, resource, credentials, target)
            with prepare(request) as load:
                events = list(
                    target.run(
                        context=context,
                        dlt_source=load.source,
                        dlt_pipeline=load.pipeline,
                        dagster_dlt_translator=Translator(spec),
                        loader_file_format=LOADER_FILE_FORMAT,
                    )
                )
        except RestApiError as error:
            raise step_failure(context, spec.key, error) from None
        seconds = time.monotonic() - clock
        metadata = load_metadata(load, seconds=seconds, sandbox=sandbox)
        context.log.info(summary(spec.key, load, seconds=seconds))
        if request.full_refresh and partitions_def:
            mark_windows(context, spec.key, partitions_def, began=began, metadata=metadata)
        else:
            yield from (event._replace(metadata=metadata) for event in events)
        yield from check_results(check_specs, load.statistics)

    return load_table


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
    full_refresh = is_full_refresh(context)
    request = LoadRequest(
        api=api,
        client=client,
        resource=resource,
        warehouse=warehouse,
        dataset=warehouse.dataset(api, sandbox=environment.sandbox),
        environ=environment.variables,
        window=None if full_refresh or resource.endpoint.incremental is None else requested_window(context),
        full_refresh=full_refresh,
        token_dir=environment.token_dir,
        log=context.log,
    )
    return request, environment.sandbox


def requested_window(context: dg.AssetExecutionContext) -> Window:
    if not (context.has_partition_key or context.has_partition_key_range):
        raise ConfigError(
            "this asset is loaded by windows and the run names none: choose a partition in the UI, add "
            '--tags \'{"dagster/partition": "2026-10-01"}\', or run a full_refresh job to load all history'
        )
    return window_of(context)


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


def summary(key: dg.AssetKey, load: Load, *, seconds: float) -> str:
    """The one line that a load leaves in the console."""
    statistics, report = load.statistics, load.pipeline.report
    window = str(load.request.window) if load.request.window else "all history"
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
