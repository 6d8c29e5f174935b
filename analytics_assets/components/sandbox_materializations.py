"""Materializations of sandbox data: they are labelled, and the first load from the API removes them.

The materializations of an asset are either all from the sandbox or all from the API. A later load from the sandbox does
not change those of the API.
"""

from __future__ import annotations

import dagster as dg

SANDBOX_SOURCE = "sandbox: invented data"
API_SOURCE = "API"
SOURCE_TAG = "analytics/source"  # of runs
SANDBOX, API = "sandbox", "api"


def source_text(*, sandbox: bool) -> str:
    """The value of the metadata `source`."""
    return SANDBOX_SOURCE if sandbox else API_SOURCE


def is_from_sandbox(materialization: dg.AssetMaterialization) -> bool:
    """Whether the sandbox served the rows of a materialization."""
    source = materialization.metadata.get("source")
    return source is not None and source.value == SANDBOX_SOURCE


def materializations_source(instance: dg.DagsterInstance, key: dg.AssetKey) -> str | None:
    """Where the rows of an asset's materializations are from: SANDBOX, API, or None without materializations."""
    event = instance.get_latest_materialization_event(key)
    if event is None or event.asset_materialization is None:
        return None
    return SANDBOX if is_from_sandbox(event.asset_materialization) else API


def loaded_partitions_of_api(instance: dg.DagsterInstance, key: dg.AssetKey) -> set[str]:
    """The partitions of an asset that were loaded from the API."""
    return set() if materializations_source(instance, key) == SANDBOX else instance.get_materialized_partitions(key)


def tag_run(context: dg.OpExecutionContext, *, sandbox: bool) -> None:
    """Tag a run that loads from the sandbox. A re-execution inherits the tag, also if it loads from the API."""
    if sandbox or SOURCE_TAG in context.run.tags:
        context.instance.add_run_tags(context.run_id, {SOURCE_TAG: SANDBOX if sandbox else API})


def wipe_sandbox_materializations(
    context: dg.OpExecutionContext, key: dg.AssetKey, *, endpoint_key: dg.AssetKey, sandbox: bool
) -> bool:
    """Wipe the materializations of the sandbox before the first one of the API. Call it before each load is reported.

    Returns:
        Whether the load may be reported as a materialization: not if it is from the sandbox and earlier ones are from
        the API.
    """
    instance, name, source = context.instance, key.to_user_string(), materializations_source(context.instance, key)
    if sandbox and source == API:
        context.log.warning(
            f"{name}: the materializations of this asset are of real data and stay as they are. The load from the "
            "sandbox is reported as an observation"
        )
        return False
    if not sandbox and source == SANDBOX:
        instance.wipe_assets([each for each in (key, endpoint_key) if instance.has_asset_key(each)])
        context.log.info(
            f"{name}: the first load of real data. The materializations and checks of the sandbox's data are removed"
        )
    return True
