"""Assets: one endpoint, one op, one table and one asset for each resource."""

# Without `from __future__ import annotations`: Dagster evaluates the annotation of `context` itself.
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg

from analytics_assets.components.checks import build_check_specs
from analytics_assets.components.metadata.table import declared_schema
from analytics_assets.components.partitions import WindowPartitionsDefinition
from analytics_assets.components.settings import Settings
from analytics_assets.rest_api.config import Client, ResolvedResource, SecretRef

WAREHOUSE = "warehouse"


@dataclass(frozen=True)
class AssetPlan:
    """What an asset is built from.

    Attributes:
        api: Name of the API: the asset's group, and the dataset of its table.
        client: Base URL, authentication and rate limits of the API.
        resource: The endpoint and its table.
        credentials: The variables of the API's base URL and authentication, of all its resources.
        partitions_def: The time windows to load; None if each run loads the whole resource.
        chunk_size: Number of partitions of a range that are loaded and marked together.
        may_be_sandbox: Whether the sandbox serves the API while none of its variables is set.
    """

    api: str
    client: Client
    resource: ResolvedResource
    partitions_def: WindowPartitionsDefinition | None = None
    chunk_size: int = 1
    credentials: tuple[SecretRef, ...] = ()
    may_be_sandbox: bool = False

    @property
    def key(self) -> dg.AssetKey:
        return dg.AssetKey([self.api, self.resource.name])

    @property
    def name(self) -> str:
        """The asset key as messages show it: `recruiting/users`."""
        return self.key.to_user_string()

    @property
    def op_name(self) -> str:
        return f"{self.api}__{self.resource.name}"

    @property
    def endpoint_key(self) -> dg.AssetKey:
        return dg.AssetKey([f"{self.api}_api", self.resource.name])

    @property
    def credentials_key(self) -> str:
        return credentials_key(self.api)

    @property
    def check_specs(self) -> list[dg.AssetCheckSpec]:
        return build_check_specs(self.key, self.resource)


def credentials_key(api: str) -> str:
    """The key of the Dagster resource that holds an API's credentials."""
    return f"{api}_credentials"


def build_endpoint_spec(plan: AssetPlan) -> dg.AssetSpec:
    """The endpoint as an external asset, so that lineage starts at the API."""
    return dg.AssetSpec(
        plan.endpoint_key,
        group_name=plan.api,
        description=f"The endpoint `{plan.resource.endpoint.path}` of the {plan.api} API.",
        kinds={"rest"},
    )


def build_table_spec(plan: AssetPlan, settings: Settings) -> dg.AssetSpec:
    resource = plan.resource
    metadata: dict[str, Any] = {"dagster/table_name": f"{settings.dataset_prefix}{plan.api}.{resource.name}"}
    if columns := declared_schema(resource):
        metadata["dagster/column_schema"] = columns
    return dg.AssetSpec(
        plan.key,
        deps=[plan.endpoint_key],
        description=resource.description or f"Rows of `{resource.endpoint.path}` of the {plan.api} API.",
        group_name=plan.api,
        owners=list(resource.owners),
        tags=dict(resource.tags),
        kinds={"dlt", settings.destination},
        metadata=metadata,
        # The step has no output if it marks partitions itself, or leaves the marks of real data as they are.
        skippable=plan.partitions_def is not None or plan.may_be_sandbox,
        code_version=hashlib.sha256(resource.model_dump_json().encode()).hexdigest()[:12],
        partitions_def=plan.partitions_def,
    )


def build_asset(plan: AssetPlan, settings: Settings) -> dg.AssetsDefinition:
    """The asset that loads a resource into its table."""

    @dg.multi_asset(
        name=plan.op_name,
        specs=[build_table_spec(plan, settings)],
        check_specs=plan.check_specs,
        partitions_def=plan.partitions_def,
        backfill_policy=dg.BackfillPolicy.single_run() if plan.partitions_def else None,
        required_resource_keys={plan.credentials_key, WAREHOUSE},
    )
    def load_table(context: dg.AssetExecutionContext) -> Iterator[Any]:
        # Imported by runs only: every Dagster process loads the definitions and would pay for the import.
        from analytics_assets.components.execution import run_asset

        yield from run_asset(context.op_execution_context, plan)

    return load_table


def build_full_refresh_op(plan: AssetPlan) -> dg.OpDefinition:
    """An op that does what the asset does in a full refresh, for a job that cannot hold the asset."""

    @dg.op(
        name=f"{plan.op_name}__full_refresh",
        description=plan.resource.description,
        out={},
        required_resource_keys={plan.credentials_key, WAREHOUSE},
    )
    def reload_table(context: dg.OpExecutionContext) -> Iterator[Any]:
        from analytics_assets.components.execution import run_asset  # by runs only, as above

        for result in run_asset(context, plan):
            if isinstance(result, dg.AssetCheckResult):
                yield dg.AssetCheckEvaluation(
                    asset_key=plan.key,
                    check_name=str(result.check_name),
                    passed=result.passed,
                    metadata=result.metadata,
                    severity=result.severity,
                    description=result.description,
                )
            else:
                yield dg.AssetMaterialization(plan.key, metadata=result.metadata)

    return reload_table
