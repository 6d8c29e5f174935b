"""A copy of the project to work in, and its UI while it is served."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import urllib3

from analytics_assets_tests.conftest import ROOT, Project

FILES = ("pyproject.toml", "workspace.yaml", "constraints.txt", "README.md", "LICENSE", ".env.example")
FOLDERS = ("analytics_assets", "analytics_assets_tests")


def checkout(folder: Path) -> Project:
    """A project folder as a clone has it; commands run in it use its own package."""
    project = Project(folder)
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    project.env["PYTHONPATH"] = str(folder)  # found before the installed package, which is that of this checkout
    return project


@contextmanager
def serving(project: Project, *command: str) -> Iterator[str]:
    """The UI's address while the command, which takes `--host` and `--port`, serves it."""
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
            ask(url, "{version}")
        except urllib3.exceptions.MaxRetryError:
            pytest.fail(f"{' '.join(command)} does not answer:\n{log.read_text()}")
        yield url
    finally:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(timeout=30)
        with suppress(ProcessLookupError):  # what it left behind: code server, webserver, daemon, runs
            os.killpg(server.pid, signal.SIGKILL)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def ask(url: str, query: str) -> Any:
    """The answer to a GraphQL query, asked again until the server is up."""
    until_up = urllib3.Retry(total=200, backoff_factor=0.1, backoff_max=0.5)
    return urllib3.request("GET", f"{url}/graphql", fields={"query": query}, retries=until_up).json()["data"]
