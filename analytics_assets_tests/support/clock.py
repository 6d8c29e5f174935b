"""A clock that only moves when the code under test sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from analytics_assets.rest_api.http import client, rate_limit_headers, rate_limiter


@dataclass
class Clock:
    """The time of the HTTP client.

    Attributes:
        now: Seconds since 1970.
        waits: The seconds of each sleep so far.
        during_wait: Called in each sleep.
    """

    now: float = field(default_factory=time.time)
    waits: list[float] = field(default_factory=list)
    during_wait: Callable[[], object] = lambda: None

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.during_wait()
        self.now += seconds

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the HTTP client use this clock."""
        for module in (client, rate_limit_headers, rate_limiter):
            monkeypatch.setattr(module, "time", SimpleNamespace(sleep=self.sleep, time=self.time, monotonic=self.time))
