"""OAuth2 tokens on disk, one private file each: renewed once for all processes, never lost, never used half written.

A file is read, renewed and replaced under a lock between processes, which the kernel frees when its holder dies.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from analytics_assets.rest_api.errors import CredentialsError

log = logging.getLogger(__name__)

STATE_VARIABLE = "ANALYTICS_STATE_DIR"
RESERVED_BYTES = 16 * 1024
MAX_LEEWAY_SECONDS = 30.0


class TokenStoreError(CredentialsError):
    """Tokens cannot be kept, or not now: a refresh token that rotates must not be spent."""


def state_dir(environ: Mapping[str, str]) -> Path:
    """The folder for tokens and locks: as set, else beside DAGSTER_HOME, else the user's state folder.

    Beside and not inside: what Dagster keeps is shown and passed on, tokens are not.
    """
    if chosen := environ.get(STATE_VARIABLE):
        return Path(chosen).absolute()
    if dagster_home := environ.get("DAGSTER_HOME"):
        return Path(dagster_home).absolute().parent / ".analytics_state"
    if (xdg := environ.get("XDG_STATE_HOME", "")).startswith("/"):
        return Path(xdg) / "analytics_assets"
    try:
        return Path(environ.get("HOME") or Path.home()) / ".local" / "state" / "analytics_assets"
    except RuntimeError:
        raise CredentialsError(
            f"no folder for tokens and locks: this user has no home. Set {STATE_VARIABLE} to one that can be written."
        ) from None


def fingerprint(*, api: str, token_url: str, client_id: str, refresh_token: str | None) -> str:
    """The name of a token's file. A newly issued refresh token has another: what is stored never shadows it."""
    return digest([api, token_url, client_id, refresh_token])


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Token:
    """What a token endpoint issued, kept together: the tokens of two answers do not match.

    Times are unix seconds; `request` is the digest of what was asked for.
    """

    access_token: str
    refresh_token: str | None
    issued_at: float
    expires_at: float
    request: str

    @property
    def id(self) -> str:
        """Tells tokens apart without showing them."""
        return digest(self.access_token)[:16]

    def usable(self, now: float) -> bool:
        """Whether time is left to send a request: a tenth of its life is kept back, at most 30 seconds."""
        return now < self.expires_at - min(MAX_LEEWAY_SECONDS, (self.expires_at - self.issued_at) / 10)


_TOKEN = TypeAdapter(Token)


class TokenFile:
    """One token's file, while its lock is held."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._new = path.with_suffix(".new")  # one writer at a time: what a crash left is overwritten, not piled up

    def read(self) -> Token | None:
        """The stored token; None if there is none, or what is there is no token (with a warning)."""
        try:
            return _TOKEN.validate_json(self.path.read_bytes(), strict=True)
        except FileNotFoundError:
            return None
        except ValidationError:
            log.warning("%s holds no token: it is ignored, and replaced by the next one.", self.path)
            return None
        except OSError as error:
            raise _unusable(self.path, error) from None

    def reserve(self) -> None:
        """Take the disk space first: a token that is issued can then be kept, however full the disk is by then."""
        self._put(b"\0" * RESERVED_BYTES)

    def write(self, token: Token) -> None:
        """Replace the file as a whole: readers and crashes find the old token or the new one."""
        self._put(_TOKEN.dump_json(token))
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


class TokenStore:
    """The folder of token files, shared by all processes of a user."""

    def __init__(self, state_dir: Path, *, lock_timeout: float = 600.0) -> None:
        self.folder = state_dir / "tokens"
        self._lock_timeout = lock_timeout

    @contextmanager
    def locked(self, fingerprint: str) -> Iterator[TokenFile]:
        """The file of one token, for this thread of this process alone: hold it from reading to writing."""
        lock = FileLock(self.folder / f"{fingerprint}.lock", mode=0o600, timeout=self._lock_timeout)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if stat.S_IMODE(self.folder.stat().st_mode) != 0o700:
                self.folder.chmod(0o700)
            lock.acquire()
        except Timeout:
            raise TokenStoreError(
                f"another process has been renewing this token for {self._lock_timeout:.0f} seconds and still holds "
                f"{lock.lock_file}. Look for a run that hangs, end it, and run again."
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
