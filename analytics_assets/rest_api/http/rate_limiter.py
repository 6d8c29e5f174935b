"""The rate limit of one API: the configured one, which runs may share, and the one that the API's headers name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from analytics_assets.rest_api.http.rate_limit_headers import Quota
from analytics_assets.rest_api.state.slots import ReservedSlots

MAX_INEFFECTIVE_PAUSES = 3  # after this many pauses without effect, the header is ignored


class RateLimiter:
    """Spaces requests evenly, and pauses all threads of a client when the API asks for it.

    With `slots`, all runs of the API share the limit and the pauses.
    """

    def __init__(
        self, requests_per_second: float | None, *, max_pause: float = 300.0, slots: ReservedSlots | None = None
    ) -> None:
        """Configure the limit.

        Args:
            requests_per_second: The maximum; None for no limit.
            max_pause: Longest pause for a quota that is used up, in seconds.
            slots: The slots that all runs of the API share; None for a limit of this client alone.
        """
        self._slots = slots
        self._interval = 1.0 / requests_per_second if requests_per_second else 0.0
        self._max_pause = max_pause
        self._lock = threading.Lock()
        self._next_slot = 0.0
        self._in_flight = 0
        self._quota_pause: Quota | None = None  # until the first thread that waits for it has logged it
        self._paused_until = 0.0
        self._least_remaining = -1
        self._ineffective_pauses = 0

    def wait(self, on_pause: Callable[[Quota, float], None] = lambda *_: None) -> float:
        """Block until a request may be sent; returns the seconds waited.

        Args:
            on_pause: Called once per pause for a quota, before it, with the seconds.

        Raises:
            UnavailableError: The store of the shared slots is not available.
        """
        began = time.monotonic()
        reserved = self._slots.take() if self._slots else 0.0
        with self._lock:
            now = time.monotonic()
            slot = max(now, self._next_slot, reserved)
            self._next_slot = slot + self._interval
            self._in_flight += 1
            quota, self._quota_pause = self._quota_pause, None
        if slot > now:
            if quota:
                on_pause(quota, slot - now)
            time.sleep(slot - now)
        return slot - began

    def done(self) -> None:
        """Count a request that `wait` allowed as finished, with or without a response."""
        with self._lock:
            self._in_flight -= 1

    def pause(self, seconds: float) -> None:
        """Send no request for so many seconds.

        Raises:
            UnavailableError: The store of the shared slots is not available.
        """
        with self._lock:
            self._next_slot = max(self._next_slot, time.monotonic() + seconds)
        if self._slots:
            self._slots.pause(seconds)

    def observe(self, quotas: Iterable[Quota]) -> Quota | None:
        """Pause until the reset of a quota that the requests in flight use up.

        A quota that several pauses do not renew is wrong, or it counts concurrent requests. It is ignored from then
        on: only status 429 pauses.

        Returns:
            The quota, when it is ignored for the first time.

        Raises:
            UnavailableError: The store of the shared slots is not available.
        """
        ignored, pause = self._update_quotas(quotas)
        if self._slots:
            self._slots.pause(pause)
        return ignored

    def _update_quotas(self, quotas: Iterable[Quota]) -> tuple[Quota | None, float]:
        """The quota that is ignored from now on, and the seconds of a new pause."""
        with self._lock:
            if self._ineffective_pauses >= MAX_INEFFECTIVE_PAUSES:
                return None, 0.0
            used_up = [quota for quota in quotas if quota.remaining <= self._in_flight]
            if not used_up:
                self._ineffective_pauses, self._least_remaining = 0, -1
                return None, 0.0
            quota, now = max(used_up, key=lambda quota: quota.reset), time.monotonic()
            if now < self._paused_until:  # a response to a request that was sent before the pause
                self._least_remaining = min(self._least_remaining, quota.remaining)
                return None, 0.0
            self._ineffective_pauses = 0 if quota.remaining > self._least_remaining else self._ineffective_pauses + 1
            if self._ineffective_pauses >= MAX_INEFFECTIVE_PAUSES:
                return quota, 0.0
            self._least_remaining, self._quota_pause = quota.remaining, quota
            self._paused_until = now + min(quota.reset, self._max_pause)
            self._next_slot = max(self._next_slot, self._paused_until)
            return None, self._paused_until - now
