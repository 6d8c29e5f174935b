"""Pagination beyond query parameters: in the body of a POST, in the path, and by a field of the last record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from analytics_assets.rest_api.errors import ResponseError
from analytics_assets_tests.fake_api import (
    AfterIdPagination,
    Api,
    CursorPagination,
    Endpoint,
    FakeServer,
    HeaderCursorPagination,
    HeaderLinkPagination,
    JsonLinkPagination,
    OffsetPagination,
    PageNumberPagination,
    Pagination,
    faults,
    serve,
    serve_endpoint,
)
from analytics_assets_tests.support.read_ids import read_ids

ROWS = [{"id": n} for n in range(25)]
OFFSET = {"type": "offset", "limit": 10, "offset_body_path": "page.offset", "limit_body_path": "page.size"}
NUMBER = {"type": "page_number", "page_body_path": "page.number"}
CURSOR = {"type": "cursor", "cursor_body_path": "$.page.after", "cursor_path": "next"}
LAST_RECORD = {"type": "cursor", "cursor_param": "after", "cursor_path": "data[-1].id", "limit": 10}
BY_OFFSET: dict[str, Any] = {"offset_param": "page.offset", "limit_param": "page.size"}
BODY: dict[str, Any] = {"json_": {"q": "x", "page": {"sort": "id"}}}

IN_BODY: list[tuple[Pagination, dict[str, Any], int]] = [
    (OffsetPagination(**BY_OFFSET), OFFSET, 4),
    (OffsetPagination(**BY_OFFSET, max_limit=7), OFFSET, 5),
    (OffsetPagination(**BY_OFFSET, total_path="n"), {**OFFSET, "total_path": "n"}, 3),
    (OffsetPagination(**BY_OFFSET, has_more_path="more"), {**OFFSET, "has_more_path": "more"}, 3),
    # The page size of an offset is in the query unless it has a path of its own, as in dlt.
    (OffsetPagination(offset_param="skip"), {"type": "offset", "limit": 10, "offset_body_path": "skip"}, 4),
    (PageNumberPagination(page_param="page.number", default_limit=10), NUMBER, 4),
    (
        PageNumberPagination(page_param="page.number", base=1, limit_param="page.size", pages_path="pages"),
        {**NUMBER, "base_page": 1, "limit": 10, "limit_body_path": "page.size", "total_path": "pages"},
        3,
    ),
    (
        PageNumberPagination(page_param="page.number", default_limit=10, total_path="n"),
        {**NUMBER, "total_rows_path": "n"},
        3,
    ),
    (CursorPagination(cursor_param="page.after", default_limit=10), CURSOR, 3),
    (
        CursorPagination(cursor_param="page.after", limit_param="page.size", has_more_path="more"),
        {**CURSOR, "limit": 10, "limit_body_path": "page.size", "has_more_path": "more"},
        3,
    ),
    (
        HeaderCursorPagination(cursor_param="page.after", default_limit=10),
        {"type": "header_cursor", "cursor_body_path": "page.after"},
        3,
    ),
]


def served(offered: Pagination, rows: list[dict[str, int]], **endpoint: Any) -> Endpoint:
    return Endpoint("/rows", rows, pagination=offered, params=frozenset({"q", "page.sort"}), method="POST", **endpoint)


def error_of(endpoint: Endpoint, paginator: dict[str, Any], **keys: Any) -> str:
    """The error of a read that fails."""
    with serve_endpoint(endpoint) as (_, url), pytest.raises(ResponseError) as caught:
        read_ids(url, paginator, **keys)
    return str(caught.value)


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(("offered", "described", "requests"), IN_BODY)
def test_every_position_may_be_in_the_body(
    offered: Pagination, described: dict[str, Any], requests: int, method: str
) -> None:
    sent = {**BODY, "method": method}
    endpoint = Endpoint("/rows", ROWS, pagination=offered, params=frozenset({"q", "page.sort"}), method=method)
    with serve_endpoint(endpoint) as (server, url):
        assert read_ids(url, described, **sent) == list(range(25))
        bodies = [json.loads(record.request.body) for record in server.requests]
        assert len(bodies) == requests
        assert {(body["q"], body["page"]["sort"]) for body in bodies} == {("x", "id")}
        assert sorted(read_ids(url, described, threads=4, **sent)) == list(range(25))
    with serve_endpoint(served(offered, [])) as (server, url):
        assert read_ids(url, described, method="POST") == []
        assert len(server.requests) == 1


def test_numbers_in_the_body_are_numbers_and_cursors_keep_their_type() -> None:
    def bodies(offered: Pagination, described: dict[str, Any]) -> list[Any]:
        with serve_endpoint(served(offered, ROWS[:15])) as (server, url):
            assert read_ids(url, described, method="POST") == list(range(15))
            return [json.loads(record.request.body or b"null") for record in server.requests]

    assert bodies(OffsetPagination(**BY_OFFSET, total_path="n"), {**OFFSET, "total_path": "n"}) == [
        {"page": {"offset": 0, "size": 10}},
        {"page": {"offset": 10, "size": 10}},
    ]
    integers = CursorPagination(cursor_param="page.after", default_limit=10, integers=True)
    first, second = bodies(integers, CURSOR)
    assert first is None
    assert isinstance(second["page"]["after"], int)


@pytest.mark.parametrize("offered", [JsonLinkPagination(default_limit=10), HeaderLinkPagination(default_limit=10)])
def test_links_are_followed_by_the_same_method_with_the_same_body(offered: Pagination) -> None:
    described = {"type": "json_link", "next_url_path": "next"}
    if isinstance(offered, HeaderLinkPagination):
        described = {"type": "header_link"}
    with serve_endpoint(served(offered, ROWS)) as (server, url):
        assert read_ids(url, described, **BODY, method="POST") == list(range(25))
        assert {record.request.body for record in server.requests} == {b'{"q":"x","page":{"sort":"id"}}'}


def test_form_carries_the_page() -> None:
    offered = PageNumberPagination(page_param="page", limit_param="per", base=1)
    described = {"type": "page_number", "base_page": 1, "page_body_path": "page", "limit": 10, "limit_body_path": "per"}
    with serve_endpoint(served(offered, ROWS)) as (server, url):
        assert read_ids(url, described, method="POST", data={"q": "x"}) == list(range(25))
        assert [record.request.body for record in server.requests[:2]] == [b"q=x&page=1&per=10", b"q=x&page=2&per=10"]


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("paginator", [NUMBER, OFFSET])
def test_server_that_ignores_the_body_fails_the_read(paginator: dict[str, Any], threads: int) -> None:
    first_page = faults.body(json.dumps({"data": ROWS[:10]}).encode())
    with serve_endpoint(served(PageNumberPagination(default_limit=10), ROWS), strict=False) as (server, url):
        server.faults.add(first_page, times=None)
        with pytest.raises(ResponseError, match=r"^POST http://.*/rows: the API sent the same page twice"):
            read_ids(url, paginator, method="POST", threads=threads)


def test_hints_of_more_rows_hold_for_bodies() -> None:
    endpoint = served(OffsetPagination(**BY_OFFSET, total_path="meta.total"), ROWS)
    error = error_of(endpoint, {"type": "single_page"}, method="POST", json_={"page": {"size": 10}})
    assert "`meta.total` is 25" in error


@pytest.mark.parametrize("threads", [1, 4])
def test_page_may_be_in_the_path(threads: int) -> None:
    pages = [Endpoint(f"/rows/{n}/all", [{"id": 2 * n}, {"id": 2 * n + 1}]) for n in range(1, 8)]
    server = FakeServer([Api("shop", [*pages, *(Endpoint(f"/rows/{n}/all", []) for n in range(8, 20))])])
    with serve(server) as url:
        read = read_ids(
            f"{url}/shop",
            {"type": "page_number", "base_page": 1, "page_param": None},
            threads=threads,
            path="shop/rows/{page}/all",
        )
        assert sorted(read) == list(range(2, 16))
        assert {record.request.query.get("page") for record in server.requests} == {None}


@pytest.mark.parametrize("threads", [1, 4])
def test_offset_may_be_in_the_path(threads: int) -> None:
    pages = [Endpoint(f"/rows/{n}", ROWS[n : n + 5], params=frozenset({"limit"})) for n in range(0, 60, 5)]
    with serve(FakeServer([Api("shop", pages)])) as url:
        described = {"type": "offset", "limit": 5, "offset_param": None}
        assert sorted(read_ids(f"{url}/shop", described, threads=threads, path="shop/rows/{offset}")) == list(range(25))


@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 25])
@pytest.mark.parametrize(
    ("selector", "cursor_path"), [("data", "data[-1].id"), ("a.rows", "$.a.rows[-1].id"), ("$", "$[-1].id")]
)
def test_cursor_of_the_last_record_reads_up_to_an_empty_page(selector: str, cursor_path: str, rows: int) -> None:
    described = {**LAST_RECORD, "cursor_path": cursor_path}
    endpoint = Endpoint("/rows", ROWS[:rows], pagination=AfterIdPagination(), selector=selector)
    with serve_endpoint(endpoint) as (server, url):
        assert read_ids(url, described, data_selector=selector) == list(range(rows))
        assert len(server.requests) == -(-rows // 10) + 1
        cursors = [record.request.query.get("after") for record in server.requests]
        assert cursors == [None, *(str(min(n + 9, rows - 1)) for n in range(0, rows, 10))]


def test_cursor_of_the_last_record_may_be_in_the_body() -> None:
    body_paths = {"limit_body_path": "page.size", "cursor_body_path": "page.after"}
    described = {"type": "cursor", "limit": 10, **body_paths, "cursor_path": "data[-1].id"}
    with serve_endpoint(served(AfterIdPagination(param="page.after", limit_param="page.size"), ROWS)) as (server, url):
        assert read_ids(url, described, method="POST") == list(range(25))
        assert json.loads(server.requests[1].request.body) == {"page": {"size": 10, "after": 9}}


NO_PROGRESS = "the API sent the same cursor twice in one read"


def test_page_that_begins_with_the_record_of_the_cursor_is_an_error_at_the_end() -> None:
    error = error_of(Endpoint("/rows", ROWS, pagination=AfterIdPagination(inclusive=True)), LAST_RECORD)
    assert NO_PROGRESS in error
    assert "the API returns the record of the cursor again" in error


def test_api_that_ignores_the_cursor_is_an_error() -> None:
    endpoint = Endpoint("/rows", ROWS, pagination=AfterIdPagination(ignored=True))
    assert NO_PROGRESS in error_of(endpoint, LAST_RECORD)


def test_loop_of_more_than_one_page_is_an_error() -> None:
    with serve_endpoint(Endpoint("/rows", ROWS, pagination=AfterIdPagination())) as (server, url):
        for first in (0, 10, 0, 10, 0):
            server.faults.add(faults.body(json.dumps({"data": ROWS[first : first + 10]}).encode()))
        with pytest.raises(ResponseError, match=NO_PROGRESS):
            read_ids(url, LAST_RECORD)
        assert len(server.requests) == 3


@pytest.mark.parametrize("value", [None, "", "absent"])
def test_last_record_without_the_field_is_an_error(value: str | None) -> None:
    rows = [{"id": 0, "key": 1}, {"id": 1} if value == "absent" else {"id": 1, "key": value}]
    endpoint = Endpoint("/rows", rows, pagination=AfterIdPagination())
    error = error_of(endpoint, {**LAST_RECORD, "cursor_path": "data[-1].key"})
    assert "page 1: the page has records, but there is no value at `paginator.cursor_path: data[-1].key`" in error


@pytest.mark.parametrize("value", [{"a": 1}, [1], True])
def test_last_record_with_another_type_is_an_error(value: Any) -> None:
    endpoint = Endpoint("/rows", [{"id": value}], pagination=AfterIdPagination())
    assert f"the cursor for `after` is a {type(value).__name__}, not text" in error_of(endpoint, LAST_RECORD)


def test_cursor_of_the_last_record_is_checked_against_a_total() -> None:
    endpoint = Endpoint("/rows", ROWS, pagination=AfterIdPagination(), extra={"meta.total": 26})
    assert "`meta.total` is 26" in error_of(endpoint, LAST_RECORD)
