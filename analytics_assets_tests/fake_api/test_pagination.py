"""Every kind of pagination returns all rows exactly once, and signals the end in its own way."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from analytics_assets_tests.fake_api import (
    CursorPagination,
    Endpoint,
    HeaderCursorPagination,
    HeaderLinkPagination,
    JsonLinkPagination,
    OffsetPagination,
    PageNumberPagination,
    Pagination,
    SinglePagePagination,
    serve_endpoint,
)
from analytics_assets_tests.support.http_client import HttpResponse, Query, get, read_pages

ROWS = [{"id": n, "name": f"näme {n}"} for n in range(25)]
NextRequest = Callable[[HttpResponse, int], "Query | str | None"]


def by_offset(response: HttpResponse, rows: int) -> Query | None:
    return {"offset": str(rows)} if response.json()["data"] else None


def by_total(response: HttpResponse, rows: int) -> Query | None:
    return {"offset": str(rows)} if rows < response.json()["meta"]["total"] else None


def by_total_header(response: HttpResponse, rows: int) -> Query | None:
    return {"offset": str(rows)} if rows < int(response.headers["X-Total-Count"]) else None


def by_page(base: int) -> NextRequest:
    return lambda response, rows: {"page": str(base + -(-rows // 10))} if response.json()["data"] else None


def by_pages(response: HttpResponse, rows: int) -> Query | None:
    return {"page": str(rows // 10)} if rows // 10 < response.json()["pages"] and rows % 10 == 0 else None


def by_has_next(response: HttpResponse, rows: int) -> Query | None:
    body = response.json()
    assert (body["next"] is not None) == body["hasNext"]
    return {"after": body["next"]} if body["hasNext"] else None


def by_cursor(*path: str, last: Any) -> NextRequest:
    def next_request(response: HttpResponse, rows: int) -> Query | None:
        value = response.json()
        for name in path:
            value = value.get(name, "absent")
        assert (value == last) == (rows == 25)
        return None if rows == 25 else {"cursor": str(value)}

    return next_request


def by_link(response: HttpResponse, rows: int) -> str | None:
    link = response.json()["links"]["next"]
    assert link is None or isinstance(link, str)
    return link


def by_link_header(response: HttpResponse, rows: int) -> str | None:
    found = re.search(r'<([^>]+)>; rel="next"', response.headers["Link"])
    return found[1] if found else None


def by_cursor_header(response: HttpResponse, rows: int) -> Query | None:
    return {"cursor": response.headers["X-Next"]} if "X-Next" in response.headers else None


@dataclass(frozen=True)
class PaginationCase:
    """A pagination, how a client follows it, and the rows of each page."""

    pagination: Pagination
    next_request: NextRequest
    sizes: list[int]


CASES = {
    "single page": PaginationCase(SinglePagePagination(), lambda *_: None, [25]),
    "offset": PaginationCase(OffsetPagination(max_limit=10), by_offset, [10, 10, 5, 0]),
    "offset, total": PaginationCase(OffsetPagination(max_limit=10, total_path="meta.total"), by_total, [10, 10, 5]),
    "offset, total in a header": PaginationCase(
        OffsetPagination(max_limit=10, total_header="X-Total-Count"), by_total_header, [10, 10, 5]
    ),
    "page": PaginationCase(PageNumberPagination(default_limit=10), by_page(0), [10, 10, 5, 0]),
    "page from 1": PaginationCase(PageNumberPagination(default_limit=10, base=1), by_page(1), [10, 10, 5, 0]),
    "page, 404 at the end": PaginationCase(
        PageNumberPagination(default_limit=10, base=1, end_on_404=True), by_page(1), [10, 10, 5]
    ),
    "page, number of pages": PaginationCase(
        PageNumberPagination(default_limit=10, pages_path="pages"), by_pages, [10, 10, 5]
    ),
    "cursor, has more": PaginationCase(
        CursorPagination(default_limit=10, cursor_param="after", has_more_path="hasNext"), by_has_next, [10, 10, 5]
    ),
    "cursor": PaginationCase(CursorPagination(default_limit=10), by_cursor("next", last=None), [10, 10, 5]),
    "cursor, absent at the end": PaginationCase(
        CursorPagination(default_limit=10, last="absent"), by_cursor("next", last="absent"), [10, 10, 5]
    ),
    "cursor, empty at the end": PaginationCase(
        CursorPagination(default_limit=10, last="empty"), by_cursor("next", last=""), [10, 10, 5]
    ),
    "integer cursor": PaginationCase(
        CursorPagination(default_limit=10, integers=True, cursor_path="p.next"),
        by_cursor("p", "next", last=None),
        [10, 10, 5],
    ),
    "link": PaginationCase(JsonLinkPagination(default_limit=10, link_path="links.next"), by_link, [10, 10, 5]),
    "link header": PaginationCase(HeaderLinkPagination(default_limit=10), by_link_header, [10, 10, 5]),
    "cursor header": PaginationCase(
        HeaderCursorPagination(default_limit=10, header="X-Next"), by_cursor_header, [10, 10, 5]
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_pages_hold_all_rows_once(case: PaginationCase) -> None:
    with serve_endpoint(Endpoint("/v1/rows", ROWS, pagination=case.pagination)) as (_, url):
        pages = read_pages(url, case.next_request)
    assert [row for page in pages for row in page] == ROWS
    assert [len(page) for page in pages] == case.sizes


def test_links_keep_the_other_parameters() -> None:
    endpoint = Endpoint("/v1/rows", ROWS, pagination=JsonLinkPagination(relative=True))
    with serve_endpoint(endpoint) as (_, url):
        link = get(url, {"limit": "10"}).json()["next"]
    assert link.startswith("/shop/v1/rows?")
    assert "limit=10&" in link


@pytest.mark.parametrize(
    ("pagination", "query"),
    [(PageNumberPagination(base=1), {"page": "0"}), (SinglePagePagination(), {"limit": "10"})],
)
def test_invalid_parameters_are_rejected(pagination: Pagination, query: Query) -> None:
    with serve_endpoint(Endpoint("/v1/rows", ROWS, pagination=pagination)) as (server, url):
        assert get(url, query).status == 400
    assert [record.status for record in server.requests] == [400]
