"""Offset and cursor pagination of the sandbox return all rows exactly once."""

from __future__ import annotations

import pytest

from analytics_assets import sandbox
from analytics_assets.sandbox import CursorPagination, OffsetPagination
from analytics_assets.sandbox.pagination import Pagination
from analytics_assets_tests.fake_api import serve_endpoint
from analytics_assets_tests.support.http_client import HttpResponse, Query, get, read_pages

ROWS = [{"id": n, "name": f"näme {n}"} for n in range(25)]


def endpoint(pagination: Pagination) -> sandbox.Endpoint:
    return sandbox.Endpoint("/v1/rows", ROWS, pagination=pagination)


def test_offset_pages_end_with_an_empty_page() -> None:
    with serve_endpoint(endpoint(OffsetPagination(max_limit=10))) as (_, url):
        pages = read_pages(url, lambda response, rows: {"offset": str(rows)} if response.json()["data"] else None)
    assert [len(page) for page in pages] == [10, 10, 5, 0]
    assert [row for page in pages for row in page] == ROWS


def test_cursor_is_null_on_the_last_page() -> None:
    def next_request(response: HttpResponse, rows: int) -> Query | None:
        body = response.json()
        assert (body["next"] is not None) == body["hasNext"] == (rows < 25)
        return {"after": body["next"]} if body["hasNext"] else None

    pagination = CursorPagination(default_limit=10, cursor_param="after", has_more_path="hasNext")
    with serve_endpoint(endpoint(pagination)) as (_, url):
        pages = read_pages(url, next_request)
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [row for page in pages for row in page] == ROWS


def test_page_size_is_capped_silently() -> None:
    with serve_endpoint(endpoint(OffsetPagination(default_limit=5, max_limit=10))) as (_, url):
        sizes = {limit: len(get(url, {"limit": limit}).json()["data"]) for limit in ("3", "10", "1000")}
        assert sizes == {"3": 3, "10": 10, "1000": 10}
        assert len(get(url).json()["data"]) == 5


@pytest.mark.parametrize(
    ("pagination", "query"),
    [
        (OffsetPagination(), {"limit": "0"}),
        (OffsetPagination(), {"limit": "many"}),
        (OffsetPagination(), {"offset": "-1"}),
        (CursorPagination(), {"cursor": ""}),
        (CursorPagination(), {"cursor": "10"}),
        (CursorPagination(), {"after": "10"}),
    ],
)
def test_invalid_parameters_are_rejected(pagination: Pagination, query: Query) -> None:
    with serve_endpoint(endpoint(pagination)) as (server, url):
        assert get(url, query).status == 400
    assert [record.status for record in server.requests] == [400]
