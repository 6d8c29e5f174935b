"""Real projects of the Python package index that serve an OpenAPI document: installed, served, and asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analytics_assets_tests.support.requirements import free_port

REQUIREMENTS = Path(__file__).parents[2] / "fixtures" / "openapi"
SECONDS_TO_START = 60


@dataclass(frozen=True)
class Served:
    """A server that runs.

    Attributes:
        url: Its URL.
        headers: Headers of every request.
        document_path: Path of its OpenAPI document.
    """

    url: str
    headers: Mapping[str, str]
    document_path: str = "/openapi.json"

    def request(self, path: str, body: Any = None, *, form: str | None = None) -> Any:
        """The JSON that a GET, or a POST of the body, returns."""
        data = form.encode() if form else None if body is None else json.dumps(body).encode()
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        request = urllib.request.Request(self.url + path, data, {"Content-Type": kind, **self.headers})
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())


def install(name: str, folder: Path) -> Path:
    """The `bin` folder of an environment of its own with the pinned packages of a project."""
    environment = folder / f"{name}-environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip: list[str | Path] = [
        environment / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    subprocess.run([*pip, "-r", REQUIREMENTS / f"{name}.txt"], check=True, timeout=500)
    return environment / "bin"


@contextmanager
def served(
    command: Callable[[int], list[str | Path]],
    folder: Path,
    env: Mapping[str, str],
    document_path: str = "/openapi.json",
) -> Iterator[Served]:
    """Run a server until the block ends. It has its own home, and no other environment variables."""
    port = free_port()
    home = folder / "home"
    home.mkdir()
    variables = {"HOME": str(home), "PATH": os.environ["PATH"], **env}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command(port), cwd=folder, env=variables, stdout=log, stderr=log)
    server = Served(f"http://127.0.0.1:{port}", {}, document_path)
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while not _answers(server):
            is_starting = process.poll() is None and time.monotonic() < deadline
            assert is_starting, (folder / "server.log").read_text()[-2000:]
            time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(server: Served) -> bool:
    try:
        return bool(server.request(server.document_path))
    except (urllib.error.URLError, OSError, ValueError):
        return False
