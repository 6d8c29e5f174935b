"""APIs and endpoints with more options: where rows are in the body, hidden fields, delays, lenient parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analytics_assets import sandbox
from analytics_assets.sandbox.api import Row
from analytics_assets.sandbox.http import Request, Response
from analytics_assets.sandbox.pagination import Page, Pagination
from analytics_assets_tests.fake_api.filters import TimeFilter
from analytics_assets_tests.fake_api.pagination import SinglePagePagination
from analytics_assets_tests.fake_api.responses import FaultyResponse

SELECTOR = re.compile(r"(?P<outer>[^*\[]+?)(?:(?P<each>\.\*|\[\*\])\.(?P<inner>[^*\[]+)(?P<list>\[\*\])?)?")
GROUP_SIZE = 2  # rows in each list of `items.*.data[*]`


@dataclass(frozen=True)
class Endpoint(sandbox.Endpoint):
    """One path that returns rows in pages.

    Attributes:
        selector: Where the rows are in the body: `data`, `data.items`, `$` (a bare array), `items[*].data` (a list of
            objects with one row each), `items.*.data` (an object of such objects by id), or `items.*.data[*]` (with a
            list of rows each). Several selectors take turns from page to page.
        extra: More fields of the body by dotted path.
        latency: Seconds until the response begins.
    """

    pagination: Pagination = field(default_factory=SinglePagePagination)
    selector: str | tuple[str, ...] = "data"
    extra: Mapping[str, Any] = field(default_factory=dict)
    latency: float = 0.0

    def response(self, page: Page, request: Request) -> Response:
        response = super().response(page, request)
        return FaultyResponse.of(response, delay=self.latency) if self.latency else response

    def build_body(self, rows: Sequence[Row], fields: Mapping[str, Any], page: Page) -> Any:
        fields = {**self.extra, **fields}
        if isinstance(self.updated, TimeFilter) and self.updated.hidden:
            hidden = self.updated.field
            rows = [{name: value for name, value in row.items() if name != hidden} for row in rows]
        selector = self._selector_of(page)
        if selector == "$":
            if fields:
                raise ValueError(f"a bare array has no place for {', '.join(fields)}")
            return rows
        match = SELECTOR.fullmatch(selector)
        if match is None or match["each"] is None:
            return nested({**fields, selector: rows})
        groups: list[Any] = [[row] for row in rows]
        values: list[Any] = list(rows)
        if match["list"]:
            groups = values = [rows[n : n + GROUP_SIZE] for n in range(0, len(rows), GROUP_SIZE)]
        items = [nested({match["inner"]: value}) for value in values]
        if match["each"] == "[*]":
            return nested({**fields, match["outer"]: items})
        keys = [str(group[0].get("id", number)) for number, group in enumerate(groups)]
        return nested({**fields, match["outer"]: dict(zip(keys, items, strict=True))})

    def _selector_of(self, page: Page) -> str:
        selectors = (self.selector,) if isinstance(self.selector, str) else self.selector
        return selectors[(page.number - 1) % len(selectors)]


@dataclass(frozen=True)
class Api(sandbox.Api):
    """One REST service.

    Attributes:
        strict: Reject unknown query parameters.
    """

    strict: bool = True

    def unknown_params(self, endpoint: sandbox.Endpoint, names: frozenset[str]) -> frozenset[str]:
        return super().unknown_params(endpoint, names) if self.strict else frozenset()


def nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Nested objects from dotted paths."""
    root: dict[str, Any] = {}
    for path, value in fields.items():
        *parents, name = path.split(".")
        node = root
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = value
    return root
