"""Pagination: which request comes after an answer, and when a walk is over.

dlt's names and semantics without its silent losses: an offset advances by the rows that came, a cursor seen before
is an error, a total that was promised is checked.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.rest_api import config
from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.pages import MISSING, Envelope


@dataclass(frozen=True)
class Request:
    """What a page needs beyond the resource's own parameters: query parameters, or a link that replaces the URL."""

    params: Mapping[str, str] = field(default_factory=dict)
    link: str | None = None


@dataclass(frozen=True)
class Answer:
    """What pagination reads of a page: how many rows came, the body around them, the headers."""

    rows: int
    envelope: Envelope
    headers: Mapping[str, str]

    def find(self, path: str) -> Any:
        return self.envelope.find(path)

    def integer(self, path: str, key: str) -> int:
        """The whole number at `path`, which the configuration names under `key`."""
        value = self.find(path)
        return whole_number(None if value is MISSING else value, f"`{key}: {path}`")

    def flag(self, path: str) -> bool:
        value = self.find(path)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if not isinstance(value, bool):
            raise ResponseError(f"`has_more_path: {path}` leads to no true or false in the answer: correct the path")
        return value


def whole_number(value: Any, where: str) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"\d+", str(value)):
        raise ResponseError(f"{where} leads to no whole number in the answer: correct or remove it")
    return int(value)


class Paginator(ABC):
    """The state of one walk."""

    total_rows: int | None = None
    """How many rows there are, once an answer has said so."""

    @abstractmethod
    def first(self) -> Request: ...

    @abstractmethod
    def next(self, answer: Answer) -> Request | None:
        """The request after `answer`, or None when it was the last."""

    def ends_on(self, status: int) -> bool:  # noqa: ARG002
        """Whether this status, on another than the first page, means that there are no more pages."""
        return False


class SinglePage(Paginator):
    def first(self) -> Request:
        return Request()

    def next(self, answer: Answer) -> Request | None:  # noqa: ARG002
        return None


class Offset(Paginator):
    """Advances by what came: servers cut `limit` silently, and a short page is not always the last."""

    def __init__(self, spec: config.Offset) -> None:
        self._spec = spec
        self._at = spec.offset

    def first(self) -> Request:
        return Request({self._spec.offset_param: str(self._at), self._spec.limit_param: str(self._spec.limit)})

    def next(self, answer: Answer) -> Request | None:
        spec = self._spec
        self._at += answer.rows
        if spec.total_path:
            self.total_rows = answer.integer(spec.total_path, "total_path")
        ended = self.total_rows is not None and self._at >= self.total_rows
        if ended or (spec.has_more_path and not answer.flag(spec.has_more_path)):
            return None
        if not answer.rows and (promised := spec.total_path or spec.has_more_path):
            raise ResponseError(f"an empty page came at offset {self._at}, but `{promised}` says that there is more")
        if not answer.rows or (spec.maximum_offset is not None and self._at >= spec.maximum_offset):
            return None
        return self.first()


class PageNumber(Paginator):
    """Counts pages up to an empty one, a total of pages, or a 404 where the API ends so."""

    def __init__(self, spec: config.PageNumber) -> None:
        self._spec = spec
        self._page = spec.first_page

    def first(self) -> Request:
        params = {self._spec.page_param: str(self._page)}
        if self._spec.limit_param and self._spec.limit:
            params[self._spec.limit_param] = str(self._spec.limit)
        return Request(params)

    def next(self, answer: Answer) -> Request | None:
        spec = self._spec
        self._page += 1
        if spec.total_path and self._page >= answer.integer(spec.total_path, "total_path") + spec.start_from_page:
            return None
        if spec.has_more_path and not answer.flag(spec.has_more_path):
            return None
        if not answer.rows and spec.total_path:
            raise ResponseError(f"page {self._page - 1} is empty, but `{spec.total_path}` says that there are more")
        # An empty page is the last one, unless the API itself says that there is more.
        if not answer.rows and not spec.has_more_path:
            return None
        if spec.maximum_page is not None and self._page >= spec.maximum_page:
            return None
        return self.first()

    def ends_on(self, status: int) -> bool:
        return status == 404 and self._spec.end_on_404


class Seen:
    """Remembers the cursors or links of a walk: one that comes again would walk in a circle for ever."""

    def __init__(self) -> None:
        self._hashes: set[int] = set()

    def add(self, value: str, what: str) -> str:
        if hash(value) in self._hashes:
            raise ResponseError(f"the API sent a {what} again that it had sent before in this walk: it would never end")
        self._hashes.add(hash(value))
        return value


