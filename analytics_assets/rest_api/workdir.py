"""Temporary working folders: one per load, removed at its end, or by the next load if its process was killed."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from analytics_assets.rest_api.errors import WarehouseError

PREFIX = "analytics_assets_"


@contextmanager
def temporary_workdir() -> Iterator[Path]:
    """A private temporary folder, removed at the end. Folders that killed processes left behind are removed first.

    A lock is held on a file beside the folder. The kernel releases it if the process dies, so a folder without a
    locked file is a leftover.

    Raises:
        WarehouseError: The folder cannot be created.
    """
    try:
        parent = Path(tempfile.gettempdir())
        remove_stale(parent)
        folder, lock = _create(parent)
    except OSError as error:
        raise WarehouseError(
            f"cannot create a working folder for temporary files: {error.strerror or error}. "
            "Set TMPDIR to a writable folder with enough space"
        ) from None
    try:
        yield folder
    finally:
        _remove(folder, lock)


def remove_stale(parent: Path) -> None:
    """Remove this user's working folders that no process has locked."""
    for file in parent.glob(f"{PREFIX}*.lock"):
        with suppress(OSError, Timeout):  # removed meanwhile, or in use
            info = file.lstat()
            if stat.S_ISREG(info.st_mode) and info.st_uid == os.geteuid():
                lock = FileLock(file)
                lock.acquire(timeout=0)
                _remove(file.with_suffix(""), lock)


def _create(parent: Path) -> tuple[Path, FileLock]:
    while True:
        folder = parent / f"{PREFIX}{secrets.token_hex(8)}"
        lock = FileLock(folder.with_suffix(".lock"), mode=0o600)
        with suppress(Timeout):
            lock.acquire(timeout=0)
            # Another process's `remove_stale` may have removed the file between its creation and its lock.
            if Path(lock.lock_file).exists():
                folder.mkdir(mode=0o700)
                return folder, lock
            lock.release()


def _remove(folder: Path, lock: FileLock) -> None:
    """Remove the folder, then its lock file: a folder must never be without one."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
