"""Measures windows: how many rows a time range has, by the API's total or by its first pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from analytics_assets.rest_api.auth.secret_reader import SecretReader
from analytics_assets.rest_api.config import ResolvedResource
from analytics_assets.rest_api.load.children import for_each_values
from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets.rest_api.probe.children import bindings
from analytics_assets.rest_api.probe.findings import ResourceFindings
from analytics_assets.rest_api.probe.session import ProbeSession
from analytics_assets.rest_api.probe.state import Probe
from analytics_assets.rest_api.probe.steps.paging import hints_of
from analytics_assets.rest_api.redaction import redactor
from analytics_assets.rest_api.windows import Window

MAX_PAGES = 5  # of a window that is measured


@dataclass(frozen=True)
class Measure:
    """What was measured of a window; of a child, for one parent.

    Attributes:
        rows: Its rows; the least number if `is_exact` is false.
        is_exact: Whether these are all of its rows.
        has_total: Whether the API names their number.
        page_rows: Rows of the largest page.
        requests: Requests that were sent.
        seconds: The time of one request.
    """

    rows: int
    is_exact: bool
    has_total: bool
    page_rows: int
    requests: int
    seconds: float


def measure(request: LoadRequest, resources: Sequence[ResolvedResource], window: Window | None) -> Measure:
    """Measure a window with up to MAX_PAGES requests.

    Args:
        request: The resource.
        resources: All resources of the API.
        window: The time range; None for all rows.

    Raises:
        RestApiError: It cannot be read.
    """
    values = next(bindings(request, resources))
    with ProbeSession.open(request) as session:
        session.bindings = values
        trial = session.read(request.resource, pages=MAX_PAGES, window=window)
        if trial.error:
            raise trial.error.with_message(redactor(session.client.secret_values())(str(trial.error)))
        probe = Probe(session, request.resource, ResourceFindings(request.name), trial)
        totals = [hint.total for hint in hints_of(probe) if hint.kind in ("rows", "filtered_rows")]
        total = None if trial.ended or not totals or max(totals) < len(trial.rows) else max(totals)
        return Measure(
            rows=len(trial.rows) if total is None else total,
            is_exact=trial.ended or total is not None,
            has_total=total is not None,
            page_rows=max(map(len, trial.pages), default=0),
            requests=session.client.sent,
            seconds=session.seconds_per_request,
        )


@dataclass(frozen=True)
class Reads:
    """How often a load reads an endpoint.

    Attributes:
        count: The number of reads: of parents, times the values of `for_each`; the least number if it is not exact.
        is_exact: Whether these are all.
    """

    count: int
    is_exact: bool


def count_reads(request: LoadRequest, resources: Sequence[ResolvedResource]) -> Reads:
    """Count the reads of a full load; the parents of a child are measured.

    Raises:
        RestApiError: The parents cannot be read.
    """
    resource = request.resource
    values = for_each_values(resource.endpoint.for_each, SecretReader(request.environ))
    count = math.prod(map(len, values.values()))
    if resource.parent is None:
        return Reads(count, is_exact=True)
    [parent] = [each for each in resources if each.name == resource.parent.name]
    above = replace(request, resource=parent)
    outer, rows = count_reads(above, resources), measure(above, resources, None)
    return Reads(count * outer.count * rows.rows, is_exact=outer.is_exact and rows.is_exact)
