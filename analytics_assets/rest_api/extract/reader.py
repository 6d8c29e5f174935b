"""Reads the pages of an endpoint, as many at once as the API and its configuration allow.

A read goes from page to page until the paginator can tell the rest apart (`split`), or until it is long enough to be
worth cutting its window into slices. From there on several threads read parts of it, each from page to page.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

from analytics_assets.rest_api.config import Endpoint, position_name
from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.extract.concurrency import parallel_map
from analytics_assets.rest_api.extract.ignored_reads import check_response_action
from analytics_assets.rest_api.extract.masking import Masking
from analytics_assets.rest_api.extract.page_batches import PageBatch, coalesce_pages
from analytics_assets.rest_api.extract.pagination.base import PageRequest, PageResponse, Paginator, Totals
from analytics_assets.rest_api.extract.pagination.completeness import CompletenessCheck
from analytics_assets.rest_api.extract.pagination.factory import build_paginator
from analytics_assets.rest_api.extract.pagination.proof import Completeness
from analytics_assets.rest_api.extract.read_progress import ReadProgress
from analytics_assets.rest_api.extract.records import PageRecords, read_dicts
from analytics_assets.rest_api.extract.request_template import BoundRequest, RequestTemplate, record_values
from analytics_assets.rest_api.extract.selector import Page, Selector
from analytics_assets.rest_api.extract.status_errors import check_graphql_errors, is_graphql, status_error
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.request import Request
from analytics_assets.rest_api.http.response import Response
from analytics_assets.rest_api.windows import Window, filters_both_ends, slice_error, slices, window_bindings

PAGES_BEFORE_SLICING = 2  # a window of two pages is read faster as a whole
SLICES_PER_THREAD = 2  # slices differ in size: a thread that is done takes another one


@dataclass
class TimeRangeRead:
    """A time range that is requested as a whole: a window or a slice of it; without a window, everything."""

    window: Window | None
    completeness: CompletenessCheck
    first_body: bytes = b""


@dataclass
class PageSequence:
    """Pages that one thread reads one after the other. Without a request the sequence is over."""

    time_range: TimeRangeRead
    paginator: Paginator
    request: PageRequest | None


@dataclass
class EndpointReader:
    """One read of an endpoint: all of its pages, or those of a window.

    Attributes:
        endpoint: The endpoint.
        client: Sends the requests.
        headers: Headers of the endpoint.
        window: The time range to request; everything without one.
        bindings: Values of placeholders for the whole read, by name.
        template: Builds the requests; by default built here.
        threads: Requests at once.
        has_primary_key: Whether rows have a key: then no two pages can be equal.
        window_is_honoured: Whether all of a page's records are of the window. The window is cut into slices only if
            its first pages say so; without this function it is not cut.
        read: Reads the JSON list of a page's records.
        masking: Drops and hashes fields of the records before they are read.
        read_body: Reads the body of a response as JSON.
        name: The resource, as log lines begin.
        log: Receives a warning for totals that do not count the window, and a line for reads that the YAML bounds.
        logged: The lines that are logged only once, also by other reads of the load.
        pages: Pages that were read.
        rows: Rows that were read.
        totals: Rows or pages of the whole read, if the API names their number.
        is_bounded: Whether the configuration ended the read before the API's own end.
        reads: Number of reads, which is 1 here.
        ignored: The read by the status of its first response, if `response_actions` ignores that response.
        parts: What proves the end of each time range that was read.
    """

    endpoint: Endpoint
    client: HttpClient
    headers: Mapping[str, str]
    window: Window | None = None
    bindings: Mapping[str, Any] = field(default_factory=dict)
    template: RequestTemplate | None = None
    threads: int = 1
    has_primary_key: bool = True
    window_is_honoured: Callable[[PageRecords], bool] | None = None
    read: Callable[[bytes], PageRecords] = read_dicts
    masking: Masking | None = None
    read_body: Callable[[Response], bytes] = attrgetter("body")
    name: str = ""
    log: logging.Logger = field(default_factory=lambda: logging.getLogger(__name__))
    logged: set[str] = field(default_factory=set)
    pages: int = field(default=0, init=False)
    rows: int = field(default=0, init=False)
    totals: Totals = field(default_factory=Totals, init=False)
    is_bounded: bool = field(default=False, init=False)
    reads: int = field(default=1, init=False)
    ignored: Counter[int] = field(default_factory=Counter, init=False)
    parts: list[Completeness] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._selector = Selector.of(self.endpoint, is_bound=bool(self.bindings), read=self.read, masking=self.masking)
        url = self.client.url(self.endpoint.path)
        self._template = self.template or RequestTemplate(self.endpoint, url=url, headers=self.headers)
        self._is_graphql = is_graphql(self.endpoint)
        self._record_values = record_values(self.bindings)
        self._lock = threading.Lock()

    @property
    def progress(self) -> ReadProgress | None:
        """How far the read is, if the API names a total."""
        return ReadProgress.of(self.rows, self.pages, self.totals)

    def read_pages(self) -> Iterator[PageBatch]:
        """The records of all pages, in any order, in batches.

        Raises:
            ResponseError: A response is not as the configuration describes it, or rows are missing.
            DriftError: Rows were added, removed or moved during the read.
        """
        return coalesce_pages(self.read_batches())

    def read_batches(self) -> Iterator[PageBatch]:
        """As `read_pages`, page by page, except where several threads read."""
        whole = self._sequence(self.window)
        pages = self._read_sequence(whole)
        cuts = self._slices()
        if cuts:
            probe = list(itertools.islice(pages, PAGES_BEFORE_SLICING))
            honoured = self.window_is_honoured
            if whole.request and honoured and all(honoured(page.records) for page in probe):
                probed, self.pages, self.rows = self.rows, 0, 0  # the slices read these pages again
                yield from parallel_map(self._read_slices, (self._sequence(cut) for cut in cuts), self.threads)
                if self.rows < probed:
                    raise slice_error("the slices of the window have fewer rows than its first pages")
                return
            yield from probe
        for page in pages:
            yield page
            if whole.request and self.threads > 1 and (split := whole.paginator.split()):
                parts = (PageSequence(whole.time_range, part, part.first()) for part in split)
                yield from parallel_map(self._read_sequences, parts, self.threads)
                whole.request = None if whole.time_range.completeness.is_complete else whole.paginator.resume()
        if not self.ignored:
            self._check(whole)

    def _slices(self) -> list[Window]:
        """The slices of the window; none if slices cannot be requested."""
        incremental = self.endpoint.incremental
        if self.threads == 1 or self.window_is_honoured is None or self.window is None or incremental is None:
            return []
        cuts = slices(self.window, incremental, self.threads * SLICES_PER_THREAD)
        return cuts if len(cuts) > 1 and filters_both_ends(self.endpoint) else []

    def _sequence(self, window: Window | None) -> PageSequence:
        completeness = CompletenessCheck(self.endpoint, self._selector.steps, windowed=window is not None)
        paginator = build_paginator(self.endpoint.paginator)
        return PageSequence(TimeRangeRead(window, completeness), paginator, paginator.first())

    def _check(self, sequence: PageSequence) -> None:
        sequence.paginator.check()
        self.parts.append(sequence.time_range.completeness.check(sequence.paginator, self._warn_once))
        if sequence.paginator.is_bounded and not self.is_bounded:
            self.is_bounded = True
            if self._is_first("bound"):
                rows = f"after {self.rows} rows"
                self.log.info(f"{self.name}: the read ended at the bound that the paginator sets, {rows}")

    def _warn_once(self, sentence: str) -> None:
        if self._is_first("total"):  # each slice of a window has the same finding
            self.log.warning(f"{self.name}: {sentence}")

    def _is_first(self, line: str) -> bool:
        """Whether a line was not logged before, by this or another read of the load."""
        with self._lock:
            is_first = line not in self.logged
            self.logged.add(line)
        return is_first

    def _read_slices(self, sequences: Iterable[PageSequence]) -> Iterator[PageBatch]:
        def pages() -> Iterator[PageBatch]:
            for sequence in sequences:
                yield from self._read_sequence(sequence)
                self._check(sequence)

        return coalesce_pages(pages())

    def _read_sequences(self, sequences: Iterable[PageSequence]) -> Iterator[PageBatch]:
        return coalesce_pages(page for sequence in sequences for page in self._read_sequence(sequence))

    def _read_sequence(self, sequence: PageSequence) -> Iterator[PageBatch]:
        """The pages of a sequence, one after the other."""
        time_range = sequence.time_range
        requests = self._requests(time_range.window)
        url, previous = "", b""
        while sequence.request is not None:
            link = sequence.request.link and self.client.next_page_url(sequence.request.link, found_at=url)
            request = requests.link(link) if link else requests.page(sequence.request)
            url = request.url
            response = self.client.send(request)
            if self._record_values:
                response = replace(response, record_values=self._record_values)
            action = response.action
            if self.pages and sequence.paginator.ends_on(response.status) and not (action and action.action == "fail"):
                sequence.paginator.end()
                sequence.request = None
                return
            if action is not None:
                self._ignore(response, sequence, request)
                return
            page = self._read_page(response, sequence, request)
            if page.records and self.has_primary_key and response.body in (previous, time_range.first_body):
                raise ResponseError(
                    f"{request.redacted}: the API sent the same page twice: it ignores the "
                    f"paginator's parameters. {sequence.paginator.correction}"
                )
            previous = response.body
            time_range.first_body = time_range.first_body or response.body
            yield PageBatch(page.records, time_range.window, len(response.body))

    def _requests(self, window: Window | None) -> BoundRequest:
        bindings = {**self.bindings, **window_bindings(window, self.endpoint.incremental)}
        try:
            return BoundRequest(self._template, bindings, position_name=position_name(self.endpoint.paginator))
        except ResponseError as error:
            raise error.with_message(f"`endpoint.path: {self.endpoint.path}`: {error}") from None

    def _ignore(self, response: Response, sequence: PageSequence, request: Request) -> None:
        """End the read without rows, if the action that the response matches allows it."""
        check_response_action(
            response,
            where=f"{request.redacted}, page {self.pages + 1}",
            pages_read=self.pages,
            in_slice=sequence.time_range.window != self.window,
            selector=self._selector,
            client=self.client,
        )
        self.ignored[response.status] += 1
        sequence.request = None

    def _read_page(self, response: Response, sequence: PageSequence, request: Request) -> Page:
        """The page of a response; sets the sequence's next request."""
        with self._lock:
            self.pages += 1
            where = f"{request.redacted}, page {self.pages}"
        if not 200 <= response.status < 300:
            raise status_error(
                response,
                where=where,
                paginator=self.endpoint.paginator,
                pages_read=self.pages - 1,
                client=self.client,
            )
        assert sequence.request is not None
        try:
            if self._is_graphql:
                check_graphql_errors(response, self.client)
            page = self._selector.page(self.read_body(response))
            read = PageResponse(len(page.records), page.envelope, response.headers, sequence.request.position)
            with self._lock:
                completeness, paginator = sequence.time_range.completeness, sequence.paginator
                completeness.record(read)
                paginator.totals = completeness.totals
                following = paginator.next(read)
                sequence.request = None if completeness.is_complete else following
                self.rows += read.rows
                if sequence.time_range.window == self.window:  # not of a slice
                    self.totals = completeness.totals
        except ResponseError as error:
            raise error.with_message(f"{where}: {error}") from None
        return page
