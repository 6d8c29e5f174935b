"""Paging: whether the paginator reaches a second page, how the read will end, and which paginator works if it fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from analytics_assets.rest_api.config import (
    CursorConfig,
    PageNumberConfig,
    PaginatorConfig,
    SinglePageConfig,
)
from analytics_assets.rest_api.extract.envelope import compile_path
from analytics_assets.rest_api.extract.pagination.completeness import total_source
from analytics_assets.rest_api.extract.pagination.hints import Hint, find_header_hints, find_hints, normalize_path
from analytics_assets.rest_api.extract.status_errors import is_graphql
from analytics_assets.rest_api.probe.findings import with_endpoint
from analytics_assets.rest_api.probe.session import TrialRead
from analytics_assets.rest_api.probe.state import Probe
from analytics_assets.rest_api.probe.steps import paginators
from analytics_assets.rest_api.probe.steps.paging_end import check_end, read_total

# Sizes of pages that APIs use: a list of exactly so many rows may be a first page.
PAGE_SIZES = frozenset({10, 15, 20, 25, 30, 40, 50, 60, 75, 100, 150, 200, 250, 300, 500, 1000, 2000, 5000, 10_000})
PAGINATOR: TypeAdapter[PaginatorConfig] = TypeAdapter(PaginatorConfig)


def check_paging(probe: Probe) -> bool:
    """Check that the paginator leads from page to page; if not, find one that does.

    Returns:
        Whether there are rows to go on with.
    """
    base = _first_page(probe)
    if base is None:
        return False
    problem = _problem(probe)
    if not problem and (first := _skipped_page(probe, base)):
        base, problem = first, "a request without a page number returns other rows than the first page of the paginator"
    suspicion = "" if problem else _suspicion(probe)
    if problem or suspicion:
        fix = _find_paginator(probe, base)
        if fix or problem:
            probe.report(problem or suspicion, fix and {"endpoint": {"paginator": fix}})
        if fix:
            probe.read_again()
    else:
        check_end(probe)
    if not probe.trial.pages:
        probe.trial = base
    _describe(probe)
    return True


def hints_of(probe: Probe) -> list[Hint]:
    """The hints of the first page, without those that the YAML ignores."""
    endpoint = probe.resource.endpoint
    ignored = {normalize_path(path) for path in endpoint.ignore_hints}
    found = (
        *find_hints(probe.envelope, compile_path(endpoint.data_selector)),
        *find_header_hints(probe.first.response.headers),
    )
    return [hint for hint in found if normalize_path(hint.path) not in ignored]


def _first_page(probe: Probe) -> TrialRead | None:
    """A read with the first page only, without the paginator if that fails on it; None if that fails too."""
    if probe.trial.pages:
        return TrialRead(probe.trial.pages[:1], probe.trial.exchanges[:1])
    bare = probe.session.read(with_endpoint(probe.resource, paginator=SinglePageConfig()), pages=1)
    if bare.pages:
        return TrialRead(bare.pages[:1], bare.exchanges[:1])
    probe.report(str(probe.trial.error or bare.error))
    return None


def _problem(probe: Probe) -> str:
    """What is wrong with the paginator, as far as the first pages show; empty if nothing is."""
    trial = probe.trial
    if probe.refusal or trial.error:
        return probe.refusal or str(trial.error)
    if trial.repeated and probe.resource.primary_key:
        return f"{trial.repeated:.0%} of the rows of the second page are on the first page too"
    return ""


def _suspicion(probe: Probe) -> str:
    """Why a read that has ended may not be complete; empty if it may. Other paginators are tried, to find more rows."""
    trial, paginator = probe.trial, probe.resource.endpoint.paginator
    if not trial.ended or not isinstance(paginator, SinglePageConfig) or len(trial.rows) not in PAGE_SIZES:
        return ""
    return f"`paginator.type: single_page` ends after {len(trial.rows)} rows, and the API has more"


def _skipped_page(probe: Probe, base: TrialRead) -> TrialRead | None:
    """The API's first page, if the paginator begins with a later one."""
    paginator = probe.resource.endpoint.paginator
    if not isinstance(paginator, PageNumberConfig) or paginator.page is not None or paginator.page_param is None:
        return None
    unnumbered = PageNumberConfig.model_validate({**paginators.keys_of(paginator), "page_param": None})
    first = probe.session.read(with_endpoint(probe.resource, paginator=unnumbered), pages=1)
    return first if first.rows and not _same(first, base) else None


def _find_paginator(probe: Probe, base: TrialRead) -> dict[str, Any] | None:
    """The first paginator that reaches a second page; None if no other one does."""
    if is_graphql(probe.resource.endpoint):
        return None
    kept, probe.trial = probe.trial, base
    try:
        for keys in _candidates(probe, base):
            if _works(probe, base, keys):
                return keys
    finally:
        probe.trial = kept
    return None


def _candidates(probe: Probe, base: TrialRead) -> Iterator[dict[str, Any]]:
    endpoint, hints = probe.resource.endpoint, hints_of(probe)
    configured = endpoint.paginator
    yield from paginators.without_end_keys(configured)
    if isinstance(configured, PageNumberConfig):
        keys = paginators.keys_of(configured)
        yield from ({**keys, "start_from_page": start} for start in (1, 0) if start != configured.start_from_page)
    yield from paginators.from_headers(configured, probe.first.response.headers)
    yield from paginators.from_hints(configured, probe.envelope, hints)
    if base.rows:
        yield from _numbered_candidates(probe, base)
        for key in (*probe.resource.primary_key, "id")[:1]:
            if key in base.rows[-1]:
                yield from paginators.after_record(configured, endpoint.data_selector, key)


