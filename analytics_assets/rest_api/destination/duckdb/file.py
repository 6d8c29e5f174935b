"""The DuckDB file: opened for writing by one process at a time."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

import duckdb

from analytics_assets.rest_api.destination.warehouse import Log
from analytics_assets.rest_api.errors import BusyError, WarehouseError

POLL_SECONDS = 0.25


def open_duckdb(path: Path, deadline: float, log: Log) -> duckdb.DuckDBPyConnection:
    """Open the file for writing, as soon as no other program has it open.

    Raises:
        BusyError: Another program still had it open at the deadline.
        WarehouseError: It cannot be opened for another reason.
    """
    logged = False
    while True:
        try:
            return duckdb.connect(str(path))
        except duckdb.Error as error:
            problem = str(error).splitlines()[0]
        if not re.search("lock on file|used by another process", problem):
            raise WarehouseError(f"cannot open the DuckDB file {path}: {problem}")
        holder = re.search(r"held in (.+? \(PID \d+\))", problem)
        where = f"in another program, {holder[1]}" if holder else "in another program"
        if not logged:
            log.warning(f"{path} is open {where}: waiting until it is closed there")
            logged = True
        if time.monotonic() > deadline:
            raise BusyError(f"{path} stayed open {where}: close it there and run again")
        time.sleep(POLL_SECONDS)


def remove_stale_spill_files(path: Path) -> None:
    """Delete what killed processes have spilled from memory beside a DuckDB file that only this process has open."""
    folder = path.with_name(f"{path.name}.tmp")
    with suppress(OSError):
        for file in folder.glob("duckdb_temp_*"):
            if not file.name.startswith(f"duckdb_temp_{os.getpid()}_"):
                file.unlink()
        folder.rmdir()
