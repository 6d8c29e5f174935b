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
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from typing import Any

from analytics_assets.rest_api.config import Endpoint, position_name
from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.extract.concurrency import START_WORKERS_AFTER_SECONDS, ParallelMap, parallel_map
from analytics_assets.rest_api.extract.ignored_reads import check_response_action
from analytics_assets.rest_api.extract.masking import Masking
from analytics_assets.rest_api.extract.page_batches import PageBatch, coalesce_pages
from analytics_assets.rest_api.extract.pagination.base import PageResponse, Totals
from analytics_assets.rest_api.extract.pagination.completeness import is_numbered_to_the_end
from analytics_assets.rest_api.extract.pagination.sequence import CountedRead, PageSequence, ReadCounts
from analytics_assets.rest_api.extract.read_progress import ReadProgress
from analytics_assets.rest_api.extract.records import PageRecords, read_dicts
from analytics_assets.rest_api.extract.request_template import BoundRequest, RequestTemplate, record_values
from analytics_assets.rest_api.extract.selector import Page, Selector
from analytics_assets.rest_api.extract.status_errors import check_graphql_errors, is_graphql, status_error
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.request import Request
from analytics_assets.rest_api.http.response import Response
from analytics_assets.rest_api.windows import Window, endpoint_slices, slice_error, window_bindings

PAGES_BEFORE_SLICING = 2  # a window of two pages is read faster as a whole
SLICES_PER_THREAD = 2  # slices differ in size: a thread that is done takes another one


