"""The probe of one resource, step by step: connection, records, paging, key, cursor, window, columns, estimate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from analytics_assets.rest_api.config import ResolvedResource
from analytics_assets.rest_api.errors import RestApiError
from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets.rest_api.probe.children import bindings
from analytics_assets.rest_api.probe.findings import Problem, ResourceFindings
from analytics_assets.rest_api.probe.session import ProbeSession, RequestLimitError
from analytics_assets.rest_api.probe.state import Probe
from analytics_assets.rest_api.probe.steps.columns import check_columns
from analytics_assets.rest_api.probe.steps.connection import check_connection
from analytics_assets.rest_api.probe.steps.credentials import describe, selected_auth
from analytics_assets.rest_api.probe.steps.cursor import check_cursor
from analytics_assets.rest_api.probe.steps.estimate import check_estimate, check_rate_limit
from analytics_assets.rest_api.probe.steps.keys import check_key
from analytics_assets.rest_api.probe.steps.paging import check_paging
from analytics_assets.rest_api.probe.steps.records import check_records
from analytics_assets.rest_api.probe.steps.window import check_window
from analytics_assets.rest_api.redaction import redacted_request, redactor


def probe_resource(request: LoadRequest, resources: Sequence[ResolvedResource] = ()) -> ResourceFindings:
    """Probe a resource with a few requests; nothing is loaded.

    Args:
        request: The resource, as a load would read it. Its window is not used.
        resources: All resources of the API: a child needs its parent.

    Returns:
        What was found; errors are problems in it.
    """
    findings = ResourceFindings(request.name)
    try:
        findings.credentials = describe(selected_auth(request))
        candidates = list(bindings(request, resources))
        with ProbeSession.open(request) as session:
            url = session.client.url(request.resource.endpoint.path)
            findings.request = redacted_request(url, request.resource.endpoint.method)
            probe = Probe(session, request.resource, findings, siblings=_siblings(request, resources))
            try:
                _run(probe, candidates)
            except RestApiError as error:
                findings.problems.append(Problem(str(error)))
            findings.requests = session.client.sent
            _redact(findings, redactor(session.client.secret_values()))
    except RestApiError as error:
        findings.problems.append(Problem(str(error)))
    return findings


def _siblings(request: LoadRequest, resources: Iterable[ResolvedResource]) -> tuple[str, ...]:
    return tuple(each.endpoint.path for each in resources if each.name != request.resource.name)


def _run(probe: Probe, candidates: Sequence[dict[str, Any]]) -> None:
    """All steps, with the first parent that has rows."""
    parent = probe.resource.parent
    for number, values in enumerate(candidates, 1):
        probe.session.bindings = values
        if parent:
            probe.findings.parent = f"row {number} of {parent.name}"
        if not check_connection(probe):
            return
        if probe.trial.rows or probe.findings.problems or probe.trial.error:
            break
    if not check_records(probe) or not check_paging(probe):
        return
    probe.findings.sample = probe.trial.pages[0]
    if not probe.trial.rows:
        message = (
            "there are no rows, so key, cursor, window and columns cannot be checked. If the API has rows, correct "
        )
        probe.findings.problems.append(Problem(f"{message}the path, the parameters, or what the credentials may read"))
        return
    check_rate_limit(probe)
    steps: tuple[Callable[[Probe], Any], ...] = (check_key, _check_times, check_columns, check_estimate)
    for step in steps:
        try:
            step(probe)
        except RequestLimitError as error:
            probe.findings.notes.append(str(error))


def _check_times(probe: Probe) -> None:
    check_window(probe, check_cursor(probe))


def _redact(value: Any, redact: Callable[[str], str]) -> None:
    """Mask secrets in all texts of the findings but those of rows, in place."""
    for each in fields(value):
        if each.name != "sample":
            setattr(value, each.name, _redacted(getattr(value, each.name), redact))


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_redacted(item, redact) for item in value]
    if isinstance(value, dict):
        return {key: _redacted(item, redact) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: _redacted(getattr(value, each.name), redact) for each in fields(value)})
    return value
