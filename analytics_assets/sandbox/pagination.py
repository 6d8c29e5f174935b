"""The kinds of pagination that a sandbox endpoint offers."""

from __future__ import annotations

import re
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Literal

from analytics_assets.sandbox.exchange import HTTPError, Request


@dataclass(frozen=True)
class Page:
    """The rows [start, stop) of `count` that a request gets, in pages of `size`; the next page starts at `next`."""

    start: int = 0
    stop: int = 0
    size: int = 1
    count: int = 0
    next: int | None = None

    @property
    def number(self) -> int:
        """Which page of the walk this is, from 1."""
        return self.start // self.size + 1

    @property
    def pages(self) -> int:
        return max(1, -(-self.count // self.size))


@dataclass
class PageMetadata:
    """What an answer tells about the walk: fields of the body by dotted path, and headers."""

    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Pagination(ABC):
    """What all kinds share: the page size, which is cut to `max_limit` without a word, and the signs of a total."""

    limit_param: str | None = "limit"
    default_limit: int = 100
    max_limit: int | None = None
    total_path: str | None = None  # number of rows in the body
    total_header: str | None = None  # number of rows in a header
    has_more_path: str | None = None

    @property
    def params(self) -> frozenset[str]:
        """The query parameters that are read."""
        return frozenset({self.limit_param} - {None})  # type: ignore[arg-type]

    def page(self, request: Request, count: int) -> Page:
        """The page that a request asks for.

        Raises:
            Refused: its parameters make no sense, or there is no such page.
        """
        size = self.default_limit
        if self.limit_param is not None and self.limit_param in request.query:
            size = integer(request, self.limit_param, least=1)
        if self.max_limit is not None:
            size = min(size, self.max_limit)
        start = self.position(request, size, count)
        stop = min(start + size, count)
        return Page(start=start, stop=max(start, stop), size=size, count=count, next=stop if stop < count else None)

    def page_metadata(self, page: Page, request: Request) -> PageMetadata:
        """What the answer says beside the rows."""
        page_metadata = PageMetadata()
        if self.total_path is not None:
            page_metadata.body[self.total_path] = page.count
        if self.total_header is not None:
            page_metadata.headers[self.total_header] = str(page.count)
        if self.has_more_path is not None:
            page_metadata.body[self.has_more_path] = page.next is not None
        self.point(page, request, page_metadata)
        return page_metadata

    @abstractmethod
    def position(self, request: Request, size: int, count: int) -> int:
        """The first row that a request asks for."""

    def point(self, page: Page, request: Request, page_metadata: PageMetadata) -> None:
        """Add the pointer to the next page, for kinds that have one."""


@dataclass(frozen=True, kw_only=True)
class SinglePagePagination(Pagination):
    """All rows in one answer."""

    limit_param: str | None = None

    def position(self, request: Request, size: int, count: int) -> int:  # noqa: ARG002
        return 0

    def page(self, request: Request, count: int) -> Page:  # noqa: ARG002
        return Page(stop=count, size=max(count, 1), count=count)


@dataclass(frozen=True, kw_only=True)
class OffsetPagination(Pagination):
    """`offset` and `limit`, counted in rows."""

    offset_param: str = "offset"

    @property
    def params(self) -> frozenset[str]:
        return super().params | {self.offset_param}

    def position(self, request: Request, size: int, count: int) -> int:  # noqa: ARG002
        return integer(request, self.offset_param, default=0)


@dataclass(frozen=True, kw_only=True)
class PageNumberPagination(Pagination):
    """`page`, counted from `base`; past the end an empty page or a 404."""

    page_param: str = "page"
    base: int = 0
    pages_path: str | None = None  # number of pages in the body
    end_on_404: bool = False

    @property
    def params(self) -> frozenset[str]:
        return super().params | {self.page_param}

    def position(self, request: Request, size: int, count: int) -> int:
        start = (integer(request, self.page_param, default=self.base, least=self.base) - self.base) * size
        if self.end_on_404 and start and start >= count:
            raise HTTPError(404, "there is no such page")
        return start

    def point(self, page: Page, request: Request, page_metadata: PageMetadata) -> None:  # noqa: ARG002
        if self.pages_path is not None:
            page_metadata.body[self.pages_path] = page.pages


@dataclass(frozen=True, kw_only=True)
class TokenPagination(Pagination):
    """Kinds whose answers point to the next page: by a cursor, which a client sends back as it came."""

    cursor_param: str = "cursor"
    integers: bool = False  # cursors are numbers, not texts that must be encoded in a URL

    @property
    def params(self) -> frozenset[str]:
        return super().params | {self.cursor_param}

    def position(self, request: Request, size: int, count: int) -> int:  # noqa: ARG002
        sent = request.query.get(self.cursor_param)
        if sent is None:
            return 0
        found = re.search(r"\d+", sent)
        position = int(found[0]) if found else -1
        if sent != str(self.cursor(position)):
            raise HTTPError(400, f"{self.cursor_param} is not a cursor of this endpoint")
        return position

    def cursor(self, position: int) -> str | int:
        if self.integers:
            return position
        return f'["{position}", "{zlib.crc32(b"%d" % position):x}+/=&"]'

    def changes(self, position: int) -> dict[str, str]:
        """The query parameters that lead to a row."""
        return {self.cursor_param: str(self.cursor(position))}


@dataclass(frozen=True, kw_only=True)
class CursorPagination(TokenPagination):
    """A cursor in the body; on the last page it is null, absent or empty."""

    cursor_path: str = "next"
    last: Literal["null", "absent", "empty"] = "null"

    def point(self, page: Page, request: Request, page_metadata: PageMetadata) -> None:  # noqa: ARG002
        if page.next is not None:
            page_metadata.body[self.cursor_path] = self.cursor(page.next)
        elif self.last != "absent":
            page_metadata.body[self.cursor_path] = "" if self.last == "empty" else None


@dataclass(frozen=True, kw_only=True)
class HeaderCursorPagination(TokenPagination):
    """A cursor in a header; the last page has none."""

    header: str = "next"

    def point(self, page: Page, request: Request, page_metadata: PageMetadata) -> None:  # noqa: ARG002
        if page.next is not None:
            page_metadata.headers[self.header] = str(self.cursor(page.next))


@dataclass(frozen=True, kw_only=True)
class JsonLinkPagination(TokenPagination):
    """A link in the body, which is null on the last page. It carries no credentials."""

    link_path: str = "next"
    relative: bool = False

    def point(self, page: Page, request: Request, page_metadata: PageMetadata) -> None:
        page_metadata.body[self.link_path] = None
        if page.next is not None:
            page_metadata.body[self.link_path] = request.link(self.changes(page.next), relative=self.relative)


@dataclass(frozen=True, kw_only=True)
class HeaderLinkPagination(TokenPagination):
    """A `Link` header (RFC 8288, once 5988) with the first and the next page. It carries no credentials."""

    rel: str = "next"

    def point(self, page: Page, request: Request, page_metadata: PageMetadata) -> None:
        links = [f'<{request.link(self.changes(0))}>; rel="first"']
        if page.next is not None:
            links.append(f'<{request.link(self.changes(page.next))}>; rel="{self.rel}"')
        page_metadata.headers["Link"] = ", ".join(links)


def integer(request: Request, name: str, *, default: int = 0, least: int = 0) -> int:
    """A query parameter that must be a whole number."""
    text = request.query.get(name, str(default))
    if not re.fullmatch(r"\d{1,18}", text) or int(text) < least:
        raise HTTPError(400, f"{name} must be a whole number from {least} on")
    return int(text)
