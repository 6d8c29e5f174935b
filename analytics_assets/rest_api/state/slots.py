"""The send slots of a rate limit that all runs of an API share.

A slot is a time at which one request may be sent. A store has the time of the next free slot. A process reserves slots
in batches, so that a store is not asked for each request. Slots that are not used in time expire: the limit is never
exceeded, and a process that is killed wastes no more than its last batch.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

BATCH_SECONDS = 1.0  # how much of the limit one process reserves at most


class SlotStore(Protocol):
    """Stores the next free slot of one API, for all processes that send requests to it."""

    def reserve(self, seconds: float) -> float:
        """Reserve the next free time span of so many seconds.

        Returns:
            The seconds until it begins; 0 or less if it begins now.

        Raises:
            UnavailableError: The store is not available.
        """

    def pause(self, seconds: float) -> None:
        """Let no time span begin for so many seconds.

        Raises:
            UnavailableError: The store is not available.
        """

    def close(self) -> None:
        """Release the store's connection. A call that waits for the store raises UnavailableError."""


class ReservedSlots:
    """The slots that one process has reserved. Safe to share between threads."""

    def __init__(self, store: SlotStore, requests_per_second: float) -> None:
        """Reserve nothing yet.

        Args:
            store: Where slots are reserved.
            requests_per_second: The limit over all processes.
        """
        self._store = store
        self._interval = 1.0 / requests_per_second
        self._max_count = max(1, int(requests_per_second * BATCH_SECONDS))
        self._lock = threading.Lock()
        self._start = 0.0
        self._count = 1  # of the batch
        self._next = 1  # the index of the next slot; no batch is reserved yet
        self._used = 1

    def take(self) -> float:
        """Take the next slot; its time on the monotonic clock. Blocks while a batch is reserved.

        Raises:
            UnavailableError: The store is not available.
        """
        with self._lock:
            expired = int((time.monotonic() - self._start) / self._interval)
            index = max(self._next, expired)
            if index >= self._count:
                self._reserve(is_late=expired >= self._count)
                index = 0
            self._next = index + 1
            self._used += 1
            return self._start + index * self._interval

    def pause(self, seconds: float) -> None:
        """Let no process of the API reserve slots in the next seconds. The reserved ones are given up.

        Raises:
            UnavailableError: The store is not available.
        """
        if seconds <= 0:
            return
        with self._lock:
            self._next = self._count
            self._store.pause(seconds)

    def close(self) -> None:
        """Release the store."""
        self._store.close()

    def _reserve(self, *, is_late: bool) -> None:
        """Reserve a batch: twice as large if the limit slows this process down, else of the size that it uses."""
        count = min(self._used, self._count) if is_late else min(self._count * 2, self._max_count)
        count = max(1, count)
        wait = self._store.reserve(count * self._interval)
        self._start, self._count, self._used = time.monotonic() + max(0.0, wait), count, 0
