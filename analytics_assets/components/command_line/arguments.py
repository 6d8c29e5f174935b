"""Checks the arguments of `dg launch`, which reports wrong ones as stack traces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import click
import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from analytics_assets.components.jobs import FULL_REFRESH, MODE_TAG
from analytics_assets.components.partitions import WindowPartitionsDefinition
from analytics_assets.rest_api.errors import ConfigError

COMMANDS = {"launch", "materialize"}  # `dg launch`, `dagster asset materialize`
ASSET_KEY = re.compile(r"[\w/]+")


def check_arguments(definitions: dg.Definitions) -> None:
    """Check the arguments of the command that loads the definitions in its own process, if it is one of COMMANDS.

    Raises:
        ConfigError: An argument is wrong. The message says what to write instead.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.info_name not in COMMANDS:
        return
    params = context.params
    if params.get("partition") and params.get("partition_range"):
        raise ConfigError("--partition and --partition-range exclude each other: use one of them")
    if (key_range := params.get("partition_range")) and key_range.count("...") != 1:
        raise ConfigError(f"--partition-range {key_range}: write it as FIRST...LAST, such as 2026-10-02...2026-10-08")
    if selection := params.get("assets") or params.get("select"):
        check_assets(selection, params, definitions.resolve_asset_graph())
    elif params.get("job") in definitions.get_repository_def().job_names:  # Dagster reports unknown jobs itself
        check_job(definitions.resolve_job_def(params["job"]), params)


def check_assets(selection: str, params: Mapping[str, Any], graph: AssetGraph) -> None:
    """Check that the assets exist, can be loaded, and have partitions if the command names one.

    Raises:
        ConfigError: See `check_arguments`.
    """
    keys = dg.AssetSelection.from_coercible(selection.split(",")).resolve(graph, allow_missing=True)
    tables = sorted(key.to_user_string() for key in graph.executable_asset_keys)
    written = {name for name in selection.split(",") if ASSET_KEY.fullmatch(name)}  # others are expressions
    if wrong := sorted((written | {key.to_user_string() for key in keys}).difference(tables)):
        nearest = get_close_matches(wrong[0], tables, n=1, cutoff=0)
        raise ConfigError(f"--assets: {wrong[0]} is not the asset of a table. Did you mean {nearest[0]}?")
    partitions_defs = {graph.get(key).partitions_def for key in keys}
    if len(partitions_defs) > 1:
        raise ConfigError(f"--assets {selection}: the partitions of these assets differ. Launch them one by one")
    for partitions_def in partitions_defs:
        check_partition(f"--assets {selection}", partitions_def, params)


def check_job(job: dg.JobDefinition, params: Mapping[str, Any]) -> None:
    """Check that the job has partitions if the command names one. A full refresh needs none.

    Raises:
        ConfigError: See `check_arguments`.
    """
    if job.partitions_def is None or job.tags.get(MODE_TAG) != FULL_REFRESH:
        check_partition(f"--job {job.name}", job.partitions_def, params)


def check_partition(target: str, partitions_def: dg.PartitionsDefinition | None, params: Mapping[str, Any]) -> None:
    """Check that the command names a partition exactly if its target has partitions.

    Raises:
        ConfigError: See `check_arguments`.
    """
    named = params.get("partition") or params.get("partition_range")
    if named and partitions_def is None:
        raise ConfigError(f"{target} has no partitions and loads all rows: remove the partition {named}")
    if not named and isinstance(partitions_def, WindowPartitionsDefinition):
        key = partitions_def.example_key
        raise ConfigError(
            f"{target} is partitioned: add --partition {key} or --partition-range {key}...{key}. A full_refresh job "
            "loads the full history"
        )
