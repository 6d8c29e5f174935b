"""The server from which tests fork processes. It has imported what loads need, so that processes start at once."""

from __future__ import annotations

import multiprocessing

FORK_SERVER = multiprocessing.get_context("forkserver")
FORK_SERVER.set_forkserver_preload(
    [
        "analytics_assets_tests.harness.killed_loads",
        "analytics_assets_tests.harness.stopped_loads",
        "analytics_assets_tests.harness.token_refresh_processes",
        "sqlalchemy.engine",  # dlt imports it in the first load
    ]
)
