"""The sandbox of this process: started when a run first asks for it, gone with the process."""

from __future__ import annotations

import atexit
import threading
from contextlib import ExitStack
from pathlib import Path

from analytics_assets.rest_api.workdir import temporary_workdir
from analytics_assets.sandbox import builtin
from analytics_assets.sandbox.server import serve


class _Server:
    """Starts at first use; one for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: tuple[dict[str, dict[str, str]], Path] | None = None

    def start(self) -> tuple[dict[str, dict[str, str]], Path]:
        """Each API's variables, and a folder for the tokens that the server issues."""
        with self._lock:
            if self._started is None:
                stack = ExitStack()
                atexit.register(stack.close)
                folder = stack.enter_context(temporary_workdir())
                sandbox = builtin.sandbox(keep_requests=False)
                url = stack.enter_context(serve(sandbox))
                self._started = {name: api.variables(url) for name, api in sandbox.apis.items()}, folder
            return self._started


_server = _Server()


def variables(api: str) -> dict[str, str]:
    """The environment that leads a client to a built-in API.

    Raises:
        LookupError: the sandbox has no such API.
    """
    if api not in builtin.APIS:
        raise LookupError(f"the sandbox has no API {api!r}, only {', '.join(builtin.APIS)}: leave `sandbox: true` out")
    return _server.start()[0][api]


def token_dir() -> Path:
    """Where clients may keep the tokens of this server, apart from those of real APIs."""
    return _server.start()[1]
