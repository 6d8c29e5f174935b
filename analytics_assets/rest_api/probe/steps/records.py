"""The records of the first page: where they are in the response."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analytics_assets.rest_api.config import Endpoint
from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.extract.body_shape import record_lists, summary
from analytics_assets.rest_api.extract.json_decoding import decode
from analytics_assets.rest_api.extract.selector import Selector
from analytics_assets.rest_api.probe.state import Probe


def check_records(probe: Probe) -> bool:
    """Find the records of the first page, and correct `data_selector` if it does not lead to them.

    Returns:
        Whether there are records, or an empty list of them.
    """
    findings = probe.findings
    body = probe.session.body_reader(probe.resource)(probe.first.response)
    findings.body = summary(decode(body))
    error = _selector_error(probe, probe.resource.endpoint, body)
    if error is not None:
        fix = next(_fixes(probe, body), None)
        probe.report(str(error), fix)
        if fix is None:
            return False
        probe.read_again()
    findings.data_selector = probe.resource.endpoint.data_selector
    return True


def _selector_error(probe: Probe, endpoint: Endpoint, body: bytes) -> ResponseError | None:
    try:
        Selector.of(endpoint, is_bound=bool(probe.session.bindings)).page(body)
    except ResponseError as error:
        return error
    return None


def _fixes(probe: Probe, body: bytes) -> Iterator[dict[str, Any]]:
    """The selectors that lead to records, the nearest first."""
    for path in record_lists(decode(body)):
        endpoint = probe.resource.endpoint.model_copy(update={"data_selector": path})
        if _selector_error(probe, endpoint, body) is None:
            yield {"endpoint": {"data_selector": path}}
