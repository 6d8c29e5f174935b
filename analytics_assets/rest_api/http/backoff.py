"""How long to wait before a retry: as long as the API's headers ask for, or exponentially longer."""

from __future__ import annotations

import random
from dataclasses import dataclass

from analytics_assets.rest_api.config import ErrorHandler
from analytics_assets.rest_api.http.rate_limit_headers import read_quotas, retry_after, wait_time
from analytics_assets.rest_api.http.response import Response

MAX_BACKOFF_SECONDS = 120.0


@dataclass(frozen=True)
class Wait:
    """A wait before a retry.

    Attributes:
        seconds: How long.
        header: The header that asks for it; empty if no header does.
    """

    seconds: float
    header: str = ""


def exponential_wait(handler: ErrorHandler, attempt: int) -> Wait:
    """Exponential up to a cap, with jitter of half, so that clients do not retry in step; `attempt` counts from 0."""
    ceiling = min(handler.backoff_factor * 2.0**attempt, MAX_BACKOFF_SECONDS)
    return Wait(ceiling * random.uniform(0.5, 1.0))  # noqa: S311


def wait_before_retry(handler: ErrorHandler, response: Response, attempt: int) -> Wait:
    """The wait after a response: Retry-After, else `backoff.wait_header`, else a rate limit's reset, else exponential.

    Every response may have the headers of a rate limit. They count only if the rate limit is the reason for the retry:
    status 429, or an action of the configuration.
    """
    headers = response.headers
    seconds, header = retry_after(headers), "Retry-After"
    if seconds is None and (response.status == 429 or response.action):
        if handler.backoff:
            header = handler.backoff.wait_header
            seconds = wait_time(headers.get(header, ""), handler.backoff.format)
        if seconds is None and handler.respect_rate_limit_headers:
            used_up = [quota for quota in read_quotas(headers) if quota.remaining == 0]
            if used_up:
                quota = max(used_up, key=lambda quota: quota.reset)
                seconds, header = quota.reset, quota.header
    if seconds is None:
        return exponential_wait(handler, attempt)
    return Wait(min(seconds, handler.max_retry_after), header)