class Cursor(Paginator):
    """Follows a cursor in the body (`cursor_path`) or in a header (`cursor_key`)."""

    def __init__(self, spec: config.Cursor | config.HeaderCursor) -> None:
        self._spec = spec
        self._seen = Seen()

    def first(self) -> Request:
        return Request(self._page_size())

    def _page_size(self) -> dict[str, str]:
        if isinstance(self._spec, config.HeaderCursor) or not self._spec.limit or not self._spec.limit_param:
            return {}
        return {self._spec.limit_param: str(self._spec.limit)}

    def next(self, answer: Answer) -> Request | None:
        spec = self._spec
        if isinstance(spec, config.HeaderCursor):
            cursor: Any = answer.headers.get(spec.cursor_key)
        else:
            if spec.stop_condition and spec.stop_condition.holds(answer.find(spec.stop_condition.path), MISSING):
                return None
            if spec.has_more_path and not answer.flag(spec.has_more_path):
                return None
            cursor = answer.find(spec.cursor_path)
        if cursor is MISSING or cursor is None or cursor == "":
            return None
        if isinstance(cursor, bool) or not isinstance(cursor, (str, int, float)):
            raise ResponseError(
                f"the cursor for `{spec.cursor_param}` is a {type(cursor).__name__}, not text or a number"
            )
        return Request({**self._page_size(), spec.cursor_param: self._seen.add(str(cursor), "cursor")})


class Link(Paginator):
    """Follows a link in the body (`next_url_path`) or in the Link header (`links_next_key`)."""

    def __init__(self, spec: config.JsonLink | config.HeaderLink) -> None:
        self._spec = spec
        self._seen = Seen()

    def first(self) -> Request:
        return Request()

    def next(self, answer: Answer) -> Request | None:
        spec = self._spec
        if isinstance(spec, config.HeaderLink):
            link: Any = header_link(answer.headers.get("Link", ""), spec.links_next_key)
        else:
            if spec.has_more_path and not answer.flag(spec.has_more_path):
                return None
            link = answer.find(spec.next_url_path)
        if link is MISSING or link is None or link == "":
            return None
        if not isinstance(link, str):
            raise ResponseError(f"the link to the next page is a {type(link).__name__}, not text")
        return Request(link=self._seen.add(link, "link"))


def header_link(value: str, relation: str) -> str | None:
    """The target of a Link header (RFC 8288) with the relation."""
    for target, parameters in re.findall(r"<([^>]*)>((?:\s*;\s*[^,;]+(?:\"[^\"]*\")?)*)", value):
        named = re.search(r';\s*rel\s*=\s*"?([^";]*)"?', parameters, re.IGNORECASE)
        if named and relation in named[1].split():
            return str(target)
    return None


def paginator(spec: config.Paginator) -> Paginator:
    """A fresh walk's paginator for its configuration."""
    if isinstance(spec, config.Offset):
        return Offset(spec)
    if isinstance(spec, config.PageNumber):
        return PageNumber(spec)
    if isinstance(spec, (config.Cursor, config.HeaderCursor)):
        return Cursor(spec)
    if isinstance(spec, (config.JsonLink, config.HeaderLink)):
        return Link(spec)
    return SinglePage()


class ExpectedRows:
    """Holds a walk to the number of rows that the API promised (`total_rows_path`, `total_rows_header`)."""

    def __init__(self, spec: config.Paginator) -> None:
        self._path, self._header = spec.total_rows_path, spec.total_rows_header
        self.total: int | None = None
        self.seen = 0

    def add(self, answer: Answer) -> None:
        self.seen += answer.rows
        if self._path:
            self.total = answer.integer(self._path, "total_rows_path")
        elif self._header:
            self.total = whole_number(answer.headers.get(self._header), f"`total_rows_header: {self._header}`")

    @property
    def reached(self) -> bool:
        return self.total is not None and self.seen >= self.total

    def check(self) -> None:
        """Raises ResponseError if fewer rows came than the API promised."""
        if self.total is not None and self.seen < self.total:
            raise ResponseError(
                f"the API promised {self.total} rows and sent {self.seen}: nothing was loaded. "
                "If rows vanish while they are read, run again; if the total counts something else, remove it."
            )
