"""Pagination: what a paginator is asked and told, and when a walk is over; the kinds are in paginators.py.

dlt's names and semantics without its silent losses: an offset advances by the rows that came, a cursor seen before
is an error, a total that was promised is checked.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.rest_api import config
from analytics_assets.rest_api.errors import DriftError, ResponseError
from analytics_assets.rest_api.extract.envelope import MISSING, Envelope

LINK_PARAMETER = r'\s*;\s*([^\s=;,]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*)'
PAGES_SHIFTED_HINT = (
    "rows came or went while they were read, or the total counts something else: then correct or remove it"
)


@dataclass(frozen=True)
class PageRequest:
    """What a page needs beyond the resource's own parameters: query parameters, or a link that replaces the URL."""

    params: Mapping[str, str] = field(default_factory=dict)
    link: str | None = None


@dataclass(frozen=True)
class PageResponse:
    """What pagination reads of a page: how many rows came, the body around them, the headers."""

    rows: int
    envelope: Envelope
    headers: Mapping[str, str]

    def find(self, path: str) -> Any:
        return self.envelope.find(path)

    def get_count(self, path: str, key: str) -> int:
        """The whole number at `path`, which the configuration names under `key`."""
        value = self.find(path)
        return parse_count(None if value is MISSING else value, f"`{key}: {path}`")

    def get_bool(self, path: str) -> bool:
        value = self.find(path)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if not isinstance(value, bool):
            raise ResponseError(f"`has_more_path: {path}` leads to no true or false in the answer: correct the path")
        return value


def parse_count(value: Any, where: str) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"\d+", str(value)):
        raise ResponseError(f"{where} leads to no whole number in the answer: correct or remove it")
    return int(value)


class Paginator(ABC):
    """The state of one walk."""

    total_rows: int | None = None
    """How many rows there are, once an answer has said so."""

    @abstractmethod
    def first(self) -> PageRequest: ...

    @abstractmethod
    def next(self, answer: PageResponse) -> PageRequest | None:
        """The request after `answer`, or None when it was the last."""

    def ends_on(self, status: int) -> bool:  # noqa: ARG002
        """Whether this status, on another than the first page, means that there are no more pages."""
        return False

    def end(self) -> None:
        """Told when a status ended the walk."""

    def check(self, rows: int) -> None:
        """Told the rows that came in all; raises DriftError if they are not what the API promised."""

    def split(self) -> Iterator[Paginator] | None:
        """Paginators for all that is still to come, each for a part; None if a page is only known from the one before.

        They are made one by one, and none any more once a part has met the end.
        """
        return None


class EmptyPageTracker:
    """Where no total is known, an empty page is the end, or a hole: what tells them apart is the page after it."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._full = False
        self._empty: int | None = None
        self._asked = self._last = -1
        self.greatest = 0  # rows of a page

    def asked(self, at: int) -> None:
        self._asked = max(self._asked, at)

    def record(self, at: int, rows: int) -> None:
        self.asked(at)
        if rows:
            self._full = rows >= (self.greatest or self._limit or rows + 1)
            self.greatest = max(self.greatest, rows)
            self._last = max(self._last, at)
        else:
            self._empty = at if self._empty is None else min(self._empty, at)

    @property
    def end_is_unconfirmed(self) -> bool:
        """Whether nothing came after a full page, and nobody looks further. A short page is nearly the end."""
        return self._full and self._empty == self._asked

    def check(self) -> None:
        if self._empty is not None and self._last > self._empty:
            raise DriftError(f"the page at {self._empty} is empty, and yet rows come after it: {PAGES_SHIFTED_HINT}")


class LoopDetector:
    """Remembers the cursors or links of a walk: one that comes again would walk in a circle for ever."""

    def __init__(self) -> None:
        self._hashes: set[int] = set()

    def add(self, value: str, what: str) -> str:
        if hash(value) in self._hashes:
            raise ResponseError(f"the API sent a {what} again that it had sent before in this walk: it would never end")
        self._hashes.add(hash(value))
        return value


class RowCountCheck:
    """Holds a walk to the number of rows that the API promised (`total_rows_path`, `total_rows_header`)."""

    def __init__(self, spec: config.PaginatorConfig) -> None:
        self._path, self._header = spec.total_rows_path, spec.total_rows_header
        self._numbered = isinstance(spec, (config.OffsetConfig, config.PageNumberConfig))
        self.total: int | None = None
        self._promised = 0
        self.seen = 0

    def add(self, answer: PageResponse) -> None:
        self.seen += answer.rows
        if self._path:
            self.total = answer.get_count(self._path, "total_rows_path")
        elif self._header:
            self.total = parse_count(answer.headers.get(self._header), f"`total_rows_header: {self._header}`")
        # Where pages are numbered, a row that is removed moves others to pages that were read already.
        self._promised = max(self._promised, self.total or 0) if self._numbered else self.total or 0

    @property
    def is_complete(self) -> bool:
        return self.total is not None and self.seen >= self.total

    def check(self) -> None:
        """Raises DriftError if other rows came than the API promised."""
        if self.total is None:
            return
        if self.seen < self._promised or (self._numbered and self.seen > self._promised):
            raise DriftError(f"the API promised {self._promised} rows and sent {self.seen}: {PAGES_SHIFTED_HINT}")


def header_link(value: str, relation: str) -> str | None:
    """The target of a Link header (RFC 8288) with the relation."""
    for link in re.finditer(rf"<([^>]*)>((?:{LINK_PARAMETER})*)", value):
        named = [text.strip('"') for name, text in re.findall(LINK_PARAMETER, link[2]) if name.lower() == "rel"]
        if named and relation.lower() in named[0].lower().split():
            return link[1]
    return None
