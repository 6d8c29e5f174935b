"""Retries of a request: which responses are retried, how often and after how long."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from analytics_assets.rest_api.config.parsing.model import Model


class ErrorHandler(Model):
    """Which responses are retried, and how."""

    retry_on_status_codes: frozenset[Annotated[int, Field(strict=True, ge=400, le=599)]] = frozenset(
        {429, 500, 502, 503, 504}
    )
    """Statuses that are retried. Connection errors and timeouts are always retried."""
    max_retries: Annotated[int, Field(strict=True, ge=0, le=50)] = 3
    """Retries of one request."""
    backoff_factor: Annotated[float, Field(strict=True, ge=0, le=3600)] = 2.0
    """Longest wait before the first retry, in seconds; doubled for each further one. The shortest is half of it."""
    max_retry_after: Annotated[float, Field(strict=True, ge=0, le=86_400)] = 300.0
    """Longest wait, in seconds, that `Retry-After` may ask for."""
