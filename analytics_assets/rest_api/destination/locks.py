"""The lock of a DuckDB file: loads into it run one after the other.

The kernel frees the lock when its process dies. A file beside the lock names its holder to those who wait.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, Timeout

from analytics_assets.rest_api.destination.duckdb.file import open_duckdb, remove_stale_spill_files
from analytics_assets.rest_api.destination.warehouse import Log, Warehouse
from analytics_assets.rest_api.errors import BusyError, WarehouseError

QUIET_WAIT_SECONDS = 1.0  # waits shorter than that are not logged: loads into a small table take less
UNKNOWN_HOLDER = "a load whose process is not known"


def holder_description(table: str) -> str:
    """How this process is named to those who wait for it."""
    return f"process {os.getpid()} since {datetime.now(timezone.utc):%Y-%m-%d %H:%M:%SZ}, loading {table}"


@contextmanager
def file_lock(warehouse: Warehouse, table: str, *, log: Log) -> Iterator[None]:
    """Hold the lock of the DuckDB file that all processes of this machine share.

    Args:
        warehouse: Names the file, the folder of locks, and how long to wait.
        table: The table that is loaded, to name this process to others.
        log: Logs which process holds the lock.

    Raises:
        BusyError: The lock, or the DuckDB file, was still held after that time.
        WarehouseError: The file cannot be opened, or there is no folder for locks.
    """
    place = str(warehouse.duckdb_path.resolve())
    file = warehouse.state_dir / "locks" / f"{hashlib.sha256(place.encode()).hexdigest()[:16]}.lock"
    holder = file.with_suffix(".holder")
    deadline = time.monotonic() + warehouse.lock_seconds
    lock = FileLock(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        wait_for_lock(lock, holder, place, deadline, log)
        with suppress(OSError):  # a full disk: the lock is held all the same
            holder.write_text(holder_description(table))
    except OSError as error:
        raise WarehouseError(
            f"cannot keep locks in {file.parent}: {error.strerror}. Set ANALYTICS_STATE_DIR to a writable folder"
        ) from None
    try:
        # Stays open: between two connections of the load another program could open the file.
        with closing(open_duckdb(warehouse.duckdb_path, deadline, log)):
            remove_stale_spill_files(warehouse.duckdb_path)
            yield
    finally:
        with suppress(OSError):
            holder.unlink()
        lock.release()


def wait_for_lock(lock: FileLock, holder: Path, place: str, deadline: float, log: Log) -> None:
    """Acquire the lock. The log names its holder, and each later one.

    Raises:
        BusyError: The lock was still held at the deadline.
    """
    logged = ""
    while True:
        with suppress(Timeout):
            lock.acquire(timeout=max(0.0, min(QUIET_WAIT_SECONDS, deadline - time.monotonic())))
            return
        name = _read(holder)
        if name != logged:
            log.info(f"waiting for another load into {place}: {name}")
            logged = name
        if time.monotonic() > deadline:
            raise BusyError(f"another load has locked {place} for too long: {name}. Run again later")


def _read(holder: Path) -> str:
    with suppress(OSError):
        return holder.read_text() or UNKNOWN_HOLDER
    return UNKNOWN_HOLDER
