"""The pagination of a sandbox endpoint: by offset, or by cursor."""

from __future__ import annotations

import re
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.sandbox.http import HTTPError, Request


@dataclass(frozen=True)
class Page:
    """One page of a result.

    Attributes:
        start: Position of the first row.
        stop: Position after the last row.
        size: Rows of a full page.
        count: Rows of the whole result.
        next: Position where the next page starts, or None on the last page.
    """

    start: int = 0
    stop: int = 0
    size: int = 1
    count: int = 0
    next: int | None = None

    @property
    def number(self) -> int:
        """The page's number, from 1."""
        return self.start // self.size + 1

    @property
    def pages(self) -> int:
        """The number of pages of the whole result."""
        return max(1, -(-self.count // self.size))


@dataclass
class PageMetadata:
    """What a response holds beside the rows: fields of the body by dotted path, and headers."""

    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Pagination(ABC):
    """Base of all paginations.

    Attributes:
        limit_param: Query parameter for the page size, if the client may choose one.
        default_limit: Page size of requests without one.
        max_limit: Greatest page size. A greater one is reduced silently, as many APIs do.
        has_more_path: Field of the body that says whether there are more rows.
    """

    limit_param: str | None = "limit"
    default_limit: int = 100
    max_limit: int | None = None
    has_more_path: str | None = None

    @property
    def params(self) -> frozenset[str]:
        """The query parameters that the pagination reads."""
        return frozenset() if self.limit_param is None else frozenset({self.limit_param})

    def page(self, request: Request, count: int) -> Page:
        """The page that a request asks for, of a result of `count` rows.

        Raises:
            HTTPError: A parameter is not valid, or the page does not exist.
        """
        size = self.default_limit
        if self.limit_param is not None and self.limit_param in request.query:
            size = parse_integer(request, self.limit_param, minimum=1)
        if self.max_limit is not None:
            size = min(size, self.max_limit)
        start = self.position(request, size, count)
        stop = min(start + size, count)
        return Page(start=start, stop=max(start, stop), size=size, count=count, next=stop if stop < count else None)

    def page_metadata(self, page: Page, request: Request) -> PageMetadata:  # noqa: ARG002
        """What the response holds beside the rows."""
        metadata = PageMetadata()
        if self.has_more_path is not None:
            metadata.body[self.has_more_path] = page.next is not None
        return metadata

    @abstractmethod
    def position(self, request: Request, size: int, count: int) -> int:
        """The position of the first row that a request asks for."""


@dataclass(frozen=True, kw_only=True)
class OffsetPagination(Pagination):
    """`offset` and `limit`, counted in rows."""

    offset_param: str = "offset"

    @property
    def params(self) -> frozenset[str]:
        return super().params | {self.offset_param}

    def position(self, request: Request, size: int, count: int) -> int:  # noqa: ARG002
        return parse_integer(request, self.offset_param)


@dataclass(frozen=True, kw_only=True)
class TokenPagination(Pagination):
    """Base of paginations whose responses carry an opaque token for the next page."""

    cursor_param: str = "cursor"

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
        """The token of the page that starts at a position. Its characters must be encoded in URLs."""
        return f'["{position}", "{zlib.crc32(b"%d" % position):x}+/=&"]'


@dataclass(frozen=True, kw_only=True)
class CursorPagination(TokenPagination):
    """A cursor in the body. It is null on the last page."""

    cursor_path: str = "next"

    def page_metadata(self, page: Page, request: Request) -> PageMetadata:
        metadata = super().page_metadata(page, request)
        metadata.body[self.cursor_path] = None if page.next is None else self.cursor(page.next)
        return metadata


def parse_integer(request: Request, name: str, *, default: int = 0, minimum: int = 0) -> int:
    """A query parameter that must be an integer.

    Raises:
        HTTPError: It is not an integer, or less than `minimum`.
    """
    text = request.query.get(name, str(default))
    if not re.fullmatch(r"\d{1,18}", text) or int(text) < minimum:
        raise HTTPError(400, f"{name} must be an integer of at least {minimum}")
    return int(text)
