"""With PostgreSQL as the destination, a run needs no file of an earlier run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from analytics_assets.definitions import build_definitions
from analytics_assets_tests.components.conftest import write_defs
from analytics_assets_tests.fake_api import Api, Endpoint, FakeServer, OAuth2, OffsetPagination, TimeFilter, serve
from analytics_assets_tests.harness.token_refresh_processes import TOKEN_PATH
from analytics_assets_tests.support.postgres import Postgres
from analytics_assets_tests.support.processes import FORK_SERVER

YAML = """
type: analytics_assets.components.RestApi
attributes:
  client:
    base_url: {env: SHOP_BASE_URL}
    max_requests_per_second: 50
    max_concurrency: 1
    auth:
      type: oauth2
      client_id: {env: SHOP_CLIENT_ID}
      client_secret: {env: SHOP_CLIENT_SECRET}
      refresh_token: {env: SHOP_REFRESH_TOKEN}
      token_url: {env: SHOP_TOKEN_URL}
  resources:
    - name: orders
      primary_key: id
      endpoint:
        path: /orders
        data_selector: data
        paginator: {type: offset, limit: 2}
        incremental: {cursor_path: updated_at, start_param: since, end_param: until}
  partitions: {cadence: daily, start: 2026-10-01, timezone: UTC}
"""
ROWS = [{"id": day * 10 + n, "updated_at": f"2026-10-0{day}T0{n}:00:00Z"} for day in (1, 2) for n in range(5)]


def run_partition(environ: Mapping[str, str], folder: Path, partition: str) -> None:
    """Run the job for a partition in a process without state of its own: all its folders are new and empty."""
    folders = {name: folder / name.lower() for name in ("HOME", "TMPDIR", "ANALYTICS_STATE_DIR", "DAGSTER_HOME")}
    for path in folders.values():
        path.mkdir(parents=True)
    os.environ.update(environ)
    os.environ.update({name: str(path) for name, path in folders.items()})
    os.environ.pop("ANALYTICS_TOKEN_STORE", None)
    tempfile.tempdir = None
    os.chdir(folder)
    job = build_definitions(os.environ).resolve_job_def("shop_incremental")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, tags={"dagster/partition": partition})
        lines = [entry.user_message for entry in instance.all_logs(result.run_id)]
    [line] = [line for line in lines if "are stored in" in line]
    (folder.parent / "log").write_text(line)


def test_next_run_works_after_all_local_files_are_deleted(postgres: Postgres, tmp_path: Path) -> None:
    updated = TimeFilter("updated_at", {"since": "{start}", "until": "{end}"})
    orders = Endpoint("/orders", ROWS, pagination=OffsetPagination(max_limit=2), updated=updated)
    auth = OAuth2("client", "s3cret", refresh_token="first", rotate=True, token_uses=2)
    server = FakeServer([Api("shop", [orders], auth=auth)])
    defs = write_defs(tmp_path / "defs", {"shop": YAML})
    with serve(server) as url:
        environ = {
            **server.variables(url),
            "ANALYTICS_DEFS_DIR": str(defs),
            "ANALYTICS_DESTINATION": "postgres",
            "ANALYTICS_STEP_RETRIES": "0",
            "DESTINATION__POSTGRES__CREDENTIALS": postgres.credentials,
        }
        for partition in ("2026-10-01", "2026-10-02"):
            machine = tmp_path / partition
            process = FORK_SERVER.Process(target=run_partition, args=(environ, machine, partition))
            process.start()
            process.join(timeout=120)
            assert process.exitcode == 0
            shutil.rmtree(machine)
    tokens = [record for record in server.requests if record.request.path == TOKEN_PATH]
    used = [record.request.form()["refresh_token"] for record in tokens]
    assert used[0] == "first"
    assert len(used) > 2
    assert len(set(used)) == len(used)
    assert {record.status for record in tokens} == {200}
    assert postgres.query("SELECT id FROM shop.orders ORDER BY id") == [(row["id"],) for row in ROWS]
    assert postgres.query("SELECT count(*) FROM analytics_assets_tokens") == [(1,)]
    assert postgres.query("SELECT count(*) FROM analytics_assets_rate_limits") == [(1,)]
    assert (tmp_path / "log").read_text() == (
        "shop/orders: tokens and the rate limit over all runs are stored in the PostgreSQL database that "
        "DESTINATION__POSTGRES__CREDENTIALS names"
    )
