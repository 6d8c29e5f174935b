"""Tokens in private files, one each, for runs on one machine: replaced by an atomic rename, under a kernel lock."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from analytics_assets.rest_api.auth.tokens import Token
from analytics_assets.rest_api.errors import TokenStoreError
from analytics_assets.rest_api.state.store import STATE_VARIABLE, STORE_VARIABLE

RESERVED_BYTES = 16 * 1024  # more than the tokens of known APIs take: a JWT has 1 to 4 KiB


class TokenFile:
    """One token's file, while its lock is held. Implements `LockedToken`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._moved = path.with_suffix(".moved")
        self._new = path.with_suffix(".new")  # one name, so that a crash leaves one file, which is overwritten

    def read(self) -> Token | None:
        """The stored token; None if there is none, or, with a warning, if the file is corrupt.

        Raises:
            TokenStoreError: The file cannot be read, or the token was moved to a database.
        """
        try:
            variable = self._moved.read_text().strip() if self._moved.exists() else ""
        except OSError as error:
            raise _store_error(self._moved, error) from None
        if variable:  # the configured refresh token may be used up: the newest one is in the database
            raise TokenStoreError(
                f"the token of {self.path} was moved to the PostgreSQL database that {variable} names. Set "
                f"{STORE_VARIABLE} to {variable}, or authorize again at the API and set the new refresh token."
            )
        return self.read_file()

    def read_file(self) -> Token | None:
        """The token in the file, also if it was moved, see `read`.

        Raises:
            TokenStoreError: The file cannot be read.
        """
        try:
            return Token.from_json(self.path.read_bytes(), place=str(self.path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _store_error(self.path, error) from None

    def reserve(self) -> None:
        """Allocate the disk space, so that the token can be stored even if the disk is full by then.

        Raises:
            TokenStoreError: The folder cannot be written, or the disk is full.
        """
        self._write_new(b"\0" * RESERVED_BYTES)

    def write(self, token: Token) -> None:
        """Replace the file durably and atomically.

        Raises:
            TokenStoreError: The folder cannot be written.
        """
        self._write_new(token.to_json())
        try:
            self._new.replace(self.path)
        except OSError as error:
            raise _store_error(self.path, error) from None
        with suppress(OSError):  # some filesystems cannot sync a folder; the file is in place anyway
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def retire(self, variable: str | None) -> None:
        """Delete the file, whose token is in a database now.

        Args:
            variable: The environment variable that names the database, for the error of processes that still use the
                file. None if they may request another token.

        Raises:
            TokenStoreError: The folder cannot be written.
        """
        try:
            if variable:
                self._moved.write_text(f"{variable}\n")
            self.path.unlink()
        except OSError as error:
            raise _store_error(self.path, error) from None

    def _write_new(self, data: bytes) -> None:
        """Write the new file in place, so that the reserved space stays reserved."""
        try:
            with os.fdopen(os.open(self._new, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(data)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _store_error(self._new, error) from None


class FileTokenStore:
    """A folder of token files, shared by all processes of a user. Implements `TokenStore`."""

    def __init__(self, state_dir: Path, *, lock_seconds: float = 600.0) -> None:
        self.folder = state_dir / "tokens"
        self._lock_seconds = lock_seconds

    def contains(self, fingerprint: str) -> bool:
        """Whether there is a file of this token. Creates no folder."""
        return (self.folder / f"{fingerprint}.json").exists()

    @contextmanager
    def locked(self, fingerprint: str) -> Iterator[TokenFile]:
        """Lock one token, see `TokenStore.locked`.

        Raises:
            TokenStoreError: The folder is unusable, or another process holds the lock for too long.
        """
        lock = FileLock(self.folder / f"{fingerprint}.lock", mode=0o600, timeout=self._lock_seconds)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if stat.S_IMODE(self.folder.stat().st_mode) != 0o700:
                self.folder.chmod(0o700)
            lock.acquire()
        except Timeout:
            raise TokenStoreError(
                f"another process has been refreshing this token for {self._lock_seconds:.0f} seconds and still holds "
                f"{lock.lock_file}. Look for a run that hangs, end it, and run again."
            ) from None
        except OSError as error:
            raise _store_error(self.folder, error) from None
        try:
            yield TokenFile(self.folder / f"{fingerprint}.json")
        finally:
            lock.release()


def _store_error(path: Path, error: OSError) -> TokenStoreError:
    return TokenStoreError(
        f"tokens cannot be stored in {path} ({error.strerror}). "
        f"Make it readable and writable for this user, or set {STATE_VARIABLE} to a folder that is."
    )
