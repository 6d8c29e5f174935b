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

    def end(self) -> None:
        """Told when a status ended the walk."""

    def check(self, rows: int) -> None:
        """Told the rows that came in all; raises ResponseError if the last total that the API named was higher."""

    def split(self) -> Iterator[Paginator] | None:
        """Paginators for all that is still to come, each for a part; None if a page is only known from the one before.

        They are made one by one, and none any more once a part has met the end.
        """
        return None


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
