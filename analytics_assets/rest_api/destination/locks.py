"""Locks: loads into one DuckDB file, or into one dataset elsewhere, go one after the other.

The kernel frees a lock when its holder dies. Beside each lock's file stands who holds it, for those who wait.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.errors import BusyError, WarehouseError

QUIET_WAIT_SECONDS = 1.0  # seconds that nobody needs to hear of


def holder_description(table: str) -> str:
    """How a process is named to those who wait for it."""
    return f"process {os.getpid()} since {datetime.now(timezone.utc):%Y-%m-%d %H:%M:%SZ}, loading {table}"


@contextmanager
def destination_lock(warehouse: Warehouse, dataset: str, table: str, *, log: logging.Logger) -> Iterator[float]:
    """Holds back other processes of this machine that load to the same place: a DuckDB file, or a dataset elsewhere.

    Gives the time until which a load may wait for others.
    """
    place = str(warehouse.duckdb_path.resolve()) if warehouse.is_duckdb else f"{warehouse.destination}/{dataset}"
    file = warehouse.state_dir / "locks" / f"{hashlib.sha256(place.encode()).hexdigest()[:16]}.lock"
    holder = file.with_suffix(".holder")
    deadline = time.monotonic() + warehouse.lock_seconds
    lock = FileLock(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        wait_for_lock(lock, holder, place, deadline, log)
        with suppress(OSError):  # a full disk: the lock holds all the same
            holder.write_text(holder_description(f"{dataset}.{table}"))
    except OSError as error:
        raise WarehouseError(
            f"cannot keep locks in {file.parent}: {error.strerror}. Set ANALYTICS_STATE_DIR to a folder to write to"
        ) from None
    try:
        with ExitStack() as opened:
            if warehouse.is_duckdb:
                # Kept open: between two connections of the load, a reader could open the file.
                opened.enter_context(open_duckdb(warehouse.duckdb_path, deadline, log))
                remove_stale_spill_files(warehouse.duckdb_path)
            yield deadline
    finally:
        with suppress(OSError):
            holder.unlink()
        lock.release()


def wait_for_lock(lock: FileLock, holder: Path, place: str, deadline: float, log: logging.Logger) -> None:
    """Returns once the lock is held; says who is waited for, again when that is another one."""
    said = ""
    while True:
        with suppress(Timeout):
            lock.acquire(timeout=max(0.0, min(QUIET_WAIT_SECONDS, deadline - time.monotonic())))
            return
        by = _read(holder)
        if by != said:
            log.info(f"waiting for another load to leave {place}: {by}")
            said = by
        if time.monotonic() > deadline:
            raise BusyError(f"another load holds {place} for too long: {by}. Run again later")


def _read(holder: Path) -> str:
    with suppress(OSError):
        return holder.read_text() or "a load that did not say more"
    return "a load that did not say more"


def open_duckdb(path: Path, deadline: float, log: logging.Logger) -> duckdb.DuckDBPyConnection:
    """The file, opened for writing once nobody else has it open: a person's shell, or another program."""
    said = False
    while True:
        try:
            return duckdb.connect(str(path))
        except duckdb.Error as error:
            problem = str(error).splitlines()[0]
        if not re.search("lock on file|used by another process", problem):
            raise WarehouseError(f"cannot open the DuckDB file {path}: {problem}")
        holder = re.search(r"held in (.+? \(PID \d+\))", problem)
        where = f"in another program, {holder[1]}" if holder else "in another program"
        if not said:
            log.warning(f"{path} is open {where}: waiting until it is closed there")
            said = True
        if time.monotonic() > deadline:
            raise BusyError(f"{path} stayed open {where}: close it there and run again")
        time.sleep(0.25)


def remove_stale_spill_files(path: Path) -> None:
    """What a killed process moved out of its memory stays beside a DuckDB file: nobody else has the file open now."""
    folder = path.with_name(f"{path.name}.tmp")
    with suppress(OSError):
        for file in folder.glob("duckdb_temp_*"):
            if not file.name.startswith(f"duckdb_temp_{os.getpid()}_"):
                file.unlink()
        folder.rmdir()
