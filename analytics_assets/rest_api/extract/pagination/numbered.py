"""Paginators that request pages by number: the offset of the first row, or the number of the page."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Iterator

from analytics_assets.rest_api import config
from analytics_assets.rest_api.errors import DriftError
from analytics_assets.rest_api.extract.pagination.base import (
    PAGES_SHIFTED_HINT,
    PageRequest,
    PageResponse,
    Paginator,
)

PAGES_BEFORE_READING_AHEAD = 2  # a short read ends within two pages: reading ahead would only add requests


class EmptyPageTracker:
    """Without a total, an empty page may be the last page or a gap; the next page decides.

    Attributes:
        greatest: The rows of the largest page.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._full = False
        self._empty: int | None = None
        self._requested = self._last = -1
        self.greatest = 0

    def request(self, position: int) -> None:
        self._requested = max(self._requested, position)

    def record(self, position: int, rows: int) -> None:
        self.request(position)
        if rows:
            self._full = rows >= (self.greatest or self._limit or rows + 1)
            self.greatest = max(self.greatest, rows)
            self._last = max(self._last, position)
        else:
            self._empty = position if self._empty is None else min(self._empty, position)

    @property
    def end_is_unconfirmed(self) -> bool:
        """Whether an empty page follows a full one, and no later page was requested. A short page is nearly the end."""
        return self._full and self._empty == self._requested

    def check(self) -> None:
        """Raises DriftError if rows follow an empty page."""
        if self._empty is not None and self._last > self._empty:
            raise DriftError(f"the page at {self._empty} is empty, but a later page has rows: {PAGES_SHIFTED_HINT}")


class NumberedPaginator(Paginator):
    """What both kinds share: the position, the end, and which pages may be requested at once."""

    is_numbered = True

    def __init__(
        self, start: int, limit: int | None, step: int | None, *, has_total: bool, has_more_path: str | None
    ) -> None:
        self._position = start
        self._step = step  # from one page to the next, if they are full
        self._pages = 0
        self._has_total = has_total
        self._has_more_path = has_more_path
        self._ended = False
        self.empty_pages = EmptyPageTracker(limit) if not has_total and not has_more_path else None

    def first(self) -> PageRequest:
        return self.request(self._position)

    def next(self, response: PageResponse) -> PageRequest | None:
        self._pages += 1
        position = self._position
        self._position += self._advance(response)
        self._ended = self.ends_at(self._position, response)
        if self.empty_pages:
            self.empty_pages.record(position, response.rows)
            self.empty_pages.check()
            look_further = not response.rows and self.empty_pages.end_is_unconfirmed
            self._ended = self._ended and not (look_further and not self._is_past_end(self._position))
        return None if self._ended else self.first()

    def end(self) -> None:
        self._ended = True

    def check(self) -> None:
        if self.empty_pages:
            self.empty_pages.check()

    def ends_at(self, position: int, response: PageResponse) -> bool:
        """Whether no page is left at this position, after a response that led there."""
        if self._is_past_end(position):
            return True
        if self._has_more_path and not response.get_bool(self._has_more_path):
            self.end_is_proven = True
            return True
        return self._ends_on_empty_page(position, response)

    def split(self) -> Iterator[Paginator] | None:
        """From the second page on where the end is known, else once an empty page seems to be far away."""
        known = self._has_total or self.totals.rows is not None
        far = self.empty_pages is not None and self._pages >= PAGES_BEFORE_READING_AHEAD
        return self._parts() if not self._ended and (known or far) else None

    def _positions_ahead(self, step: int) -> Iterator[int]:
        """The positions to request, until the end was seen."""
        while (not self._ended or (self.empty_pages and self.empty_pages.end_is_unconfirmed)) and not (
            self._is_past_end(self._position)
        ):
            if self.empty_pages:
                self.empty_pages.request(self._position)
            yield self._position
            self._position += step

    def expected(self) -> Iterator[PageRequest]:
        """Those of `split`, without end, if the first page is full and names a total."""
        return map(self.request, itertools.count(self._position + self._step, self._step)) if self._step else iter(())

    @abstractmethod
    def request(self, position: int) -> PageRequest: ...

    @abstractmethod
    def _advance(self, response: PageResponse) -> int:
        """How far the next page is from the one that was just read."""

    @abstractmethod
    def _is_past_end(self, position: int) -> bool:
        """Whether no page may be requested at this position."""

    @abstractmethod
    def _ends_on_empty_page(self, position: int, response: PageResponse) -> bool: ...

    @abstractmethod
    def _parts(self) -> Iterator[Paginator]: ...


