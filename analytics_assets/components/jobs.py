"""Jobs: one for each way in which an API's tables are loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dagster as dg

MODE_TAG = "analytics/mode"
FULL_REFRESH = "full_refresh"


def build_full_refresh_job(
    assets: Sequence[dg.AssetsDefinition], *, name: str, description: str
) -> dg.UnresolvedAssetJobDefinition:
    """A job whose runs walk all history and replace the tables: the tag says so to the assets."""
    if grids(assets):
        description += " The UI asks for partitions: whichever are chosen, all history is walked."
    return dg.define_asset_job(name, selection=list(assets), tags={MODE_TAG: FULL_REFRESH}, description=description)


def is_full_refresh(context: dg.AssetExecutionContext) -> bool:
    return context.run.tags.get(MODE_TAG) == FULL_REFRESH


def grids(assets: Iterable[dg.AssetsDefinition]) -> set[dg.PartitionsDefinition]:
    """The different partition grids of assets: Dagster runs assets in one job only as long as there is at most one."""
    return {asset.partitions_def for asset in assets if asset.partitions_def is not None}
