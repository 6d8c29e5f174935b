"""Estimates: requests and time of a read, from measured pages; and what the headers say about the rate limit."""

from __future__ import annotations

import math
import re

from analytics_assets.rest_api.config import Client, Endpoint, OffsetConfig, PageNumberConfig, SinglePageConfig
from analytics_assets.rest_api.extract.pagination.completeness import total_source
from analytics_assets.rest_api.http.rate_limit_headers import read_quotas
from analytics_assets.rest_api.probe.findings import Estimate
from analytics_assets.rest_api.probe.state import Probe

RATE_LIMIT = re.compile(r"(?:x-)?rate-?limit(?:-\w+)*|retry-after")
VALUE = re.compile(r"[\w.,;=\"' :/+-]{1,80}")


def check_rate_limit(probe: Probe) -> None:
    """List the headers about the rate limit: their names and numbers."""
    headers = probe.trial.exchanges[-1].response.headers
    found = [
        f"{name}: {headers[name]}" for name in headers if RATE_LIMIT.fullmatch(name) and VALUE.fullmatch(headers[name])
    ]
    probe.findings.rate_limits = found
    quotas = list(read_quotas(headers))
    if found and not quotas:
        probe.findings.notes.append("the rate-limit headers name no time of a reset that loads can wait for")


def check_estimate(probe: Probe) -> None:
    """Estimate what a full refresh costs, if the number of rows is known."""
    findings, trial, endpoint = probe.findings, probe.trial, probe.resource.endpoint
    if probe.session.bindings:
        return  # the number of parents is not known
    if findings.total is None and not trial.ended:
        findings.notes.append("the API names no total: the size of a full refresh is not known")
        return
    rows = findings.total if findings.total is not None else len(trial.rows)
    source = "the API's total" if findings.total is not None else "all rows were read"
    page_rows = len(trial.pages[0])
    requests = page_count(endpoint, rows, page_rows)
    client, seconds = probe.session.request.client, probe.session.seconds_per_request
    findings.estimate = Estimate(
        rows,
        requests,
        read_seconds(client, endpoint, requests, seconds),
        f"{source}; pages of {page_rows} rows and {seconds * 1000:.0f} ms per request were measured",
    )


def page_count(endpoint: Endpoint, rows: int, page_rows: int) -> int:
    """The requests of a read: its pages, and an empty one where nothing else says that a numbered read has ended."""
    if isinstance(endpoint.paginator, SinglePageConfig) or not page_rows:
        return 1
    has_end = total_source(endpoint.paginator) or getattr(endpoint.paginator, "has_more_path", None)
    is_numbered = isinstance(endpoint.paginator, (OffsetConfig, PageNumberConfig))
    return max(math.ceil(rows / page_rows), 1) + (1 if is_numbered and not has_end else 0)


def read_seconds(client: Client, endpoint: Endpoint, requests: int, seconds: float, *, reads: int = 1) -> float:
    """The time of requests.

    Args:
        client: The rate limit, and how many requests run at the same time.
        endpoint: Only numbered pages are requested in parallel.
        requests: The number of requests.
        seconds: The time of one request.
        reads: How many reads the requests belong to: those of children run in parallel too.
    """
    is_numbered = isinstance(endpoint.paginator, (OffsetConfig, PageNumberConfig))
    threads = client.max_concurrency if is_numbered or reads > 1 else 1
    limited = requests / client.max_requests_per_second if client.max_requests_per_second else 0.0
    return max(requests * seconds / min(threads, max(requests, 1)), limited)