def _numbered_candidates(probe: Probe, base: TrialRead) -> Iterator[dict[str, Any]]:
    """Paginators by offset or page number whose parameter changes the page."""
    configured, params = probe.resource.endpoint.paginator, probe.resource.endpoint.params
    size, limit = _page_size(probe, base)
    for param, value, keys in paginators.numbered(configured, params, rows=size, limit=limit):
        sent = {param: str(value), **({} if limit is None else {limit: str(size)})}
        other = _bare(probe, sent)
        if other.rows and not _same(other, base) and other.status == 200:
            if keys["type"] == "page_number":
                yield {**keys, "start_from_page": 1}
                yield {**keys, "start_from_page": 0}
            else:
                yield keys


def _page_size(probe: Probe, base: TrialRead) -> tuple[int, str | None]:
    """Rows of a page, and the parameter that sets their number; None if no parameter of the usual names does."""
    configured = probe.resource.endpoint.paginator
    own = getattr(configured, "limit_param", None)
    rows = max(len(base.rows), 1)
    wanted = max(rows // 2, 1)
    for param in dict.fromkeys(filter(None, (own, *paginators.LIMIT_PARAMS))):
        trial = _bare(probe, {param: str(wanted)})
        if rows > 1 and len(trial.rows) == wanted:
            limit = getattr(configured, "limit", None)
            if limit and limit != rows and len(_bare(probe, {param: str(limit)}).rows) == limit:
                return limit, param
            return rows, param
    return rows, None


def _bare(probe: Probe, params: Mapping[str, str]) -> TrialRead:
    """The first page without a paginator, with further parameters."""
    endpoint = probe.resource.endpoint
    changed = with_endpoint(probe.resource, paginator=SinglePageConfig(), params={**endpoint.params, **params})
    return probe.session.read(changed, pages=1)


def _works(probe: Probe, base: TrialRead, keys: Mapping[str, Any]) -> bool:
    """Whether a paginator reads other rows on the second page, or all rows, and begins with the first page."""
    try:
        paginator = PAGINATOR.validate_python(keys)
    except ValueError:
        return False
    trial = probe.session.read(with_endpoint(probe.resource, paginator=paginator))
    if trial.error or not trial.pages or not _begins_alike(trial, base):
        return False
    return trial.moves_on or (trial.ended and keys["type"] in ("cursor", "json_link", "header_link", "header_cursor"))


def _same(trial: TrialRead, base: TrialRead) -> bool:
    """Whether two first pages have a row in common."""
    return bool(trial.rows and base.rows) and not set(map(repr, trial.pages[0])).isdisjoint(map(repr, base.pages[0]))


def _begins_alike(trial: TrialRead, base: TrialRead) -> bool:
    return not base.rows or (bool(trial.pages[0]) and trial.pages[0][0] == base.pages[0][0])


def _describe(probe: Probe) -> None:
    """Say whether the paginator moves on, and how the read will end."""
    findings, trial = probe.findings, probe.trial
    paginator = probe.resource.endpoint.paginator
    findings.rows = len(trial.pages[0])
    source = total_source(paginator)
    totals = [hint.total for hint in hints_of(probe) if hint.kind in ("rows", "filtered_rows")]
    if source and not source.counts_pages:
        findings.total = read_total(probe)
    elif totals and max(totals) >= len(trial.rows):
        findings.total = max(totals)
    if isinstance(paginator, SinglePageConfig):
        findings.paging = "single_page: one request"
    elif trial.moves_on:
        findings.paging = f"{paginator.type}: the second page has {len(trial.pages[1])} other rows"
    elif trial.ended and sum(map(bool, trial.pages)) > 1:
        findings.paging = f"{paginator.type}: all rows are on two pages"
    elif trial.ended:
        findings.paging = f"{paginator.type}: all rows are on the first page, so moving on could not be checked"
    findings.end = _end(probe, paginator)


def _end(probe: Probe, paginator: PaginatorConfig) -> str:
    """How the read ends."""
    if isinstance(paginator, SinglePageConfig):
        return "after the only page"
    if source := total_source(paginator):
        return f"when the {'pages' if source.counts_pages else 'rows'} of `{source.path}` are read"
    if flag := getattr(paginator, "has_more_path", None):
        return f"when `{flag}` is false"
    if isinstance(paginator, CursorConfig):
        stop = paginator.stop_condition
        empty = f"`{paginator.cursor_path}` is null, empty or missing"
        return f"when `{stop.path}` is {stop.operator}, or {empty}" if stop else f"when {empty}"
    if path := getattr(paginator, "next_url_path", None):
        return f"when `{path}` is null, empty or missing"
    if paginator.type == "header_link":
        return f"when the header `Link` names no {paginator.links_next_key!r} page"
    if paginator.type == "header_cursor":
        return f"when the header `{paginator.cursor_key}` is missing"
    total = "; its total is compared with the rows" if probe.findings.total is not None else ""
    return f"with an empty page{total}"
