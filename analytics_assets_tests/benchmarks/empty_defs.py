"""Assets that load nothing and mark the same partitions: the minimal cost of a Dagster run."""

import os
from collections.abc import Iterator

import dagster as dg

GRID = dg.DailyPartitionsDefinition(os.environ["BENCH_GRID_START"])
FULL_REFRESH = os.environ.get("BENCH_FULL_REFRESH") == "yes"


def empty_asset(key: str) -> dg.AssetsDefinition:
    spec = dg.AssetSpec(dg.AssetKey(key.split("/")), partitions_def=GRID, skippable=True)

    @dg.multi_asset(
        name=key.replace("/", "__"),
        specs=[spec],
        partitions_def=GRID,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def empty(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        if FULL_REFRESH:
            for partition in GRID.get_partition_keys():
                context.log_event(dg.AssetMaterialization(spec.key, partition=partition))
        else:
            yield dg.MaterializeResult(asset_key=spec.key)

    return empty


recruiting = [empty_asset(f"recruiting/{name}") for name in ("opportunities", "users")]
treasury = [empty_asset(f"treasury/{name}") for name in ("cash_drawers", "bank_accounts")]
defs = dg.Definitions(
    assets=[*recruiting, *treasury],
    jobs=[
        dg.define_asset_job("full_refresh", selection=[*recruiting, *treasury]),
        dg.define_asset_job("recruiting_incremental", selection=recruiting),
    ],
    executor=dg.in_process_executor,
)
