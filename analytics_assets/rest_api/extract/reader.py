"""The walk through a resource's pages, as many at once as the API and its configuration allow.

A walk goes from page to page until the paginator can tell the rest apart (`split`), or until it is long enough to be
worth cutting its window into slices. From there on several threads walk parts of it, each from page to page.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from analytics_assets.rest_api.config import Endpoint
from analytics_assets.rest_api.errors import ResponseError, SliceError, UnavailableError
from analytics_assets.rest_api.extract.concurrency import parallel_map
from analytics_assets.rest_api.extract.pagination import PageRequest, PageResponse, Paginator, RowCountCheck
from analytics_assets.rest_api.extract.paginators import build_paginator
from analytics_assets.rest_api.extract.records import PageRecords, concat_records, read_dicts
from analytics_assets.rest_api.extract.selector import Page, Selector
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.response import Response
from analytics_assets.rest_api.redaction import redacted_request
from analytics_assets.rest_api.windows import Window, filters_both_ends, slices, window_params

PAGES_BEFORE_SLICING = 2
SLICES_PER_THREAD = 2
MIN_BATCH_ROWS = 1_000
MIN_BATCH_BYTES = 1_000_000
MAX_BATCH_SECONDS = 1.0
TRANSIENT_STATUSES = (408, 425, 429)


@dataclass
class TimeRangeRead:
    """What is walked as one by the API's own account: all of a window, or a slice; with its promised rows."""

    window: Window | None
    expected: RowCountCheck
    first_body: bytes = b""


@dataclass
class PageSequence:
    """What one thread walks from page to page. Without a request it is over."""

    stretch: TimeRangeRead
    pages: Paginator
    request: PageRequest | None


@dataclass(frozen=True)
class PageBatch:
    """Records, and the slice that they were asked for: those outside of it are another's, or nobody's."""

    records: PageRecords
    window: Window | None
    bytes: int


