"""The cost of Dagster: runs on the sandbox API, compared with Dagster runs that do nothing."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import yaml

from analytics_assets_tests.benchmarks.bench import Bench
from analytics_assets_tests.benchmarks.compare import ContentError
from analytics_assets_tests.benchmarks.measure import Command, ratio
from analytics_assets_tests.benchmarks.programs import QUIET, ROOT, dagster

EMPTY = "analytics_assets_tests.benchmarks.empty_defs"
RECRUITING = ROOT / "analytics_assets" / "defs" / "recruiting" / "defs.yaml"
TABLES = ("recruiting/opportunities", "recruiting/users", "treasury/bank_accounts", "treasury/cash_drawers")
LAST_DAY = date(2026, 11, 15)  # of the sandbox rows
YEAR = 365


def full_refresh(bench: Bench) -> None:
    """The main job on the sandbox API, compared with four empty ops that mark the same partitions."""
    start = yaml.safe_load(RECRUITING.read_text())["attributes"]["partitions"]["start"]
    ours = dagster("full_refresh", bench.emptied("full refresh"))
    empty = _on_empty_definitions(
        dagster("full_refresh", bench.emptied("full refresh, empty")), start, BENCH_FULL_REFRESH="yes"
    )
    _report(bench, "`full_refresh` of the four sandbox assets", "an empty job", ours, empty)


def year(bench: Bench) -> None:
    """A year of daily partitions as one run, compared with empty assets over the same range."""
    first = LAST_DAY - timedelta(days=YEAR - 1)
    folder = bench.emptied("year")
    definition = yaml.safe_load(RECRUITING.read_text())
    definition["attributes"]["partitions"]["start"] = first
    file = folder / "defs" / "recruiting" / "defs.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump(definition))
    tags = {
        "dagster/asset_partition_range_start": first.isoformat(),
        "dagster/asset_partition_range_end": LAST_DAY.isoformat(),
    }
    ours = dagster("recruiting_incremental", folder, {"ANALYTICS_DEFS_DIR": str(folder / "defs")}, tags)
    empty = _on_empty_definitions(
        dagster("recruiting_incremental", bench.emptied("year, empty"), tags=tags), first.isoformat()
    )
    _report(bench, f"One run of {YEAR} daily partitions of two sandbox assets", "empty assets", ours, empty)


def imports(bench: Bench) -> None:
    """The import time of the definitions, compared with dagster-dlt alone."""
    folder = bench.emptied("imports")
    commands = {
        name: Command([sys.executable, "-c", f"import {name}"], folder, QUIET)
        for name in ("dagster_dlt", "analytics_assets.definitions")
    }
    loads = bench.commands(commands)
    import_ratio = ratio(loads["analytics_assets.definitions"].walls(), loads["dagster_dlt"].walls())
    wall, base = loads["analytics_assets.definitions"].wall(), loads["dagster_dlt"].wall()
    bench.add_finding(
        f"Dagster imports the definitions in {wall:.2f} s, {import_ratio.median:.2f} times the time of "
        "`import dagster_dlt`.",
        f"{wall:.2f} s against {base:.2f} s; ratio {import_ratio}",
    )


def _on_empty_definitions(command: Command, start: str, **variables: str) -> Command:
    """The same command on the empty definitions."""
    args = [EMPTY if arg == "analytics_assets.definitions" else arg for arg in command.args]
    return replace(command, args=args, env={**command.env, "BENCH_GRID_START": str(start), **variables})


def _report(bench: Bench, run: str, baseline: str, ours: Command, empty: Command) -> None:
    loads = bench.commands({"ours": ours, "empty": empty})
    marked, expected = _marked_partitions(ours), _marked_partitions(empty)
    if marked != expected:
        raise ContentError(f"{run}: ours marked {len(marked)} partitions, the empty job {len(expected)}")
    time_ratio = ratio(loads["ours"].walls(), loads["empty"].walls())
    bench.add_finding(
        f"{run} takes {time_ratio.median:.2f} times as long as Dagster needs for {baseline} with the same partitions.",
        f"{loads['ours'].wall():.2f} s against {loads['empty'].wall():.2f} s; ratio {time_ratio}; {len(expected)} "
        "partitions are marked",
    )


def _marked_partitions(command: Command) -> set[tuple[str, str]]:
    """The partitions that the command's runs have materialized."""
    with dg.DagsterInstance.from_config(str(Path(command.env["DAGSTER_HOME"]))) as instance:
        return {
            (table, partition)
            for table in TABLES
            for partition in instance.get_materialized_partitions(dg.AssetKey(table.split("/")))
        }
