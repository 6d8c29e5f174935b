"""Counts of requests, bytes and seconds, for the materialization's metadata."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class RequestMetrics:
    """What the requests of one load cost; safe to share between threads.

    Attributes:
        requests: Requests sent, redirects and retries included.
        retries: Requests that repeat a failed one.
        bytes_received: Bytes of all response bodies, decompressed.
        api_seconds: Time between request and response, summed over threads.
        last_status: Status of the last response of the API, after retries; None before the first one.
        waited_seconds: Time spent in backoff, Retry-After and the rate limit, summed over threads.
    """

    requests: int = 0
    retries: int = 0
    bytes_received: int = 0
    api_seconds: float = 0.0
    waited_seconds: float = 0.0
    last_status: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(
        self, *, requests: int = 0, retries: int = 0, received: int = 0, api: float = 0.0, waited: float = 0.0
    ) -> None:
        """Add to the counts: `received` in bytes, `api` and `waited` in seconds."""
        with self.lock:
            self.requests += requests
            self.retries += retries
            self.bytes_received += received
            self.api_seconds += api
            self.waited_seconds += waited

    @property
    def seconds_per_request(self) -> float:
        """The mean time between request and response."""
        return self.api_seconds / self.requests if self.requests else 0.0