class OffsetPaginator(NumberedPaginator):
    """Advances by the rows that were read: servers cap `limit` silently, and a short page is not always the last."""

    correction = "Correct `paginator.offset_param`, `paginator.limit_param` or the paginator's type"

    def __init__(self, spec: config.OffsetConfig) -> None:
        super().__init__(
            spec.offset, spec.limit, spec.limit, has_total=bool(spec.total_path), has_more_path=spec.has_more_path
        )
        self._spec = spec
        self.skipped = spec.offset

    def request(self, position: int, limit: int | None = None) -> PageRequest:
        params, body = self._spec.place(offset=position, limit=limit or self._spec.limit)
        return PageRequest(params, body, position=position)

    def _advance(self, response: PageResponse) -> int:
        return response.rows or (self.empty_pages.greatest if self.empty_pages else 0)

    def _is_past_end(self, position: int) -> bool:
        if self._spec.maximum_offset is not None and position >= self._spec.maximum_offset:
            self.is_bounded = True
            return True
        # `offset: 1` may skip a row or be the API's first offset: as many rows more are requested.
        return self.totals.rows is not None and position >= self.totals.rows + self._spec.offset

    def _ends_on_empty_page(self, position: int, response: PageResponse) -> bool:
        if not response.rows and self._has_more_path:
            raise DriftError(
                f"the page at offset {position} is empty, but `{self._has_more_path}` is true: {PAGES_SHIFTED_HINT}"
            )
        return not response.rows

    def _parts(self) -> Iterator[Paginator]:
        rows = (self._position - self._spec.offset) // self._pages
        for offset in self._positions_ahead(rows):
            yield OffsetRange(self, offset, offset + rows)


class OffsetRange(Paginator):
    """Rows [start, end) of a read by offset: one page, or more where the server sends fewer rows than before."""

    def __init__(self, whole: OffsetPaginator, start: int, end: int) -> None:
        self._whole, self._start, self._position, self._end = whole, start, start, end

    def first(self) -> PageRequest:
        return self._whole.request(self._position, self._end - self._position)

    def next(self, response: PageResponse) -> PageRequest | None:
        self._whole.totals = self.totals
        if self._whole.empty_pages and self._position == self._start:
            self._whole.empty_pages.record(self._start, response.rows)
        self._position += response.rows
        if self._whole.ends_at(self._position, response):
            self._whole.end()
            return None
        return self.first() if self._position < self._end else None


class PageNumberPaginator(NumberedPaginator):
    """Counts pages up to an empty one, a total of rows or pages, or a 404 where the API ends so."""

    correction = "Correct `paginator.page_param`, `paginator.start_from_page` or the paginator's type"

    def __init__(self, spec: config.PageNumberConfig) -> None:
        super().__init__(
            spec.first_page, spec.limit, 1, has_total=bool(spec.total_path), has_more_path=spec.has_more_path
        )
        self._spec = spec
        self._first_page_rows = 0
        self._was_empty = False
        self.skipped = spec.first_page - spec.start_from_page

    def next(self, response: PageResponse) -> PageRequest | None:
        self._first_page_rows = self._first_page_rows or response.rows
        return super().next(response)

    def request(self, position: int) -> PageRequest:
        params, body = self._spec.place(page=position, limit=self._spec.limit)
        return PageRequest(params, body, position=position)

    def _advance(self, response: PageResponse) -> int:  # noqa: ARG002
        return 1

    def _is_past_end(self, position: int) -> bool:
        if self._spec.maximum_page is not None and position >= self._spec.maximum_page:
            self.is_bounded = True
            return True
        return self.totals.pages is not None and position >= self.totals.pages + self._spec.start_from_page

    def _ends_on_empty_page(self, position: int, response: PageResponse) -> bool:
        empty_again, self._was_empty = self._was_empty and not response.rows, not response.rows
        if not response.rows and (promised := self._spec.total_path or (empty_again and self._has_more_path)):
            raise DriftError(
                f"page {position - 1} is empty, but `{promised}` says that there are more: {PAGES_SHIFTED_HINT}"
            )
        # An empty page is the last one, unless the API says that there are more.
        return not response.rows and not self._has_more_path

    def ends_on(self, status: int) -> bool:
        return status == 404 and self._spec.end_on_404

    def _parts(self) -> Iterator[Paginator]:
        for page in self._positions_ahead(1):
            if self._is_past_counted_rows(page):
                return
            yield SingleNumberedPage(self, page)

    def _is_past_counted_rows(self, page: int) -> bool:
        """Whether all rows that the API counts fit on the pages before: a page past the end may be refused."""
        rows, size = self.totals.rows, self._first_page_rows
        return rows is not None and size > 0 and (page - self._spec.start_from_page) * size >= rows

    def resume(self) -> PageRequest | None:
        """Goes on page by page where only rows are counted: pages may have held fewer rows than the first."""
        return self.first() if self.totals.rows is not None and not self._ended else None


class SingleNumberedPage(Paginator):
    """One page of a read by page number."""

    def __init__(self, whole: PageNumberPaginator, page: int) -> None:
        self._whole, self._page = whole, page

    def first(self) -> PageRequest:
        return self._whole.request(self._page)

    def next(self, response: PageResponse) -> PageRequest | None:
        self._whole.totals = self.totals
        if self._whole.empty_pages:
            self._whole.empty_pages.record(self._page, response.rows)
        if self._whole.ends_at(self._page + 1, response):
            self._whole.end()
        return None

    def ends_on(self, status: int) -> bool:
        # Requested ahead, a page may be one too many; where a total is known, the rows are counted in the end.
        return self._whole.ends_on(status) or (status == 404 and self._whole.totals.rows is not None)

    def end(self) -> None:
        self._whole.end()