@dataclass
class EndpointReader:
    """One walk through an endpoint: all of its pages, or those of a window.

    `keyed` says that no two pages can be equal. `may_slice` is asked of the first pages' records whether the
    window may be cut; without it, it is not. `read` reads the JSON of a page's records.
    """

    endpoint: Endpoint
    client: HttpClient
    headers: Mapping[str, str]
    window: Window | None = None
    threads: int = 1
    has_primary_key: bool = True
    window_is_honoured: Callable[[PageRecords], bool] | None = None
    read: Callable[[bytes], PageRecords] = read_dicts
    pages: int = field(default=0, init=False)
    rows: int = field(default=0, init=False)
    total: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._selector = Selector(
            self.endpoint.data_selector,
            allow_missing=self.endpoint.allow_missing_selector,
            read=self.read,
        )
        self._url = self.client.url(self.endpoint.path)
        self._lock = threading.Lock()

    def read_pages(self) -> Iterator[PageBatch]:
        """The pages, in any order, small ones together.

        Raises:
            ResponseError: the API answered something else than the configuration describes.
        """
        return coalesce_pages(self._read_all())

    def _read_all(self) -> Iterator[PageBatch]:
        whole = self._sequence(self.window)
        walked = self._read_sequence(whole)
        cuts = self._slices()
        if cuts:
            probe = list(itertools.islice(walked, PAGES_BEFORE_SLICING))
            if (
                whole.request
                and self.window_is_honoured
                and all(self.window_is_honoured(page.records) for page in probe)
            ):
                probed, self.pages, self.rows = self.rows, 0, 0  # what was read so far is read again, slice by slice
                yield from parallel_map(self._read_slices, (self._sequence(cut) for cut in cuts), self.threads)
                if self.rows < probed:
                    raise slice_error("the slices of the window have fewer rows than its first pages")
                return
            yield from probe
        for page in walked:
            yield page
            if whole.request and self.threads > 1 and (split := whole.pages.split()):
                parts = (PageSequence(whole.stretch, pages, pages.first()) for pages in split)
                yield from parallel_map(self._read_sequences, parts, self.threads)
                break
        whole.pages.check(whole.stretch.expected.seen)
        whole.stretch.expected.check()

    def _slices(self) -> list[Window]:
        """The slices that the window may be cut into; none where the API cannot be asked for one."""
        params, incremental = self.endpoint.params, self.endpoint.incremental
        if self.threads == 1 or self.window_is_honoured is None or self.window is None or incremental is None:
            return []
        cuts = slices(self.window, incremental, self.threads * SLICES_PER_THREAD)
        return cuts if len(cuts) > 1 and filters_both_ends(params, incremental) else []

    def _sequence(self, window: Window | None) -> PageSequence:
        pages = build_paginator(self.endpoint.paginator)
        return PageSequence(TimeRangeRead(window, RowCountCheck(self.endpoint.paginator)), pages, pages.first())

    def _read_slices(self, parts: Iterable[PageSequence]) -> Iterator[PageBatch]:
        def pages() -> Iterator[PageBatch]:
            for part in parts:
                yield from self._read_sequence(part)
                part.pages.check(part.stretch.expected.seen)
                part.stretch.expected.check()

        return coalesce_pages(pages())

    def _read_sequences(self, parts: Iterable[PageSequence]) -> Iterator[PageBatch]:
        return coalesce_pages(page for part in parts for page in self._read_sequence(part))

    def _read_sequence(self, part: PageSequence) -> Iterator[PageBatch]:
        """The pages of a part, one after the other."""
        window = part.stretch.window
        params = window_params(self.endpoint.params, self.endpoint.incremental, window)
        url, previous = self._url, b""
        while part.request is not None:
            link = part.request.link
            url = self.client.next_page_url(link, found_at=url) if link else url
            response = self.client.get(url, {} if link else {**params, **part.request.params}, self.headers)
            if self.pages and part.pages.ends_on(response.status):
                part.pages.end()
                part.request = None
                return
            page = self._read(response, part, url)
            if page.records and self.has_primary_key and response.body in (previous, part.stretch.first_body):
                raise ResponseError(
                    f"{redacted_request(url)}: the same page came twice: the API does not page as `paginator` says"
                )
            previous = response.body
            part.stretch.first_body = part.stretch.first_body or response.body
            yield PageBatch(page.records, window, len(response.body))

    def _read(self, response: Response, part: PageSequence, url: str) -> Page:
        """The page of an answer; the part's next request follows from it."""
        with self._lock:
            self.pages += 1
            where = f"{redacted_request(url)}, page {self.pages}"
        if not 200 <= response.status < 300:
            kind = (
                UnavailableError if response.status in TRANSIENT_STATUSES or response.status >= 500 else ResponseError
            )
            raise kind(f"{where}: the API answered {response.status}. {status_hint(response.status)}")
        try:
            page = self._selector.page(response.body)
            answer = PageResponse(len(page.records), page.envelope, response.headers)
            with self._lock:
                expected = part.stretch.expected
                expected.add(answer)
                part.pages.total_rows = part.pages.total_rows if expected.total is None else expected.total
                following = part.pages.next(answer)
                part.request = None if expected.is_complete else following
                self.rows += answer.rows
                self.total = part.pages.total_rows or self.total
        except ResponseError as error:
            raise type(error)(f"{where}: {error}") from None
        return page


def coalesce_pages(pages: Iterable[PageBatch]) -> Iterator[PageBatch]:
    """The records of small pages together, by their windows: handing a page on costs more than reading it."""
    waiting: dict[Window | None, PageBatch] = {}
    began = time.monotonic()
    for page in pages:
        if before := waiting.pop(page.window, None):
            together = concat_records(before.records, page.records)
            if together is None:
                yield before
            else:
                page = PageBatch(together, page.window, before.bytes + page.bytes)
        enough = len(page.records) >= MIN_BATCH_ROWS or page.bytes >= MIN_BATCH_BYTES
        if enough or time.monotonic() > began + MAX_BATCH_SECONDS:
            yield page
            began = time.monotonic()
        else:
            waiting[page.window] = page
    yield from waiting.values()


def slice_error(problem: str) -> SliceError:
    return SliceError(f"{problem}: the API does not compare times as `incremental` says (days only? another zone?)")


def status_hint(status: int) -> str:
    """What to look at for a status that stayed."""
    if status == 404:
        return "Check `base_url` and `endpoint.path`."
    if status in (401, 403):
        return "The credentials are not allowed to read this: check their scope."
    if status == 429:
        return "Its rate limit held on: set `client.max_requests_per_second` lower, or `max_retries` higher."
    if status >= 500:
        return "The API itself failed: run again later."
    return "Check `endpoint.params` and the paginator's parameters."
