"""Several hosts: a worker loses its power and another one loses the database while a year is loaded."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from analytics_assets_tests.harness.hosts import api
from analytics_assets_tests.harness.hosts.deployment import WORKSPACE, Deployment, run_deployment
from analytics_assets_tests.harness.hosts.network import wait_for
from analytics_assets_tests.harness.hosts.report import describe

OUTAGE_SECONDS = 20
SHORT: dict[str, Any] = {"cadence": "weekly", "per_run": 18, "chunk": 6}
LONG: dict[str, Any] = {"cadence": "daily", "per_run": 30, "chunk": 5}


def cut_off_and_lose_power(deployment: Deployment, cut: str, lost: str) -> None:
    """Cut a worker from the database for a while, which closes its connections, and switch off the other one.

    Both load at that time. The outage does not depend on the speed of this machine: a run is started again twice.
    """
    worker, database = deployment.hosts[cut], deployment.hosts["database"]
    deployment.wait_for_requests(worker, 2)
    deployment.wait_for_requests(deployment.hosts[lost], 1)
    worker.block(database)
    deployment.query(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_addr = '{worker.address}'")
    deployment.hosts[lost].lose_power()
    time.sleep(OUTAGE_SECONDS)
    worker.unblock(database)


def assert_all_is_loaded(deployment: Deployment, seconds: float) -> None:
    """Assert that each run succeeded or was continued by one that did, and that tables equal the API's data."""
    try:
        wait_for(lambda: is_finished(deployment), "runs", seconds=seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{describe(deployment)}") from None
    assert deployment.unfinished_steps() == []
    for resource in api.RESOURCES:
        assert deployment.table(resource) == api.rows(resource)
    tokens = [status for _, path, status in deployment.requests() if path.endswith("/oauth/token")]
    assert len(tokens) > 1
    assert set(tokens) == {200}


def is_finished(deployment: Deployment) -> bool:
    """Whether all runs have ended.

    Raises:
        AssertionError: A run has ended without success, and no run will continue it.
    """
    runs = deployment.runs()
    continued = {run["parent"] for run in runs}
    open_runs = [run for run in runs if run["status"] != "SUCCESS" and run["run_id"] not in continued]
    lost = [
        run
        for run in open_runs
        if run["status"] == "CANCELED" or (run["status"] == "FAILURE" and run["will_retry"] == "false")
    ]
    assert lost == [], "runs that nothing continues"
    return bool(runs) and open_runs == []


@pytest.mark.parametrize(
    ("partitions", "seconds"),
    [
        pytest.param(SHORT, 240, id="short", marks=pytest.mark.e2e),
        pytest.param(LONG, 900, id="long", marks=pytest.mark.soak),
    ],
)
def test_year_is_loaded_although_workers_lose_power_and_database(
    tmp_path: Path, partitions: dict[str, Any], seconds: float
) -> None:
    with run_deployment(tmp_path, partitions, latency=0.15) as deployment:
        launcher = deployment.hosts["launcher"]
        days = range(0, api.DAYS, {"weekly": 7, "daily": 1}[partitions["cadence"]])
        deployment.start_backfill([f"{api.FIRST_DAY + timedelta(days=day):%Y-%m-%d}" for day in days])
        launcher.start("daemon", "dagster-daemon", "run", "-w", WORKSPACE)
        cut_off_and_lose_power(deployment, "worker2", "worker1")
        assert_all_is_loaded(deployment, seconds)
        launcher.run("dagster", "job", "execute", "-m", "analytics_assets.definitions", "-j", "full_refresh")
        assert_all_is_loaded(deployment, seconds)
