"""Assets that load nothing and mark the same partitions: the minimal cost of a Dagster run."""

import os
from collections.abc import Iterator

import dagster as dg

GRID = dg.DailyPartitionsDefinition(os.environ["BENCH_GRID_START"])
FULL_REFRESH = os.environ.get("BENCH_FULL_REFRESH") == "yes"


def empty_asset(key: str, *, partitioned: bool) -> dg.AssetsDefinition:
    grid = GRID if partitioned else None
    spec = dg.AssetSpec(dg.AssetKey(key.split("/")), partitions_def=grid, skippable=partitioned)

    @dg.multi_asset(
        name=key.replace("/", "__"),
        specs=[spec],
        partitions_def=grid,
        backfill_policy=dg.BackfillPolicy.single_run() if partitioned else None,
    )
    def empty(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        if FULL_REFRESH and partitioned:
            for partition in GRID.get_partition_keys():
                context.log_event(dg.AssetMaterialization(spec.key, partition=partition))
        else:
            yield dg.MaterializeResult(asset_key=spec.key)

    return empty


recruiting = [
    empty_asset("recruiting/opportunities", partitioned=True),
    empty_asset("recruiting/users", partitioned=True),
]
treasury = [empty_asset(f"treasury/{name}", partitioned=True) for name in ("cash_drawers", "bank_accounts")]
defs = dg.Definitions(
    assets=[*recruiting, *treasury],
    jobs=[
        dg.define_asset_job("full_refresh", selection=[*recruiting, *treasury]),
        dg.define_asset_job("recruiting_incremental", selection=recruiting),
    ],
    executor=dg.in_process_executor,
)
