"""Sequences of pages: what one thread reads one after the other, and what it counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from typing_extensions import Self

from analytics_assets.rest_api.config import Endpoint
from analytics_assets.rest_api.extract.envelope import Step
from analytics_assets.rest_api.extract.pagination.base import PageRequest, PageResponse, Paginator
from analytics_assets.rest_api.extract.pagination.completeness import CompletenessCheck
from analytics_assets.rest_api.extract.pagination.factory import build_paginator
from analytics_assets.rest_api.extract.pagination.proof import Completeness
from analytics_assets.rest_api.windows import Window


@dataclass
class ReadCounts:
    """What was read, by one or more sequences.

    Attributes:
        pages: Pages that were read.
        rows: Rows that were read.
        parts: What proves the end of each time range that was read.
    """

    pages: int = 0
    rows: int = 0
    parts: list[Completeness] = field(default_factory=list)


class CountedRead:
    """A read that has counts."""

    _counts: ReadCounts

    @property
    def pages(self) -> int:
        """Pages that were read."""
        return self._counts.pages

    @property
    def rows(self) -> int:
        """Rows that were read."""
        return self._counts.rows

    @property
    def parts(self) -> list[Completeness]:
        """What proves the end of each time range that was read."""
        return self._counts.parts


@dataclass
class TimeRangeRead:
    """A time range that is requested as a whole: a window or a slice of it; without a window, everything."""

    window: Window | None
    completeness: CompletenessCheck
    counts: ReadCounts
    first_body: bytes = b""


@dataclass
class PageSequence:
    """Pages that one thread reads one after the other. Without a request the sequence is over."""

    time_range: TimeRangeRead
    paginator: Paginator
    request: PageRequest | None

    @classmethod
    def of(cls, endpoint: Endpoint, selector: tuple[Step, ...], window: Window | None, counts: ReadCounts) -> Self:
        """All pages of a time range, from the first one."""
        completeness = CompletenessCheck(endpoint, selector, windowed=window is not None)
        paginator = build_paginator(endpoint.paginator)
        return cls(TimeRangeRead(window, completeness, counts), paginator, paginator.first())

    def record(self, response: PageResponse) -> None:
        """Count a page, and set the next request.

        Raises:
            ResponseError: The response is not as the paginator's configuration describes it.
        """
        completeness = self.time_range.completeness
        completeness.record(response)
        self.paginator.totals = completeness.totals
        following = self.paginator.next(response)
        self.request = None if completeness.is_complete else following
        self.time_range.counts.rows += response.rows

    def end(self) -> None:
        """End the sequence, because of the status of a response."""
        self.paginator.end()
        self.request = None
