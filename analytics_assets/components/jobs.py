"""Jobs: one for each way to load an API's tables."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from analytics_assets.components.asset_plan import AssetPlan
from analytics_assets.components.assets import LOADED, PARENT, build_full_refresh_op

MODE_TAG = "analytics/mode"
FULL_REFRESH = "full_refresh"


def build_incremental_job(api: str, plans: Sequence[AssetPlan]) -> UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        f"{api}_incremental",
        selection=[plan.key for plan in plans],
        description=f"Loads the chosen partitions of the {api} resources that the API can filter by time.",
    )


def build_snapshot_job(api: str, plans: Sequence[AssetPlan]) -> UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        f"{api}_snapshot",
        selection=[plan.key for plan in plans],
        description=f"Loads all rows of the {api} resources that have no partitions.",
    )


def build_full_refresh_job(
    name: str, plans: Sequence[AssetPlan], *, scope: str
) -> UnresolvedAssetJobDefinition | dg.JobDefinition:
    """A job whose tag makes each asset load its full history and replace its table.

    Dagster refuses a job over assets whose partitions differ, makes several runs of a job if `partitions.per_run` is
    set, and fails a run without partition in which a partitioned asset depends on another. The job then runs an op for
    each asset. Its runs also report the assets' materializations and checks.
    """
    description = f"Reloads the full history of {scope} and replaces the tables."
    partitions_defs = {plan.partitions_def for plan in plans if plan.partitions_def}
    runs_spread = any(plan.partitions_per_run for plan in plans)  # several runs would each reload the full history
    partitioned = {plan.key for plan in plans if plan.partitions_def}
    has_children = any(plan.key in partitioned and plan.parent_key in partitioned for plan in plans)
    if len(partitions_defs) > 1 or runs_spread or has_children:
        ops = {plan.key: build_full_refresh_op(plan, name) for plan in plans}
        nodes: dict[dg.NodeInvocation, dict[str, dg.IDependencyDefinition]] = {}
        aliases = {plan.key: plan.op_name for plan in plans}
        for plan in plans:
            parent = {PARENT: dg.DependencyDefinition(aliases[plan.parent_key], LOADED)} if plan.parent_key else {}
            nodes[dg.NodeInvocation(ops[plan.key].name, alias=plan.op_name)] = dict(parent)
        graph = dg.GraphDefinition(name=name, node_defs=list(ops.values()), dependencies=nodes)
        description += " To start it in the UI, choose Launchpad."
        return graph.to_job(description=description, tags={MODE_TAG: FULL_REFRESH})
    if partitions_defs:
        description += " The UI also prompts for partitions; the job ignores the choice."
    return dg.define_asset_job(
        name, selection=[plan.key for plan in plans], description=description, tags={MODE_TAG: FULL_REFRESH}
    )
