"""The sandbox server inside this process: started at first use, stopped when the process exits."""

from __future__ import annotations

import atexit
import functools
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from analytics_assets.rest_api.workdir import temporary_workdir
from analytics_assets.sandbox import builtin
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.server import serve


@dataclass(frozen=True)
class _Server:
    sandbox: Sandbox
    url: str
    token_dir: Path


_starting = threading.Lock()


def variables(api: str) -> dict[str, str]:
    """The environment variables of a client of a built-in API.

    Raises:
        LookupError: The sandbox has no such API.
    """
    if api not in builtin.APIS:
        known = ", ".join(builtin.APIS)
        raise LookupError(f"the sandbox has no API {api!r}, only {known}: remove `sandbox: true`")
    server = _server()
    return server.sandbox.apis[api].variables(server.url)


def token_dir() -> Path:
    """A folder for the tokens that this server issues, separate from those of real APIs."""
    return _server().token_dir


def _server() -> _Server:
    with _starting:
        return _start()


@functools.cache
def _start() -> _Server:
    stack = ExitStack()
    atexit.register(stack.close)
    folder = stack.enter_context(temporary_workdir())
    sandbox = builtin.build_sandbox()
    return _Server(sandbox, stack.enter_context(serve(sandbox)), folder)
