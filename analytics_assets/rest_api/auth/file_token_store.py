"""Tokens on this machine: a private file each, replaced by an atomic rename, under a lock of the kernel's."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from analytics_assets.rest_api.auth.token_store import STATE_VARIABLE, Token, TokenStoreError

RESERVED_BYTES = 16 * 1024


class TokenFile:
    """One token's file, while its lock is held."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._new = path.with_suffix(".new")  # one writer at a time: what a crash left is overwritten, not piled up

    def read(self) -> Token | None:
        try:
            return Token.from_json(self.path.read_bytes(), place=str(self.path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self.path, error) from None

    def reserve(self) -> None:
        """Take the disk space first: a token that is issued can then be kept, however full the disk is by then."""
        self._put(b"\0" * RESERVED_BYTES)

    def write(self, token: Token) -> None:
        self._put(token.to_json())
        try:
            self._new.replace(self.path)
        except OSError as error:
            raise _unusable(self.path, error) from None
        with suppress(OSError):  # some filesystems have no fsync for folders: the file is in place all the same
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _put(self, data: bytes) -> None:
        """Write the file that is to replace the other, in place, so that reserved space stays reserved."""
        try:
            with os.fdopen(os.open(self._new, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(data)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _unusable(self._new, error) from None


class FileTokenStore:
    """The folder of token files, shared by all processes of a user."""

    def __init__(self, state_dir: Path, *, lock_seconds: float = 600.0) -> None:
        self.folder = state_dir / "tokens"
        self._lock_seconds = lock_seconds

    @contextmanager
    def locked(self, fingerprint: str) -> Iterator[TokenFile]:
        lock = FileLock(self.folder / f"{fingerprint}.lock", mode=0o600, timeout=self._lock_seconds)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if stat.S_IMODE(self.folder.stat().st_mode) != 0o700:
                self.folder.chmod(0o700)
            lock.acquire()
        except Timeout:
            raise TokenStoreError(
                f"another process has been renewing this token for {self._lock_seconds:.0f} seconds and still holds "
                f"{lock.lock_file}: look for a run that hangs, end it, and run again."
            ) from None
        except OSError as error:
            raise _unusable(self.folder, error) from None
        try:
            yield TokenFile(self.folder / f"{fingerprint}.json")
        finally:
            lock.release()


def _unusable(path: Path, error: OSError) -> TokenStoreError:
    return TokenStoreError(
        f"tokens cannot be kept in {path} ({error.strerror}). "
        f"Make it readable and writable for this user, or set {STATE_VARIABLE} to a folder that is."
    )
