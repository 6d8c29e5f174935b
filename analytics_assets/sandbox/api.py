"""What a sandbox API is: credentials and endpoints, and how an endpoint's rows become the body of a page."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.sandbox.auth import ApiKey, Auth, OAuth2
from analytics_assets.sandbox.exchange import Request, Response, encode
from analytics_assets.sandbox.filters import Bounds, TimeFilter
from analytics_assets.sandbox.pagination import Page, Pagination, SinglePagePagination

Row = Mapping[str, Any]
ROWS = "\ue000"  # stands for the rows while the body around them is made: a private character, in no name or cursor
GROUP = 2  # rows in each list of `items.*.data[*]`
SELECTOR = re.compile(r"(?P<outer>[^*\[]+?)(?:(?P<each>\.\*|\[\*\])\.(?P<inner>[^*\[]+)(?P<list>\[\*\])?)?")


@dataclass(frozen=True)
class Endpoint:
    """One path that answers with rows, page by page.

    `selector` says where in the body: `data`, `data.items`, `$` (bare array), `items[*].data` (a list of objects with
    a row each), `items.*.data` (an object by id of objects with a row each), `items.*.data[*]` (with a list of rows
    each). Several selectors take turns from page to page.
    """

    path: str
    rows: Sequence[Row]
    pagination: Pagination = field(default_factory=SinglePagePagination)
    selector: str | tuple[str, ...] = "data"
    updated: TimeFilter | None = None
    params: frozenset[str] = frozenset()  # accepted besides those of pagination and filter
    extra: Mapping[str, Any] = field(default_factory=dict)  # more of the body, by dotted path

    def selector_of(self, page: Page) -> str:
        selectors = (self.selector,) if isinstance(self.selector, str) else self.selector
        return selectors[(page.number - 1) % len(selectors)]


@dataclass(frozen=True)
class Api:
    """One REST service, served below `/<name>`. Of several kinds of credentials each is accepted."""

    name: str
    endpoints: Sequence[Endpoint]
    auth: Auth | tuple[Auth, ...] = ()
    strict: bool = True  # unknown query parameters answer 400
    latency: float = 0.0  # seconds that each page takes

    @property
    def auths(self) -> tuple[Auth, ...]:
        return self.auth if isinstance(self.auth, tuple) else (self.auth,)

    @property
    def credential_params(self) -> frozenset[str]:
        return frozenset(a.name for a in self.auths if isinstance(a, ApiKey) and a.location == "query")

    def variables(self, url: str) -> dict[str, str]:
        """The environment that leads a client to this API on the server at `url`: `<API>_BASE_URL`, ..."""
        values = {"BASE_URL": f"{url}/{self.name}"}
        for auth in self.auths:
            values |= auth.variables()
            if isinstance(auth, OAuth2):
                values["TOKEN_URL"] = f"{url}/{self.name}{auth.token_path}"
        return {f"{self.name.upper()}_{name}": value for name, value in values.items()}


class Table:
    """An endpoint's rows as it serves them: filtered once per window, encoded once per row."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._encoded: list[bytes | None] = [None] * len(endpoint.rows)
        self._matching = functools.lru_cache(maxsize=64)(self._filter)

    @property
    def params(self) -> frozenset[str]:
        """The query parameters that the endpoint knows."""
        known = self.endpoint.params | self.endpoint.pagination.params
        return known | set(self.endpoint.updated.params) if self.endpoint.updated else known

    def page(self, request: Request) -> Page:
        """The page that a request asks for."""
        return self.endpoint.pagination.page(request, len(self._rows(request)))

    def answer(self, page: Page, request: Request, *, wait: float = 0.0) -> Response:
        """The page as an answer, after some seconds."""
        page_metadata = self.endpoint.pagination.page_metadata(page, request)
        rows = self._rows(request)[page.start : page.stop]
        selector = self.endpoint.selector_of(page)
        body = self._wrap(rows, selector)
        fields = {**self.endpoint.extra, **page_metadata.body}
        if selector != "$":
            match = SELECTOR.fullmatch(selector)
            envelope = nested({**fields, (match["outer"] if match else selector): ROWS})
            before, _, after = encode(envelope).partition(encode(ROWS))
            body = before + body + after
        elif fields:
            raise ValueError(f"a bare array has no place for {', '.join(fields)}")
        return Response(body=body, headers={"Content-Type": "application/json", **page_metadata.headers}, wait=wait)

    def _rows(self, request: Request) -> Sequence[int]:
        if self.endpoint.updated is None:
            return range(len(self.endpoint.rows))
        return self._matching(self.endpoint.updated.bounds(request))

    def _filter(self, bounds: Bounds) -> Sequence[int]:
        updated = self.endpoint.updated
        assert updated is not None
        return [n for n, row in enumerate(self.endpoint.rows) if updated.matches(row.get(updated.field), bounds)]

    def _row(self, n: int) -> bytes:
        encoded = self._encoded[n]
        if encoded is None:
            row, updated = self.endpoint.rows[n], self.endpoint.updated
            if updated is not None and updated.hidden:
                row = {name: value for name, value in row.items() if name != updated.field}
            encoded = self._encoded[n] = encode(row)
        return encoded

    def _wrap(self, rows: Sequence[int], selector: str) -> bytes:
        match = SELECTOR.fullmatch(selector)
        if match is None or match["each"] is None:
            return b"[%s]" % b",".join(map(self._row, rows))
        before, _, after = encode(nested({match["inner"]: ROWS})).partition(encode(ROWS))
        groups = [rows[n : n + GROUP] for n in range(0, len(rows), GROUP)] if match["list"] else [[n] for n in rows]
        left, right = (before + b"[", b"]" + after) if match["list"] else (before, after)
        items = [left + b",".join(map(self._row, group)) + right for group in groups]
        if match["each"] == "[*]":
            return b"[%s]" % b",".join(items)
        keys = [encode(str(self.endpoint.rows[group[0]].get("id", group[0]))) for group in groups]
        return b"{%s}" % b",".join(key + b":" + item for key, item in zip(keys, items, strict=True))


def nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Objects within objects from dotted paths."""
    root: dict[str, Any] = {}
    for path, value in fields.items():
        *parents, name = path.split(".")
        node = root
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = value
    return root
