"""The rate limit of one API."""

from __future__ import annotations

import threading
import time


class RateLimiter:
    """Spaces requests evenly, and pauses all threads of a client when the API asks for it."""

    def __init__(self, requests_per_second: float | None) -> None:
        """Args: requests_per_second: the maximum; None for no limit."""
        self._interval = 1.0 / requests_per_second if requests_per_second else 0.0
        self._lock = threading.Lock()
        self._next_slot = 0.0

    def wait(self) -> float:
        """Block until a request may be sent; returns the seconds waited."""
        with self._lock:
            now = time.monotonic()
            slot = max(now, self._next_slot)
            self._next_slot = slot + self._interval
        if slot > now:
            time.sleep(slot - now)
        return slot - now

    def pause(self, seconds: float) -> None:
        """Send no request for so many seconds."""
        with self._lock:
            self._next_slot = max(self._next_slot, time.monotonic() + seconds)
