"""Endpoints of other kinds than those of the built-in APIs."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from analytics_assets.sandbox.api import Endpoint, Row
from analytics_assets.sandbox.filters import TimeFilter  # noqa: F401 (type of an inherited field)
from analytics_assets.sandbox.http import HTTPError, Request, Response
from analytics_assets.sandbox.pagination import Page, Pagination  # noqa: F401 (type of an inherited field)

CONNECTION = re.compile(r"query\b.*\{agents\(first:\$first,after:\$after\)\{.*nodes\{([\w,]+)\}.*\}\}")


class RateLimit:
    """Counts the requests of each period, and writes what is left into headers."""

    def __init__(self, requests: int, seconds: int) -> None:
        self._limit, self._seconds = requests, seconds
        self._period = self._used = 0
        self._lock = threading.Lock()

    def headers(self) -> dict[str, str]:
        """Counts a request, and returns the headers of its response.

        Raises:
            HTTPError: The limit of this period is used up.
        """
        now = time.time()
        with self._lock:
            period = int(now) // self._seconds
            if period != self._period:
                self._period, self._used = period, 0
            self._used += 1
            remaining = self._limit - self._used
        reset = (period + 1) * self._seconds - int(now)
        headers = {"RateLimit-Limit": f"{self._limit}", "RateLimit-Remaining": f"{max(remaining, 0)}"}
        headers["RateLimit-Reset"] = str(reset)
        if remaining < 0:
            raise HTTPError(429, "too many requests", {**headers, "Retry-After": str(reset)})
        return headers


@dataclass(frozen=True, kw_only=True)
class LimitedEndpoint(Endpoint):
    """An endpoint that shares a rate limit with others."""

    rate_limit: RateLimit

    def response(self, page: Page, request: Request) -> Response:
        headers = self.rate_limit.headers()
        response = self.unlimited_response(page, request)
        return replace(response, headers={**response.headers, **headers})

    def unlimited_response(self, page: Page, request: Request) -> Response:
        """The response without the headers of the rate limit."""
        return super().response(page, request)


@dataclass(frozen=True, kw_only=True)
class SearchEndpoint(LimitedEndpoint):
    """A POST whose JSON body selects rows by the value of a field.

    Attributes:
        filter_field: The field; the body names its value at `filter.<field>`.
    """

    filter_field: str
    method: str = "POST"

    @property
    def known_params(self) -> frozenset[str]:
        return super().known_params | {self._param}

    @property
    def _param(self) -> str:
        return f"filter.{self.filter_field}"

    def _matching_rows(self, request: Request) -> Sequence[Row]:
        wanted = request.query.get(self._param)
        return [row for row in self.rows if wanted is None or row[self.filter_field] == wanted]


@dataclass(frozen=True, kw_only=True)
class GraphQLEndpoint(LimitedEndpoint):
    """The GraphQL endpoint: it knows one connection, `agents(first: $first, after: $after)`.

    Another query gets an error with status 200, as GraphQL servers send it.
    """

    method: str = "POST"
    params: frozenset[str] = field(default=frozenset({"query", "operationName"}))

    def unlimited_response(self, page: Page, request: Request) -> Response:
        query = re.sub(r"\s*([{}(),:])\s*|\s+", lambda found: found[1] or ",", request.query.get("query", "").strip())
        found = CONNECTION.fullmatch(query)
        names = found[1].split(",") if found else []
        if not names or not set(names) <= self.rows[0].keys():
            return Response.json({"errors": [{"message": "unknown query: try agents(first: $first, after: $after)"}]})
        nodes = [{name: row[name] for name in names} for row in self.rows[page.start : page.stop]]
        cursor = self.pagination.page_metadata(page, request).body["endCursor"]
        info = {"hasNextPage": page.next is not None, "endCursor": cursor}
        return Response.json({"data": {"agents": {"nodes": nodes, "pageInfo": info}}})


@dataclass(frozen=True, kw_only=True)
class CsvEndpoint(LimitedEndpoint):
    """All rows as a CSV file. Null is an empty cell, an empty text is `""`."""

    def unlimited_response(self, page: Page, request: Request) -> Response:
        rows = self._matching_rows(request)[page.start : page.stop]
        lines = [",".join(self.rows[0]), *(",".join(map(_cell, row.values())) for row in rows)]
        name = self.path.rpartition("/")[2]
        headers = {"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": f'attachment; filename="{name}"'}
        return Response(body="".join(f"{line}\r\n" for line in lines).encode(), headers=headers)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return '"{}"'.format(value.replace('"', '""')) if isinstance(value, str) else str(value)
