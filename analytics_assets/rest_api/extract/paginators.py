"""The kinds of pagination: dlt's, by dlt's names."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from analytics_assets.rest_api import config
from analytics_assets.rest_api.errors import DriftError, ResponseError
from analytics_assets.rest_api.extract.envelope import MISSING
from analytics_assets.rest_api.extract.pagination import (
    PAGES_SHIFTED_HINT,
    EmptyPageTracker,
    LoopDetector,
    PageRequest,
    PageResponse,
    Paginator,
    header_link,
)

PAGES_BEFORE_READING_AHEAD = 2


class SinglePagePaginator(Paginator):
    def first(self) -> PageRequest:
        return PageRequest()

    def next(self, answer: PageResponse) -> PageRequest | None:  # noqa: ARG002
        return None


class NumberedPaginator(Paginator):
    """Pages that are asked for by number: of the first row, or of the page."""

    def __init__(self, start: int, limit: int | None, *, known_end: bool, until_empty: bool) -> None:
        self._at = start
        self._pages = 0
        self._known_end = known_end
        self._until_empty = until_empty
        self._ended = False
        self._promised = 0  # the highest total: a row that is removed moves others to pages that were read already
        self.holes = EmptyPageTracker(limit) if until_empty and not known_end else None

    def end(self) -> None:
        self._ended = True

    def next(self, answer: PageResponse) -> PageRequest | None:
        self._pages += 1
        at = self._at
        self._at += self._advance(answer)
        self._ended = self.ended(self._at, answer)
        if self.holes:
            self.holes.record(at, answer.rows)
            self.holes.check()
            look_further = not answer.rows and self.holes.end_is_unconfirmed and not self._is_past_end(self._at)
            self._ended = self._ended and not look_further
        return None if self._ended else self.first()

    def check(self, rows: int) -> None:  # noqa: ARG002
        if self.holes:
            self.holes.check()

    def split(self) -> Iterator[Paginator] | None:
        """From the second page on where the end is known; where an empty page is the end, once it seems to be far."""
        known = self._known_end or self.total_rows is not None
        far = self._until_empty and self._pages >= PAGES_BEFORE_READING_AHEAD
        return self._parts() if not self._ended and (known or far) else None

    def _positions_ahead(self, step: int) -> Iterator[int]:
        """What to ask for next, and next, until the end was seen."""
        while (not self._ended or (self.holes and self.holes.end_is_unconfirmed)) and not self._is_past_end(self._at):
            if self.holes:
                self.holes.asked(self._at)
            yield self._at
            self._at += step

    @abstractmethod
    def _advance(self, answer: PageResponse) -> int: ...

    @abstractmethod
    def _is_past_end(self, at: int) -> bool:
        """Whether nothing is to be asked for at this number."""

    @abstractmethod
    def ended(self, at: int, answer: PageResponse) -> bool:
        """Whether nothing is left at this number, after an answer that led there."""

    @abstractmethod
    def _parts(self) -> Iterator[Paginator]: ...


class OffsetPaginator(NumberedPaginator):
    """Advances by what came: servers cut `limit` silently, and a short page is not always the last."""

    def __init__(self, spec: config.OffsetConfig) -> None:
        super().__init__(spec.offset, spec.limit, known_end=bool(spec.total_path), until_empty=not spec.has_more_path)
        self._spec = spec

    def first(self) -> PageRequest:
        return self.request(self._at, self._spec.limit)

    def request(self, offset: int, limit: int) -> PageRequest:
        return PageRequest({self._spec.offset_param: str(offset), self._spec.limit_param: str(limit)})

    def _advance(self, answer: PageResponse) -> int:
        return answer.rows or (self.holes.greatest if self.holes else 0)

    def ended(self, at: int, answer: PageResponse) -> bool:
        spec = self._spec
        if spec.total_path:
            self.total_rows = answer.get_count(spec.total_path, "total_path")
            self._promised = max(self._promised, self.total_rows)
        if self._is_past_end(at) or (spec.has_more_path and not answer.get_bool(spec.has_more_path)):
            return True
        all_came = self.total_rows is not None and at >= self.total_rows
        if not answer.rows and not all_came and (promised := spec.total_path or spec.has_more_path):
            raise DriftError(
                f"an empty page came at offset {at}, but `{promised}` says that there is more: {PAGES_SHIFTED_HINT}"
            )
        return not answer.rows

    def _is_past_end(self, at: int) -> bool:
        # Whether `offset: 1` skips a row or is the API's first, nobody says: so many rows more are asked for.
        over = self.total_rows is not None and at >= self.total_rows + self._spec.offset
        return over or (self._spec.maximum_offset is not None and at >= self._spec.maximum_offset)

    def check(self, rows: int) -> None:
        super().check(rows)
        spec, promised = self._spec, self._promised
        if spec.total_path and spec.maximum_offset is None and not rows <= promised <= rows + spec.offset:
            raise DriftError(f"`{spec.total_path}` says {promised} rows, and {rows} came: {PAGES_SHIFTED_HINT}")

    def _parts(self) -> Iterator[Paginator]:
        rows = (self._at - self._spec.offset) // self._pages
        for offset in self._positions_ahead(rows):
            yield OffsetRange(self, offset, offset + rows)


class OffsetRange(Paginator):
    """Rows [start, end) of a walk by offset: one page, or more where the server sends fewer rows than before."""

    def __init__(self, whole: OffsetPaginator, start: int, end: int) -> None:
        self._whole, self._start, self._at, self._end = whole, start, start, end

    def first(self) -> PageRequest:
        return self._whole.request(self._at, self._end - self._at)

    def next(self, answer: PageResponse) -> PageRequest | None:
        if self._whole.holes and self._at == self._start:
            self._whole.holes.record(self._start, answer.rows)
        self._at += answer.rows
        if self._whole.ended(self._at, answer):
            self._whole.end()
            return None
        return self.first() if self._at < self._end else None


class PageNumberPaginator(NumberedPaginator):
    """Counts pages up to an empty one, a total of pages, or a 404 where the API ends so."""

    def __init__(self, spec: config.PageNumberConfig) -> None:
        super().__init__(
            spec.first_page, spec.limit, known_end=bool(spec.total_path), until_empty=not spec.has_more_path
        )
        self._spec = spec
        self._total_pages: int | None = None
        self._was_empty = False

    def first(self) -> PageRequest:
        return self.request(self._at)

    def request(self, page: int) -> PageRequest:
        params = {self._spec.page_param: str(page)}
        if self._spec.limit_param and self._spec.limit:
            params[self._spec.limit_param] = str(self._spec.limit)
        return PageRequest(params)

    def _advance(self, answer: PageResponse) -> int:  # noqa: ARG002
        return 1

    def ended(self, at: int, answer: PageResponse) -> bool:
        spec = self._spec
        if spec.total_path:
            self._total_pages = answer.get_count(spec.total_path, "total_path")
            self._promised = max(self._promised, self._total_pages)
        if self._is_past_end(at) or (spec.has_more_path and not answer.get_bool(spec.has_more_path)):
            return True
        empty_again, self._was_empty = self._was_empty and not answer.rows, not answer.rows
        if not answer.rows and (promised := spec.total_path or (empty_again and spec.has_more_path)):
            raise DriftError(f"page {at - 1} is empty, but `{promised}` says that there are more: {PAGES_SHIFTED_HINT}")
        # An empty page is the last one, unless the API itself says that there is more.
        return not answer.rows and not spec.has_more_path

    def _is_past_end(self, at: int) -> bool:
        over = self._total_pages is not None and at >= self._total_pages + self._spec.start_from_page
        return over or (self._spec.maximum_page is not None and at >= self._spec.maximum_page)

    def split(self) -> Iterator[Paginator] | None:
        """Not where only rows are counted: pages past the end, which an API may refuse, would be asked for."""
        return None if self.total_rows is not None and not self._spec.total_path else super().split()

    def ends_on(self, status: int) -> bool:
        return status == 404 and self._spec.end_on_404

    def check(self, rows: int) -> None:
        super().check(rows)
        spec = self._spec
        if spec.maximum_page is None and self._at < self._promised + spec.start_from_page:
            raise DriftError(
                f"`{spec.total_path}` says {self._promised} pages, and fewer were to be had: {PAGES_SHIFTED_HINT}"
            )

    def _parts(self) -> Iterator[Paginator]:
        for page in self._positions_ahead(1):
            yield SingleNumberedPage(self, page)


class SingleNumberedPage(Paginator):
    """One page of a walk by page number."""

    def __init__(self, whole: PageNumberPaginator, page: int) -> None:
        self._whole, self._page = whole, page

    def first(self) -> PageRequest:
        return self._whole.request(self._page)

    def next(self, answer: PageResponse) -> PageRequest | None:
        if self._whole.holes:
            self._whole.holes.record(self._page, answer.rows)
        if self._whole.ended(self._page + 1, answer):
            self._whole.end()
        return None

    def ends_on(self, status: int) -> bool:
        # Asked for ahead, a page may be one too many; where a total is known, the rows are counted in the end.
        return self._whole.ends_on(status) or (status == 404 and self._whole.total_rows is not None)

    def end(self) -> None:
        self._whole.end()


class CursorPaginator(Paginator):
    """Follows a cursor in the body (`cursor_path`) or in a header (`cursor_key`)."""

    def __init__(self, spec: config.CursorConfig | config.HeaderCursorConfig) -> None:
        self._spec = spec
        self._seen = LoopDetector()

    def first(self) -> PageRequest:
        return PageRequest(self._page_size())

    def _page_size(self) -> dict[str, str]:
        if isinstance(self._spec, config.HeaderCursorConfig) or not self._spec.limit or not self._spec.limit_param:
            return {}
        return {self._spec.limit_param: str(self._spec.limit)}

    def next(self, answer: PageResponse) -> PageRequest | None:
        spec = self._spec
        if isinstance(spec, config.HeaderCursorConfig):
            cursor: Any = answer.headers.get(spec.cursor_key)
        else:
            if spec.stop_condition and spec.stop_condition.holds(answer.find(spec.stop_condition.path), MISSING):
                return None
            if spec.has_more_path and not answer.get_bool(spec.has_more_path):
                return None
            cursor = answer.find(spec.cursor_path)
        if cursor is MISSING or cursor is None or cursor == "":
            return None
        if isinstance(cursor, bool) or not isinstance(cursor, (str, int, float)):
            raise ResponseError(
                f"the cursor for `{spec.cursor_param}` is a {type(cursor).__name__}, not text or a number"
            )
        return PageRequest({**self._page_size(), spec.cursor_param: self._seen.add(str(cursor), "cursor")})


class LinkPaginator(Paginator):
    """Follows a link in the body (`next_url_path`) or in the Link header (`links_next_key`)."""

    def __init__(self, spec: config.JsonLinkConfig | config.HeaderLinkConfig) -> None:
        self._spec = spec
        self._seen = LoopDetector()

    def first(self) -> PageRequest:
        return PageRequest()

    def next(self, answer: PageResponse) -> PageRequest | None:
        spec = self._spec
        if isinstance(spec, config.HeaderLinkConfig):
            link: Any = header_link(answer.headers.get("Link", ""), spec.links_next_key)
        else:
            if spec.has_more_path and not answer.get_bool(spec.has_more_path):
                return None
            link = answer.find(spec.next_url_path)
        if link is MISSING or link is None or link == "":
            return None
        if not isinstance(link, str):
            raise ResponseError(f"the link to the next page is a {type(link).__name__}, not text")
        return PageRequest(link=self._seen.add(link, "link"))


def build_paginator(spec: config.PaginatorConfig) -> Paginator:
    """A fresh walk's paginator for its configuration."""
    if isinstance(spec, config.OffsetConfig):
        return OffsetPaginator(spec)
    if isinstance(spec, config.PageNumberConfig):
        return PageNumberPaginator(spec)
    if isinstance(spec, (config.CursorConfig, config.HeaderCursorConfig)):
        return CursorPaginator(spec)
    if isinstance(spec, (config.JsonLinkConfig, config.HeaderLinkConfig)):
        return LinkPaginator(spec)
    return SinglePagePaginator()
