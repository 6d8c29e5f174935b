"""The Dagster UI of a project, and queries to it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import urllib3

from analytics_assets_tests.support.project import Project
from analytics_assets_tests.support.requirements import free_port

LAUNCH = """
mutation ($run: ExecutionParams!) {
  launchRun(executionParams: $run) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""


@contextmanager
def serve_ui(project: Project, *command: str) -> Iterator[str]:
    """Run a command that serves the UI and takes `--host` and `--port`; yields the UI's URL."""
    port = free_port()
    log = project.folder / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=project.folder,
            env=project.env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        try:
            query_graphql(url, "{version}")
        except urllib3.exceptions.MaxRetryError:
            pytest.fail(f"{' '.join(command)} does not respond:\n{log.read_text()}")
        yield url
    finally:
        with suppress(ProcessLookupError):  # the whole group: code server, webserver, daemon and runs
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def query_graphql(url: str, query: str) -> Any:
    """The data of a GraphQL query. The query is repeated until the server is up."""
    until_up = urllib3.Retry(total=200, backoff_factor=0.1, backoff_max=0.5)
    return urllib3.request("GET", f"{url}/graphql", fields={"query": query}, retries=until_up).json()["data"]


def launch_run(url: str, location: str, job: str, tags: Mapping[str, str] | None = None) -> str:
    """Launch a job as the UI's button does; returns the run's id."""
    selector = {"repositoryLocationName": location, "repositoryName": "__repository__", "jobName": job}
    metadata = {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]}
    run = {"selector": selector, "mode": "default", "runConfigData": {}, "executionMetadata": metadata}
    query = {"query": LAUNCH, "variables": {"run": run}}
    response = urllib3.request("POST", f"{url}/graphql", json=query, timeout=60).json()
    assert response["data"]["launchRun"]["__typename"] == "LaunchRunSuccess", response
    run_id: str = response["data"]["launchRun"]["run"]["runId"]
    return run_id
