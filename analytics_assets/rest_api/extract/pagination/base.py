"""Pagination: the protocol between the reader and the paginators, whose kinds have modules of their own.

Names and meanings are dlt's, without its silent losses: an offset advances by the rows that were read, a cursor that
is sent again is an error, a total is checked.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.extract.envelope import MISSING, Envelope

PAGES_SHIFTED_HINT = (
    "rows were added or removed during the read, or the total counts something else: then correct or remove it"
)


@dataclass(frozen=True)
class PageRequest:
    """How a page is requested, beside the resource's own parameters.

    Attributes:
        params: Query parameters.
        body: Values to set in the body, by path.
        link: A link that replaces the URL and all parameters.
        position: The offset or number of the page; 0 where pages are only known from the one before.
    """

    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    link: str | None = None
    position: int = 0


@dataclass(frozen=True)
class PageResponse:
    """What pagination reads of a response: the number of rows, the body around them, the headers."""

    rows: int
    envelope: Envelope
    headers: Mapping[str, str]
    position: int = 0

    def find(self, path: str) -> Any:
        return self.envelope.find(path)

    def get_count(self, path: str, key: str) -> int:
        """The whole number at `path`, which the configuration names under `key`.

        Raises:
            ResponseError: There is no whole number.
        """
        value = self.find(path)
        return parse_count(None if value is MISSING else value, f"`{key}: {path}`")

    def get_bool(self, path: str) -> bool:
        """The flag at `path`, which the configuration names under `has_more_path`.

        Raises:
            ResponseError: The value is not a boolean.
        """
        value = self.find(path)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if not isinstance(value, bool):
            raise ResponseError(f"`has_more_path: {path}` is not true or false in the response: correct the path")
        return value


def parse_count(value: Any, where: str) -> int:
    """A total as a number.

    Raises:
        ResponseError: It is not a whole number; the message begins with `where`.
    """
    if isinstance(value, bool) or not re.fullmatch(r"\d+", str(value)):
        raise ResponseError(f"{where} is not a whole number in the response: correct or remove it")
    return int(value)


@dataclass(frozen=True)
class Totals:
    """How many rows, or pages, there are, once a response has said so."""

    rows: int | None = None
    pages: int | None = None


class Paginator(ABC):
    """The state of one read.

    Attributes:
        totals: The API's latest totals; set by the reader before each call of `next`.
        is_numbered: Whether pages are requested by number: then rows can move between pages during the read.
        is_bounded: Whether the configuration, and not the API, ended the read (`maximum_offset`, `maximum_page`).
        skipped: Rows, or pages, in front of the first page that the configuration requests.
        end_is_proven: Whether the API itself said that no page follows: a null cursor, a has-more flag that is false.
        continuation_key: The configured path or header of the next page, as the YAML writes it; empty if there is none.
        continuation_was_found: Whether a response had that path or header, whatever its value.
        correction: What to correct in the YAML when the read ended too early.
    """

    totals = Totals()
    is_numbered = False
    is_bounded = False
    skipped = 0
    end_is_proven = False
    continuation_key = ""
    continuation_was_found = False
    correction = "Correct `endpoint.paginator`"

    @abstractmethod
    def first(self) -> PageRequest: ...

    @abstractmethod
    def next(self, response: PageResponse) -> PageRequest | None:
        """The request after `response`, or None when it was the last."""

    def ends_on(self, status: int) -> bool:  # noqa: ARG002
        """Whether this status, on a page after the first, means that there are no more pages."""
        return False

    def end(self) -> None:
        """Called when a status ended the read."""

    def check(self) -> None:
        """Raises DriftError if the pages that were read contradict each other."""

    def expected(self) -> Iterator[PageRequest]:
        """The requests after the first one, if they are probably known before its response."""
        return iter(())

    def split(self) -> Iterator[Paginator] | None:
        """Paginators for all pages still to come, each for a part; None if a page is only known from the one before.

        They are made one by one, and no more once a part has met the end.
        """
        return None

    def resume(self) -> PageRequest | None:
        """The request that goes on after all parts of `split`; None if they reached the end."""
        return None
