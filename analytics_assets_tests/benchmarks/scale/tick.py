"""Evaluate the tick of the first generated API and print the shortest time. Takes the number of loaded windows."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta, timezone

import dagster as dg

from analytics_assets.definitions import defs

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
ROUNDS = 3


def main() -> None:
    repository, loaded = defs.get_repository_def(), int(sys.argv[1])
    schedule = repository.get_schedule_def("api_000_incremental_schedule")
    with dg.DagsterInstance.get() as instance:
        for key in repository.assets_defs_by_key:
            for hour in range(loaded if key.path[0] == "api_000" else 0):
                partition = f"{START + timedelta(hours=hour):%Y-%m-%d-%H:%M}"
                instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition))
        times = []
        for _ in range(ROUNDS):
            tick = START + timedelta(hours=loaded + 1)
            with dg.build_schedule_context(
                instance, repository_def=repository, scheduled_execution_time=tick
            ) as context:
                started = time.perf_counter()
                requests = schedule.evaluate_tick(context).run_requests
                times.append(time.perf_counter() - started)
            assert requests is not None
            assert len(requests) == 1, requests
    print(min(times))


if __name__ == "__main__":
    main()
