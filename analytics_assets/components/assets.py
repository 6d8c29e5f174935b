"""Assets: one endpoint, one op, one table and one asset for each resource."""

# Without `from __future__ import annotations`: Dagster evaluates the annotation of `context` itself.
import hashlib
import os
from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.storage.tags import RETRY_ON_ASSET_OR_OP_FAILURE_TAG

from analytics_assets.components.asset_plan import AssetPlan
from analytics_assets.components.checks.registry import build_check_specs
from analytics_assets.components.metadata.endpoint import endpoint_description, endpoint_metadata
from analytics_assets.components.metadata.source_link import source_link
from analytics_assets.components.metadata.table import declared_schema
from analytics_assets.components.settings import Settings

WAREHOUSE = "warehouse"
LOADED, PARENT = "loaded", "parent"  # the output and the input of the ops of a full refresh
# An output with this metadata marks no partition as materialized.
NO_MATERIALIZATION = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}


def build_endpoint_spec(plan: AssetPlan, settings: Settings) -> dg.AssetSpec:
    """The endpoint as an external asset, so that lineage starts at the API."""
    return dg.AssetSpec(
        plan.endpoint_key,
        group_name=plan.api,
        description=endpoint_description(plan.api, plan.resource),
        owners=list(plan.resource.owners),
        kinds={"rest"},
        metadata={**endpoint_metadata(plan.client, plan.resource), **source_metadata(plan, settings)},
    )


def source_metadata(plan: AssetPlan, settings: Settings) -> dict[str, Any]:
    """The link to the resource's lines in the YAML."""
    if plan.file is None:
        return {}
    return {"dagster/code_references": source_link(plan.file, plan.line, git_url=settings.git_url)}


def table_metadata(plan: AssetPlan, settings: Settings) -> dict[str, Any]:
    """Where the table is, and the columns that the YAML declares.

    While the sandbox serves, the table is that of the sandbox: the other one does not exist.
    """
    dataset = f"{settings.dataset_prefix}{plan.api}{'_sandbox' if sandbox_serves(plan, settings) else ''}"
    metadata: dict[str, Any] = {"dagster/table_name": f"{dataset}.{plan.resource.name}"}
    if settings.destination == "duckdb":
        metadata["dagster/uri"] = f"duckdb://{settings.duckdb_path.absolute()}"
    if columns := declared_schema(plan.resource):
        metadata["dagster/column_schema"] = columns
    return {**metadata, **source_metadata(plan, settings)}


def sandbox_serves(plan: AssetPlan, settings: Settings) -> bool:
    """Whether runs in this environment load from the sandbox. No value of a variable is stored."""
    names = [reference.env or "" for reference in plan.credentials]
    is_set = any((os.environ.get(name) or "").strip() for name in names)
    return plan.may_be_sandbox and settings.destination == "duckdb" and bool(names) and all(names) and not is_set


def build_table_spec(plan: AssetPlan, settings: Settings) -> dg.AssetSpec:
    resource = plan.resource
    return dg.AssetSpec(
        plan.key,
        # Dagster maps partitions of the parent to the same ones of the child, and to all if one of them has none.
        deps=[plan.endpoint_key, *filter(None, [plan.parent_key])],
        description=resource.description or f"Rows of `{resource.endpoint.path}` of the {plan.api} API.",
        group_name=plan.api,
        owners=list(resource.owners),
        tags={**resource.tags, "dagster/storage_kind": settings.destination},
        kinds={"dlt", settings.destination},
        metadata=table_metadata(plan, settings),
        # The step has no output if it reports materializations itself, or reports an observation instead.
        skippable=plan.partitions_def is not None or plan.may_be_sandbox,
        code_version=hashlib.sha256(resource.model_dump_json(exclude={"checks"}).encode()).hexdigest()[:12],
        freshness_policy=plan.freshness_policy,
        partitions_def=plan.partitions_def,
    )


@dg.failure_hook
def retry_run_after_outage(context: dg.HookContext) -> None:
    """Let the daemon retry the run if the step failed because the database of Dagster's history was unavailable.

    Dagster reports a step's results after the step's own code, which cannot request a retry then.
    """
    from analytics_assets.components.runs.failures import is_database_error

    if is_database_error(context.op_exception):
        context.instance.add_run_tags(context.run_id, {RETRY_ON_ASSET_OR_OP_FAILURE_TAG: "true"})


def build_asset(plan: AssetPlan, settings: Settings) -> dg.AssetsDefinition:
    """The asset that loads a resource into its table."""

    @dg.multi_asset(
        name=plan.op_name,
        specs=[build_table_spec(plan, settings)],
        check_specs=build_check_specs(plan),
        partitions_def=plan.partitions_def,
        backfill_policy=plan.backfill_policy,
        required_resource_keys={plan.credentials_key, WAREHOUSE},
        pool=plan.api,
        hooks={retry_run_after_outage},
    )
    def load_table(context: dg.AssetExecutionContext) -> Iterator[Any]:
        # Imported by runs only: every Dagster process loads the definitions and would pay for the import.
        from analytics_assets.components.runs.execution import run_asset

        has_output = False
        for result in run_asset(context.op_execution_context, plan):
            has_output |= isinstance(result, dg.MaterializeResult)
            yield result
        if not has_output:  # Dagster skips the steps of children if the step of the parent has no output
            output_name = context.assets_def.get_output_name_for_asset_key(plan.key)
            yield dg.Output(None, output_name, metadata=NO_MATERIALIZATION)

    return load_table


def build_full_refresh_op(plan: AssetPlan, job: str) -> dg.OpDefinition:
    """An op that does what the asset does in a full refresh, for a job that cannot hold the asset."""

    @dg.op(
        name=f"{plan.op_name}__{job}",
        description=plan.resource.description,
        ins={PARENT: dg.In(dg.Nothing)} if plan.parent_key else {},
        out={LOADED: dg.Out(dg.Nothing)},
        required_resource_keys={plan.credentials_key, WAREHOUSE},
        pool=plan.api,
    )
    def reload_table(context: dg.OpExecutionContext) -> Iterator[Any]:
        from analytics_assets.components.runs.execution import run_asset  # by runs only, as above

        for result in run_asset(context, plan):
            if isinstance(result, dg.Output):
                continue  # of a check; the job has none
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
        yield dg.Output(None, LOADED)

    return reload_table
