"""The end of a read by page number, as far as single pages show it: what the total counts, and pages past the end."""

from __future__ import annotations

import math

from analytics_assets.rest_api.config import PageNumberConfig
from analytics_assets.rest_api.errors import RestApiError
from analytics_assets.rest_api.extract.pagination.base import PageResponse
from analytics_assets.rest_api.extract.pagination.completeness import total_source
from analytics_assets.rest_api.probe.findings import with_endpoint
from analytics_assets.rest_api.probe.session import TrialRead
from analytics_assets.rest_api.probe.state import Probe
from analytics_assets.rest_api.probe.steps.paginators import keys_of

FAR_PAGE = 100_000


def read_total(probe: Probe) -> int | None:
    """The total that the paginator's configuration names, of rows or of pages; None if the first page has none."""
    source = total_source(probe.resource.endpoint.paginator)
    if source is None:
        return None
    try:
        return source.read(PageResponse(0, probe.envelope, probe.first.response.headers))
    except RestApiError:
        return None


def check_end(probe: Probe) -> None:
    """Correct a total of rows that is used as one of pages, and a 404 past the last page that would fail the load."""
    paginator = probe.resource.endpoint.paginator
    if not isinstance(paginator, PageNumberConfig) or not probe.trial.moves_on:
        return
    keys, total = keys_of(paginator), read_total(probe)
    if paginator.total_path and not (paginator.total_rows_path or paginator.total_rows_header) and total:
        rows = len(probe.trial.pages[0])
        last = paginator.start_from_page + math.ceil(total / rows)
        if last < paginator.start_from_page + total and not _page(probe, last).rows:
            del keys["total_path"]
            fix = {**keys, "total_rows_path": paginator.total_path}
            message = f"`paginator.total_path: {paginator.total_path}` counts rows: there is no page {last} of {total}"
            probe.report(message, {"endpoint": {"paginator": fix}})
    has_end = total is not None or paginator.has_more_path or paginator.end_on_404
    if not has_end and _page(probe, FAR_PAGE).status == 404:
        message = "the API returns 404 past its last page, which would fail the load"
        probe.report(message, {"endpoint": {"paginator": {**keys, "end_on_404": True}}})


def _page(probe: Probe, number: int) -> TrialRead:
    paginator = probe.resource.endpoint.paginator.model_copy(update={"page": number, "total_path": None})
    return probe.session.read(with_endpoint(probe.resource, paginator=paginator), pages=1)
