"""Every kind of pagination hands out exactly all rows, and tells the end in its own way."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from analytics_assets.sandbox import (
    CursorPagination,
    Endpoint,
    HeaderCursorPagination,
    HeaderLinkPagination,
    JsonLinkPagination,
    OffsetPagination,
    PageNumberPagination,
    SinglePagePagination,
)
from analytics_assets.sandbox.pagination import Pagination
from analytics_assets_tests.support.http_client import Answer, Query, get, serving, walk

ROWS = [{"id": n, "name": f"näme {n}"} for n in range(25)]
Follow = Callable[[Answer, int], "Query | str | None"]


def by_offset(answer: Answer, rows: int) -> Query | None:
    return {"offset": str(rows)} if answer.json()["data"] else None


def by_total(answer: Answer, rows: int) -> Query | None:
    return {"offset": str(rows)} if rows < answer.json()["meta"]["total"] else None


def by_total_header(answer: Answer, rows: int) -> Query | None:
    return {"offset": str(rows)} if rows < int(answer.headers["X-Total-Count"]) else None


def by_page(base: int) -> Follow:
    return lambda answer, rows: {"page": str(base + -(-rows // 10))} if answer.json()["data"] else None


def by_pages(answer: Answer, rows: int) -> Query | None:
    return {"page": str(rows // 10)} if rows // 10 < answer.json()["pages"] and rows % 10 == 0 else None


def by_has_next(answer: Answer, rows: int) -> Query | None:
    body = answer.json()
    assert (body["next"] is not None) == body["hasNext"]
    return {"after": body["next"]} if body["hasNext"] else None


def by_cursor(*path: str, end: Any) -> Follow:
    def follow(answer: Answer, rows: int) -> Query | None:
        value = answer.json()
        for name in path:
            value = value.get(name, "absent")
        assert (value == end) == (rows == 25)
        return None if rows == 25 else {"cursor": str(value)}

    return follow


def by_link(answer: Answer, rows: int) -> str | None:
    link = answer.json()["links"]["next"]
    assert link is None or isinstance(link, str)
    return link


def by_link_header(answer: Answer, rows: int) -> str | None:
    found = re.search(r'<([^>]+)>; rel="next"', answer.headers["Link"])
    return found[1] if found else None


def by_cursor_header(answer: Answer, rows: int) -> Query | None:
    return {"cursor": answer.headers["X-Next"]} if "X-Next" in answer.headers else None


@pytest.mark.parametrize(
    ("pagination", "follow", "sizes"),
    [
        (SinglePagePagination(), lambda *_: None, [25]),
        (OffsetPagination(max_limit=10), by_offset, [10, 10, 5, 0]),
        (OffsetPagination(max_limit=10, total_path="meta.total"), by_total, [10, 10, 5]),
        (OffsetPagination(max_limit=10, total_header="X-Total-Count"), by_total_header, [10, 10, 5]),
        (PageNumberPagination(default_limit=10), by_page(0), [10, 10, 5, 0]),
        (PageNumberPagination(default_limit=10, base=1), by_page(1), [10, 10, 5, 0]),
        (PageNumberPagination(default_limit=10, base=1, end_on_404=True), by_page(1), [10, 10, 5]),
        (PageNumberPagination(default_limit=10, pages_path="pages"), by_pages, [10, 10, 5]),
        (CursorPagination(default_limit=10, cursor_param="after", has_more_path="hasNext"), by_has_next, [10, 10, 5]),
        (CursorPagination(default_limit=10), by_cursor("next", end=None), [10, 10, 5]),
        (CursorPagination(default_limit=10, last="absent"), by_cursor("next", end="absent"), [10, 10, 5]),
        (CursorPagination(default_limit=10, last="empty"), by_cursor("next", end=""), [10, 10, 5]),
        (
            CursorPagination(default_limit=10, integers=True, cursor_path="p.next"),
            by_cursor("p", "next", end=None),
            [10, 10, 5],
        ),
        (JsonLinkPagination(default_limit=10, link_path="links.next"), by_link, [10, 10, 5]),
        (HeaderLinkPagination(default_limit=10), by_link_header, [10, 10, 5]),
        (HeaderCursorPagination(default_limit=10, header="X-Next"), by_cursor_header, [10, 10, 5]),
    ],
)
def test_walks_to_exactly_all_rows(pagination: Pagination, follow: Follow, sizes: list[int]) -> None:
    with serving(Endpoint("/v1/rows", ROWS, pagination=pagination)) as (_, url):
        pages = walk(url, follow)
    assert [row for page in pages for row in page] == ROWS
    assert [len(page) for page in pages] == sizes


def test_cuts_a_page_size_beyond_its_own_without_a_word() -> None:
    endpoint = Endpoint("/v1/rows", ROWS, pagination=OffsetPagination(default_limit=5, max_limit=10))
    with serving(endpoint) as (_, url):
        sizes = {limit: len(get(url, {"limit": limit}).json()["data"]) for limit in ("3", "10", "1000")}
        assert sizes == {"3": 3, "10": 10, "1000": 10}
        assert len(get(url).json()["data"]) == 5


def test_links_keep_the_other_parameters() -> None:
    with serving(Endpoint("/v1/rows", ROWS, pagination=JsonLinkPagination(relative=True))) as (_, url):
        link = get(url, {"limit": "10"}).json()["next"]
    assert link.startswith("/shop/v1/rows?")
    assert "limit=10&" in link


@pytest.mark.parametrize(
    ("pagination", "query"),
    [
        (OffsetPagination(), {"limit": "0"}),
        (OffsetPagination(), {"limit": "many"}),
        (OffsetPagination(), {"offset": "-1"}),
        (PageNumberPagination(base=1), {"page": "0"}),
        (CursorPagination(), {"cursor": ""}),
        (CursorPagination(), {"cursor": "10"}),
        (CursorPagination(), {"after": "10"}),
        (SinglePagePagination(), {"limit": "10"}),
    ],
)
def test_refuses_parameters_that_make_no_sense(pagination: Pagination, query: Query) -> None:
    with serving(Endpoint("/v1/rows", ROWS, pagination=pagination)) as (sandbox, url):
        assert get(url, query).status == 400
    assert [record.status for record in sandbox.requests] == [400]
