"""Send slots in a file, for runs on one machine.

Times are those of the monotonic clock, which all processes of a machine share. It begins anew when the machine starts.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from analytics_assets.rest_api.errors import UnavailableError
from analytics_assets.rest_api.state.store import STATE_VARIABLE

LOCK_SECONDS = 60.0


class FileSlots:
    """The next free slot of one API in a file. Implements `SlotStore`."""

    def __init__(self, folder: Path, name: str) -> None:
        """Open nothing yet.

        Args:
            folder: The folder of shared state.
            name: The name of the API and of its host.
        """
        self._path = folder / "rate_limits" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"

    def reserve(self, seconds: float) -> float:
        """Reserve a time span, see `SlotStore.reserve`.

        Raises:
            UnavailableError: The file cannot be written.
        """
        now, free = self._update(lambda now, free: max(now, free) + seconds)
        return free - seconds - now

    def pause(self, seconds: float) -> None:
        """Let no time span begin for so many seconds, see `SlotStore.pause`.

        Raises:
            UnavailableError: The file cannot be written.
        """
        self._update(lambda now, free: max(free, now + seconds))

    def close(self) -> None:
        """Do nothing: the file is open during a call only."""

    def _update(self, change: Callable[[float, float], float]) -> tuple[float, float]:
        """Replace the time of the next free slot under a lock; the current time and the new value."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(self._path.with_suffix(".lock"), mode=0o600, timeout=LOCK_SECONDS):
                now = time.monotonic()
                free = change(now, self._next_free(now))
                new = self._path.with_suffix(".new")
                with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                    json.dump({"written": now, "free": free}, file)
                new.replace(self._path)
                return now, free
        except (OSError, Timeout) as error:
            problem = "is locked by another process" if isinstance(error, Timeout) else error.strerror
            raise UnavailableError(
                f"the rate limit over all runs cannot be stored in {self._path}: {problem}. Set {STATE_VARIABLE} to a "
                "folder that is writable for this user"
            ) from None

    def _next_free(self, now: float) -> float:
        """The stored time; now if there is none, or if the machine was started since."""
        try:
            stored = json.loads(self._path.read_text())
            return float(stored["free"]) if float(stored["written"]) <= now else now
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return now
