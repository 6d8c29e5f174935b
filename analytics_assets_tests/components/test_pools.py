"""Pools: the runs of one API that the UI and schedules start wait in the queue. Commands start at once."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance.config import PoolGranularity

from analytics_assets_tests.components.conftest import JobHarness
from analytics_assets_tests.components.test_grids import DAILY, HOURLY, definitions, defs_yaml
from analytics_assets_tests.support.project import Project


@pytest.mark.parametrize("crm", [DAILY, HOURLY], ids=["assets", "ops"])  # ops: full_refresh over different partitions
def test_every_step_is_in_the_pool_of_its_api(folder: Path, crm: str) -> None:
    loaded = definitions(folder, shop=defs_yaml("shop", DAILY), crm=defs_yaml("crm", crm))
    nodes = loaded.resolve_job_def("full_refresh").nodes
    assert {node.name: node.definition.pools for node in nodes} == {
        f"{api}__{name}": {api} for api in ("shop", "crm") for name in ("orders", "customers")
    }


def test_command_starts_although_its_pool_is_full(harness: JobHarness, project: Project) -> None:
    """With pools of steps it would wait forever for the slot of a command that was killed."""
    with dg.DagsterInstance.from_config(project.env["DAGSTER_HOME"]) as harness.instance:
        pools = harness.instance.event_log_storage.get_pool_config()
        assert (pools.pool_granularity, pools.default_pool_limit) == (PoolGranularity.RUN, 4)
        harness.instance.event_log_storage.set_concurrency_slots("recruiting", 0)
        harness.run("recruiting_incremental", partition="2026-10-02")
