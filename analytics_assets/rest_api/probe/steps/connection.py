"""The first request of a probe: base URL, path, credentials and parameters, by the status of the response."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import urlsplit

from analytics_assets.rest_api.auth.secret_reader import reference_name
from analytics_assets.rest_api.config import SecretRef, SinglePageConfig
from analytics_assets.rest_api.extract.body_shape import record_lists
from analytics_assets.rest_api.extract.json_decoding import decode_raw
from analytics_assets.rest_api.probe.findings import with_endpoint
from analytics_assets.rest_api.probe.state import Probe
from analytics_assets.rest_api.probe.steps.credentials import rejection
from analytics_assets.rest_api.redaction import redacted_url

MAX_PATHS = 8  # other paths that are tried after a 404
COMMON_PREFIXES = ("api", "v1", "api/v1", "v2")
REFUSED = (400, 404, 405, 406, 409, 410, 415, 422)


def check_connection(probe: Probe) -> bool:
    """Read the first pages; correct the path or the parameters if the API refuses them.

    Returns:
        Whether there is a first page to go on with: any JSON body with a status of 2xx.
    """
    probe.read_again()
    session, findings = probe.session, probe.findings
    last = session.client.last_response
    findings.status = probe.trial.status if probe.trial.status or not last else last.status
    if findings.status is None:
        probe.report(f"{probe.trial.error}. Check {base_url_name(probe)}")
        return False
    if findings.status in (401, 403):
        findings.problems.append(rejection(session, probe.trial.error))
        return False
    if findings.status == 404:
        return _find_path(probe)
    if findings.status in REFUSED:
        return _find_refused_parameters(probe)
    if not 200 <= findings.status < 300:
        probe.report(str(probe.trial.error))
        return False
    if session.envelope(probe.resource, probe.first) is None:
        return _find_path(probe)
    return True


def base_url_name(probe: Probe) -> str:
    """The variable of the base URL, or its key, for messages."""
    base_url = probe.session.request.client.base_url
    return reference_name(base_url) if isinstance(base_url, SecretRef) else "`client.base_url`"


def _find_path(probe: Probe) -> bool:
    """Try similar paths after a 404 or a response that is not JSON."""
    session, path = probe.session, probe.resource.endpoint.path
    base = urlsplit(session.client.url(""))
    status = probe.findings.status
    found = f"the API returned {status}" if status == 404 else "the response is not JSON: it may be that of a website"
    message = f"`endpoint.path: {path}` below {redacted_url(base.geturl())}: {found}"
    for other in islice(_paths(path, base.path, probe.siblings), MAX_PATHS):
        changed = with_endpoint(probe.resource, path=other)
        trial = session.read(changed, pages=1)
        if trial.pages or (trial.status and trial.status < 300 and _has_records(probe, trial.exchanges[0])):
            probe.report(f"{message}. The API has {other}", {"endpoint": {"path": other}})
            probe.read_again()
            return True
    probe.report(f"{message}. Check {base_url_name(probe)} and the path")
    return False


def _has_records(probe: Probe, exchange: object) -> bool:
    envelope = probe.session.envelope(probe.resource, exchange)  # type: ignore[arg-type]
    return envelope is not None and any(record_lists(decode_raw(envelope.root)))


def _paths(path: str, base: str, siblings: tuple[str, ...]) -> Iterator[str]:
    """Similar paths, the likeliest first, each once."""
    parts = path.strip("/").split("/")
    seen = {path}

    def candidates() -> Iterator[list[str]]:
        for length in range(len(parts) - 1, 0, -1):  # a prefix that the base URL has already
            if base.strip("/").split("/")[-length:] == parts[:length]:
                yield parts[length:]
        for sibling in siblings:
            folder = sibling.strip("/").split("/")[:-1]
            if "{" not in sibling and folder != parts[:-1]:
                yield [*folder, parts[-1]]
        for name in _spellings(parts[-1]):
            yield [*parts[:-1], name]
        if len(parts) > 1 and re.fullmatch(r"v\d+|api", parts[0]):
            yield parts[1:]
        for prefix in COMMON_PREFIXES:
            yield [*prefix.split("/"), *parts]

    yield from (
        other for other in (f"{path}/", path.rstrip("/")) if other and other != path and not path.endswith("//")
    )
    for candidate in candidates():
        if (other := "/" + "/".join(candidate)) not in seen:
            seen.add(other)
            yield other


def _spellings(name: str) -> Iterator[str]:
    """Other spellings of a path's last part."""
    if "_" in name:
        yield name.replace("_", "-")
    if "-" in name:
        yield name.replace("-", "_")
    yield name[:-1] if name.endswith("s") else f"{name}s"
    if name != name.lower():
        yield name.lower()


def _find_refused_parameters(probe: Probe) -> bool:
    """Find out whether the API refuses the paginator's parameters or those of `params`."""
    session, resource = probe.session, probe.resource
    refusal = str(probe.trial.error)
    bare = with_endpoint(resource, paginator=SinglePageConfig())
    trial = session.read(bare, pages=1)
    if trial.status and trial.status < 300:
        probe.trial, probe.refusal = trial, refusal  # the next steps find the paginator
        return session.envelope(resource, probe.first) is not None
    params = resource.endpoint.params
    for name in params:
        fewer = {other: value for other, value in params.items() if other != name}
        trial = session.read(with_endpoint(bare, params=fewer), pages=1)
        if trial.status and trial.status < 300:
            probe.report(f"{refusal} It refuses the parameter `{name}`", {"endpoint": {"params": {name: None}}})
            probe.read_again()
            return True
    probe.report(refusal)
    return False
