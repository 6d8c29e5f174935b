"""Retries: how often a step is tried again by itself. Below it are the HTTP client's, above it those of whole runs.

The HTTP client asks again for one answer (`error_handler` in the YAML). A step is tried again when the API or the
warehouse was out of reach for longer than that: failures.py says for which errors. A run is started again when its
process died (`run_retries` in dagster.yaml). Steps and runs go on with the chunks of a range that are not loaded yet.

Steps ask for their retries themselves: with a `retry_policy` Dagster also takes up again what a person terminates.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from analytics_assets.components.environment import whole_number

MAX_DELAY_SECONDS = 3600


@dataclass(frozen=True)
class Retries:
    """How often a step is tried again, and after how many seconds the first time."""

    max_retries: int = 2
    seconds: int = 30

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Retries:
        return cls(
            max_retries=whole_number(environ, "ANALYTICS_STEP_RETRIES", cls.max_retries, at_most=10),
            seconds=whole_number(environ, "ANALYTICS_STEP_RETRY_SECONDS", cls.seconds, at_most=MAX_DELAY_SECONDS),
        )

    def seconds_before(self, retry: int) -> float:
        """Twice as long each time, and a quarter of it left to chance: steps that failed together come back apart."""
        return min(self.seconds * 2.0 ** (retry - 1), MAX_DELAY_SECONDS) * random.uniform(0.75, 1.0)  # noqa: S311
