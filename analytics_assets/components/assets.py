"""Assets: one for each resource, one op and one dlt pipeline each."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` itself.
import hashlib
from collections.abc import Iterator
from typing import Any

import dagster as dg

from analytics_assets.components.checks import build_check_specs
from analytics_assets.components.metadata import declared_schema
from analytics_assets.components.resources import WarehouseResource
from analytics_assets.rest_api.config import Client, ResolvedResource

WAREHOUSE = "warehouse"


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
    chunk_size: int = 1,
) -> dg.AssetsDefinition:
    """The asset of one resource; `partitions_def` for resources that the API can filter by time.

    A run over a range of partitions loads and marks `chunk_size` of them at a time.
    """
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
        # What only a run needs is imported by it: every process pays for the definitions.
        from analytics_assets.components.execution import run_step

        yield from run_step(
            context,
            api,
            client,
            resource,
            spec=spec,
            check_specs=check_specs,
            credentials=getattr(context.resources, credentials_key),
            target=getattr(context.resources, WAREHOUSE),
            chunk_size=chunk_size,
        )

    return load_table
