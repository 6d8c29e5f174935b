"""Every kind of pagination that clients support."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from analytics_assets import sandbox
from analytics_assets.sandbox.http import HTTPError, Request
from analytics_assets.sandbox.pagination import Page, PageMetadata, Pagination, TokenPagination, parse_integer


@dataclass(frozen=True, kw_only=True)
class _CountedPagination(Pagination, ABC):
    """Base of all paginations here: they can tell the number of rows.

    Attributes:
        total_path: Field of the body with the number of rows.
        total_header: Header with the number of rows.
    """

    total_path: str | None = None
    total_header: str | None = None

    def page_metadata(self, page: Page, request: Request) -> PageMetadata:
        metadata = super().page_metadata(page, request)
        if self.total_path is not None:
            metadata.body[self.total_path] = page.count
        if self.total_header is not None:
            metadata.headers[self.total_header] = str(page.count)
        return metadata


@dataclass(frozen=True, kw_only=True)
class SinglePagePagination(_CountedPagination):
    """All rows in one response."""

    limit_param: str | None = None

    def position(self, request: Request, size: int, count: int) -> int:
        return 0

    def page(self, request: Request, count: int) -> Page:
        return Page(stop=count, size=max(count, 1), count=count)


@dataclass(frozen=True, kw_only=True)
class OffsetPagination(_CountedPagination, sandbox.OffsetPagination):
    """`offset` and `limit`, counted in rows."""


@dataclass(frozen=True, kw_only=True)
class PageNumberPagination(_CountedPagination):
    """`page`, counted from `base`.

    Attributes:
        pages_path: Field of the body with the number of pages.
        end_on_404: Past the end there is a 404 instead of an empty page.
    """

    page_param: str = "page"
    base: int = 0
    pages_path: str | None = None
    end_on_404: bool = False

    @property
    def params(self) -> frozenset[str]:
        return super().params | {self.page_param}

    def position(self, request: Request, size: int, count: int) -> int:
        number = parse_integer(request, self.page_param, default=self.base, minimum=self.base)
        start = (number - self.base) * size
        if self.end_on_404 and start and start >= count:
            raise HTTPError(404, "there is no such page")
        return start

    def page_metadata(self, page: Page, request: Request) -> PageMetadata:
        metadata = super().page_metadata(page, request)
        if self.pages_path is not None:
            metadata.body[self.pages_path] = page.pages
        return metadata


@dataclass(frozen=True, kw_only=True)
class CursorPagination(_CountedPagination, sandbox.CursorPagination):
    """A cursor in the body.

    Attributes:
        last: The cursor of the last page.
        integers: Cursors are integers.
    """

    last: Literal["null", "absent", "empty"] = "null"
    integers: bool = False

    def cursor(self, position: int) -> str | int:
        return position if self.integers else super().cursor(position)

    def page_metadata(self, page: Page, request: Request) -> PageMetadata:
        metadata = super().page_metadata(page, request)
        if page.next is None and self.last == "absent":
            del metadata.body[self.cursor_path]
        elif page.next is None and self.last == "empty":
            metadata.body[self.cursor_path] = ""
        return metadata


@dataclass(frozen=True, kw_only=True)
class HeaderCursorPagination(_CountedPagination, TokenPagination):
    """A cursor in a header, which the last page does not have."""

    header: str = "next"

    def page_metadata(self, page: Page, request: Request) -> PageMetadata:
        metadata = super().page_metadata(page, request)
        if page.next is not None:
            metadata.headers[self.header] = str(self.cursor(page.next))
        return metadata


@dataclass(frozen=True, kw_only=True)
class JsonLinkPagination(_CountedPagination, TokenPagination):
    """A link in the body, null on the last page. It carries no credentials."""

    link_path: str = "next"
    relative: bool = False

    def page_metadata(self, page: Page, request: Request) -> PageMetadata:
        metadata = super().page_metadata(page, request)
        metadata.body[self.link_path] = None
        if page.next is not None:
            link = page_url(request, {self.cursor_param: str(self.cursor(page.next))}, relative=self.relative)
            metadata.body[self.link_path] = link
        return metadata


@dataclass(frozen=True, kw_only=True)
class HeaderLinkPagination(_CountedPagination, TokenPagination):
    """A `Link` header (RFC 8288) with the first and the next page. It carries no credentials."""

    rel: str = "next"

    def page_metadata(self, page: Page, request: Request) -> PageMetadata:
        metadata = super().page_metadata(page, request)
        links = {"first": 0} if page.next is None else {"first": 0, self.rel: page.next}
        metadata.headers["Link"] = ", ".join(
            f'<{page_url(request, {self.cursor_param: str(self.cursor(position))})}>; rel="{rel}"'
            for rel, position in links.items()
        )
        return metadata


def page_url(request: Request, changes: Mapping[str, str], *, relative: bool = False) -> str:
    """The URL of a request with other query parameters."""
    host = "" if relative else f"http://{request.headers['host']}"
    return f"{host}{request.path}?{urlencode({**request.query, **changes})}"


@dataclass(frozen=True, kw_only=True)
class AfterIdPagination(Pagination):
    """The id of the last record as the cursor; the ids of the rows count up from the first one.

    Attributes:
        param: Query parameter of the id.
        first: The id of the first row.
        inclusive: Whether the page begins with that record again.
        ignored: Whether the parameter is accepted and ignored.
    """

    param: str = "after"
    first: int = 0
    inclusive: bool = False
    ignored: bool = False

    @property
    def params(self) -> frozenset[str]:
        return super().params | {self.param}

    def position(self, request: Request, size: int, count: int) -> int:
        if self.ignored or self.param not in request.query:
            return 0
        return parse_integer(request, self.param) - self.first + (0 if self.inclusive else 1)
