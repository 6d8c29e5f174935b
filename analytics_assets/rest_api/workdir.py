"""Working folders: one for each load, gone with it. What a killed process leaves behind, the next load removes."""

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
    """A private folder below the system's temporary one; while it is in use, a lock is held on a file beside it.

    The kernel frees the lock when its process dies: that tells what is left over from what another load works in.
    """
    try:
        parent = Path(tempfile.gettempdir())
        remove_stale(parent)
        folder, lock = _made(parent)
    except OSError as error:
        raise WarehouseError(
            f"cannot make a working folder for temporary files: {error.strerror or error}. "
            "Set TMPDIR to a folder with room that can be written to"
        ) from None
    try:
        yield folder
    finally:
        _remove(folder, lock)


def remove_stale(parent: Path) -> None:
    """Removes the working folders of this user's that no process holds any more."""
    for file in parent.glob(f"{PREFIX}*.lock"):
        with suppress(OSError, Timeout):  # gone by now, or another process's
            info = file.lstat()
            if stat.S_ISREG(info.st_mode) and info.st_uid == os.geteuid():
                lock = FileLock(file)
                lock.acquire(timeout=0)
                _remove(file.with_suffix(""), lock)


def _made(parent: Path) -> tuple[Path, FileLock]:
    while True:
        folder = parent / f"{PREFIX}{secrets.token_hex(8)}"
        lock = FileLock(folder.with_suffix(".lock"), mode=0o600)
        with suppress(Timeout):
            lock.acquire(timeout=0)
            # A sweep may have taken the file between its creation and its lock: then it is gone, or held.
            if Path(lock.lock_file).exists():
                folder.mkdir(mode=0o700)
                return folder, lock
            lock.release()


def _remove(folder: Path, lock: FileLock) -> None:
    """The folder first: as long as it is there, its lock's file is, too."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
