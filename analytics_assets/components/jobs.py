"""Jobs: one for each way to load an API's tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

MODE_TAG = "analytics/mode"
FULL_REFRESH = "full_refresh"


def build_incremental_job(api: str, assets: Sequence[dg.AssetsDefinition]) -> UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        f"{api}_incremental",
        selection=list(assets),
        description=f"Loads the chosen partitions of the {api} resources that the API can filter by time.",
    )


def build_snapshot_job(api: str, assets: Sequence[dg.AssetsDefinition]) -> UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        f"{api}_snapshot",
        selection=list(assets),
        description=f"Loads all rows of the {api} resources that have no partitions.",
    )


def build_full_refresh_job(
    name: str, assets: Sequence[dg.AssetsDefinition], *, scope: str
) -> UnresolvedAssetJobDefinition:
    """A job whose tag makes each asset load its full history and replace its table."""
    description = f"Reloads the full history of {scope} and replaces the tables."
    if partition_grids(assets):
        description += " The UI also prompts for partitions; the job ignores the choice."
    return dg.define_asset_job(name, selection=list(assets), tags={MODE_TAG: FULL_REFRESH}, description=description)


def build_global_full_refresh_jobs(definitions: dg.Definitions) -> list[UnresolvedAssetJobDefinition]:
    """The job over all APIs; no job if their partitions differ, since Dagster refuses such a job."""
    assets = [
        asset for asset in definitions.assets or [] if isinstance(asset, dg.AssetsDefinition) and asset.is_executable
    ]
    if not assets:
        return []
    if len(partition_grids(assets)) > 1:
        dg.get_dagster_logger().info(
            f"There is no job {FULL_REFRESH} over all APIs, since their partitions differ. "
            "Run <api>_full_refresh of each API"
        )
        return []
    return [build_full_refresh_job(FULL_REFRESH, assets, scope="all APIs")]


def is_full_refresh(context: dg.AssetExecutionContext) -> bool:
    return context.run.tags.get(MODE_TAG) == FULL_REFRESH


def partition_grids(assets: Iterable[dg.AssetsDefinition]) -> set[dg.PartitionsDefinition]:
    """The different partitions definitions of assets. Dagster runs assets in one job only if there is at most one."""
    return {asset.partitions_def for asset in assets if asset.partitions_def is not None}
