"""Loads in processes of their own that stop at a chosen method until they are resumed or killed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

from analytics_assets.rest_api.destination.delta.destination import DeltaTableClient
from analytics_assets.rest_api.destination.delta.table import LakeTable
from analytics_assets.rest_api.destination.dlt_client import TableClient
from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets.rest_api.load.table import load_table
from analytics_assets_tests.support.processes import FORK_SERVER

UNDER_LOCK = (TableClient, "settle")  # the load has the lock of its DuckDB file, or of its table in PostgreSQL
BEFORE_DELTA_COMMIT = (LakeTable, "commit")  # the data files are written
AFTER_DELTA_COMMIT = (DeltaTableClient, "complete_load")  # dlt has not recorded the load


@dataclass
class StoppedLoad:
    """A load that has stopped.

    Attributes:
        process: Its process.
    """

    process: BaseProcess
    _resumed: Any
    _errors: Any

    def resume(self) -> str:
        """Let the load run to its end. Returns its error, "" if it succeeded."""
        self._resumed.set()
        error: str = self._errors.get(timeout=60)
        self.process.join()
        return error

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


@contextmanager
def stopped_load(
    request: LoadRequest, environ: Mapping[str, str], *, stop: tuple[Any, str] = UNDER_LOCK
) -> Iterator[StoppedLoad]:
    """Start a load in a process, and wait until it has stopped. It is killed at the end of the block.

    Args:
        request: The load.
        environ: Further environment variables.
        stop: A class and its method: the load stops at the first call.
    """
    is_stopped, resumed, ended = (FORK_SERVER.Event() for _ in range(3))
    errors = FORK_SERVER.Queue()
    process = FORK_SERVER.Process(
        target=_load, args=(request, dict(environ), *stop, is_stopped, resumed, ended, errors)
    )
    process.start()
    load = StoppedLoad(process, resumed, errors)
    try:
        assert is_stopped.wait(60)
        assert not ended.is_set(), f"the load ended before it stopped: {errors.get(timeout=60)}"
        yield load
    finally:
        load.kill()


def _load(
    request: LoadRequest,
    environ: dict[str, str],
    owner: Any,
    method: str,
    is_stopped: Any,
    resumed: Any,
    ended: Any,
    errors: Any,
) -> None:
    os.environ.update(environ)
    original = getattr(owner, method)

    def stopped(*args: Any, **kwargs: Any) -> Any:
        is_stopped.set()
        resumed.wait()
        return original(*args, **kwargs)

    setattr(owner, method, stopped)
    error = ""
    try:
        load_table(request)
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"
    errors.put(error)
    ended.set()
    is_stopped.set()  # if it failed before