@dataclass
class EndpointReader(CountedRead):
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
        totals: Rows or pages of the whole read, if the API names their number.
        is_bounded: Whether the configuration ended the read before the API's own end.
        reads: Number of reads, which is 1 here.
        ignored: The read by the status of its first response, if `response_actions` ignores that response.
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
    totals: Totals = field(default_factory=Totals, init=False)
    is_bounded: bool = field(default=False, init=False)
    reads: int = field(default=1, init=False)
    ignored: Counter[int] = field(default_factory=Counter, init=False)
    _counts: ReadCounts = field(default_factory=ReadCounts, init=False)

    def __post_init__(self) -> None:
        self._selector = Selector.of(self.endpoint, is_bound=bool(self.bindings), read=self.read, masking=self.masking)
        url = self.client.url(self.endpoint.path)
        self._template = self.template or RequestTemplate(self.endpoint, url=url, headers=self.headers)
        self._is_graphql = is_graphql(self.endpoint)
        self._record_values = record_values(self.bindings)
        self._sequence = partial(PageSequence.of, self.endpoint, self._selector.steps)
        self._uses_slices: Future[bool] = Future()
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
        whole = self._sequence(self.window, self._counts)
        pages, cuts = self._read_sequence(whole), self._slices()
        try:
            self.client.open_early(itertools.islice(self._following(whole, cuts), self.threads - 1))
            if cuts:
                probe, sliced = list[PageBatch](), ReadCounts()
                slices = ParallelMap(self._read_slices, (self._sequence(cut, sliced) for cut in cuts), self.threads)
                if self._is_worth_slicing(whole, pages, probe, slices):
                    probed, self._counts = self.rows, sliced  # the slices read these pages again
                    yield from slices
                    if self.rows < probed:
                        raise slice_error("the slices of the window have fewer rows than its first pages")
                    return
                yield from probe
            for page in pages:
                yield page
                if whole.request and self.threads > 1 and (split := whole.paginator.split()):
                    parts = (PageSequence(whole.time_range, part, part.first()) for part in split)
                    yield from parallel_map(self._read_sequences, parts, self.threads, at_once=self._workers())
                    whole.request = None if whole.time_range.completeness.is_complete else whole.paginator.resume()
            if not self.ignored:
                self._check(whole)
        finally:
            self.client.close_early()

    def _slices(self) -> list[Window]:
        """The slices of the window; none if they cannot be requested, or if pages can be requested by their number."""
        if self.threads == 1 or self.window_is_honoured is None or self.window is None:
            return []
        if is_numbered_to_the_end(self.endpoint.paginator):
            return []
        return endpoint_slices(self.window, self.endpoint, self.threads * SLICES_PER_THREAD)

    def _following(self, whole: PageSequence, cuts: list[Window]) -> Iterator[Request]:
        """The first requests of other threads, as far as they are known before the first page."""
        if whole.request and self.threads > 1 and not self.client.limits_requests:
            yield from (self._requests(cut).page(whole.request) for cut in cuts)
            if is_numbered_to_the_end(self.endpoint.paginator):
                yield from map(self._requests(self.window).page, whole.paginator.expected())

    def _is_worth_slicing(
        self,
        whole: PageSequence,
        pages: Iterator[PageBatch],
        probe: list[PageBatch],
        slices: ParallelMap[PageSequence, PageBatch],
    ) -> bool:
        """Whether the window has more than two pages, whose records are all of the window.

        `probe` receives the pages that were read. Without a total, a second page is needed. If the API is slow, each
        other thread requests the first page of a slice together with it; but not of numbered pages, which follow next.
        """
        assert self.window_is_honoured is not None
        worth, early = False, not whole.paginator.is_numbered
        try:
            for page in itertools.islice(pages, PAGES_BEFORE_SLICING):
                probe.append(page)
                is_long = whole.time_range.completeness.is_longer_than(PAGES_BEFORE_SLICING)
                worth = whole.request is not None and is_long is not False and self.window_is_honoured(page.records)
                if is_long or not worth:
                    break
                slices.start(self._workers() - 1 if early else 0)
            slices.start(self._workers() if worth else 0)
        finally:
            self._uses_slices.set_result(worth)
        return worth

    def _workers(self) -> int:
        """How many threads start together: one if responses are fast, or if requests are limited."""
        is_slow = self.client.metrics.seconds_per_request > START_WORKERS_AFTER_SECONDS
        return self.threads if is_slow and not self.client.limits_requests else 1

    def _check(self, sequence: PageSequence) -> None:
        sequence.paginator.check()
        proven = sequence.time_range.completeness.check(sequence.paginator, self._warn_once)
        sequence.time_range.counts.parts.append(proven)
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
                for page in self._read_sequence(sequence):
                    yield page
                    if not self._uses_slices.result():  # waits for the decision
                        return
                self._check(sequence)

        return coalesce_pages(pages())

    def _read_sequences(self, sequences: Iterable[PageSequence]) -> Iterator[PageBatch]:
        return coalesce_pages(page for sequence in sequences for page in self._read_sequence(sequence))

    def _read_sequence(self, sequence: PageSequence) -> Iterator[PageBatch]:
        """The pages of a sequence, one after the other."""
        time_range, counts = sequence.time_range, sequence.time_range.counts
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
            may_end = counts.pages and not (action and action.action == "fail")
            if may_end and sequence.paginator.ends_on(response.status):
                sequence.end()
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
            where=f"{request.redacted}, page {sequence.time_range.counts.pages + 1}",
            pages_read=sequence.time_range.counts.pages,
            in_slice=sequence.time_range.window != self.window,
            selector=self._selector,
            client=self.client,
        )
        self.ignored[response.status] += 1
        sequence.request = None

    def _read_page(self, response: Response, sequence: PageSequence, request: Request) -> Page:
        """The page of a response; sets the sequence's next request."""
        counts = sequence.time_range.counts
        with self._lock:
            counts.pages += 1
            number = counts.pages
        if not 200 <= response.status < 300:
            raise status_error(
                response,
                where=f"{request.redacted}, page {number}",
                paginator=self.endpoint.paginator,
                pages_read=number - 1,
                client=self.client,
            )
        assert sequence.request is not None
        try:
            if self._is_graphql:
                check_graphql_errors(response, self.client)
            page = self._selector.page(self.read_body(response))
            read = PageResponse(len(page.records), page.envelope, response.headers, sequence.request.position)
            with self._lock:
                sequence.record(read)
                if sequence.time_range.window == self.window:  # not of a slice
                    self.totals = sequence.paginator.totals
        except ResponseError as error:
            raise error.with_message(f"{request.redacted}, page {number}: {error}") from None
        return page
