"""Pagination: every paginator reads exactly all rows, with one thread or several, or fails."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.extract.pagination.hints import header_link
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
    faults,
    serve_endpoint,
)
from analytics_assets_tests.support.read_ids import read_ids
from analytics_assets_tests.support.shop import Shop

ROWS = [{"id": n} for n in range(25)]
A, B, C, D = ({"id": letter} for letter in "abcd")
OFFSET = {"type": "offset", "limit": 10}
NUMBER = {"type": "page_number"}
CURSOR = {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next"}
LINK = {"type": "json_link", "next_url_path": "next"}
Responses = list[Any]  # bodies, or a body with its headers


def scripted(
    responses: Responses, paginator: Mapping[str, Any], **endpoint: Any
) -> tuple[list[Any], list[dict[str, str]]]:
    """Read an API that returns these responses in order; return the ids and the query parameters of each request."""
    with serve_endpoint(Endpoint("/rows", []), strict=False) as (server, url):
        for response in responses:
            body, headers = response if isinstance(response, tuple) else (response, {})
            server.faults.add(faults.body(json.dumps(body).encode(), headers=headers))
        found = read_ids(url, paginator, **endpoint)
        assert not server.faults.unused()
        assert all(record.has_fault for record in server.requests)
        return found, [dict(record.request.query) for record in server.requests]


# The pagination of an API, its configuration, and the number of requests of a sequential read.
EXACT: list[tuple[Pagination, dict[str, Any], int]] = [
    (SinglePagePagination(), {"type": "single_page"}, 1),
    (SinglePagePagination(total_path="n"), {"type": "single_page", "total_rows_path": "n"}, 1),
    (SinglePagePagination(total_header="X-Total"), {"type": "single_page", "total_rows_header": "x-total"}, 1),
    (OffsetPagination(), OFFSET, 4),
    (OffsetPagination(total_path="meta.total"), {**OFFSET, "total_path": "meta.total"}, 3),
    (OffsetPagination(total_path="n"), {**OFFSET, "total_rows_path": "n"}, 3),
    (OffsetPagination(total_header="X-Total"), {**OFFSET, "total_rows_header": "X-Total"}, 3),
    (OffsetPagination(has_more_path="more"), {**OFFSET, "has_more_path": "more"}, 3),
    (OffsetPagination(max_limit=7), OFFSET, 5),
    (OffsetPagination(max_limit=7, total_path="n"), {**OFFSET, "total_path": "n"}, 4),
    (OffsetPagination(max_limit=7, has_more_path="more"), {**OFFSET, "has_more_path": "more"}, 4),
    (OffsetPagination(limit_param="n", offset_param="at"), {**OFFSET, "limit_param": "n", "offset_param": "at"}, 4),
    (PageNumberPagination(default_limit=10), NUMBER, 4),
    (PageNumberPagination(default_limit=10, base=1), {**NUMBER, "start_from_page": 1}, 4),
    (
        PageNumberPagination(default_limit=10, base=1, page_param="p"),
        {**NUMBER, "start_from_page": 1, "page_param": "p"},
        4,
    ),
    (
        PageNumberPagination(base=1, limit_param="per"),
        {**NUMBER, "start_from_page": 1, "limit_param": "per", "limit": 10},
        4,
    ),
    (PageNumberPagination(default_limit=10, end_on_404=True), {**NUMBER, "end_on_404": True}, 4),
    (PageNumberPagination(default_limit=10, pages_path="pages"), {**NUMBER, "total_path": "pages"}, 3),
    (
        PageNumberPagination(default_limit=10, base=1, pages_path="pages"),
        {**NUMBER, "start_from_page": 1, "total_path": "pages"},
        3,
    ),
    (PageNumberPagination(default_limit=10, has_more_path="more"), {**NUMBER, "has_more_path": "more"}, 3),
    (PageNumberPagination(default_limit=10, total_path="n"), {**NUMBER, "total_rows_path": "n"}, 3),
    (PageNumberPagination(default_limit=10, total_header="X-Total"), {**NUMBER, "total_rows_header": "X-Total"}, 3),
    (PageNumberPagination(default_limit=10, total_path="n", end_on_404=True), {**NUMBER, "total_rows_path": "n"}, 3),
    (PageNumberPagination(default_limit=10, pages_path="p", end_on_404=True), {**NUMBER, "total_path": "p"}, 3),
    (PageNumberPagination(default_limit=10, has_more_path="m", end_on_404=True), {**NUMBER, "has_more_path": "m"}, 3),
    (CursorPagination(default_limit=10), CURSOR, 3),
    (CursorPagination(default_limit=10, last="absent"), CURSOR, 3),
    (CursorPagination(default_limit=10, last="empty"), CURSOR, 3),
    (CursorPagination(integers=True, cursor_path="p.next"), {**CURSOR, "cursor_path": "p.next", "limit": 10}, 3),
    (CursorPagination(default_limit=10, has_more_path="more"), {**CURSOR, "has_more_path": "more"}, 3),
    (CursorPagination(default_limit=10, has_more_path="more"), {**CURSOR, "stop_condition": "more is false"}, 3),
    (CursorPagination(default_limit=10), {**CURSOR, "stop_condition": "next is null"}, 3),
    (CursorPagination(default_limit=10, last="empty"), {**CURSOR, "stop_condition": "next is empty"}, 3),
    (CursorPagination(default_limit=10, total_path="n"), {**CURSOR, "total_rows_path": "n"}, 3),
    (JsonLinkPagination(default_limit=10), LINK, 3),
    (
        JsonLinkPagination(default_limit=10, relative=True, link_path="links.next"),
        {**LINK, "next_url_path": "links.next"},
        3,
    ),
    (JsonLinkPagination(default_limit=10, has_more_path="more"), {**LINK, "has_more_path": "more"}, 3),
    (JsonLinkPagination(default_limit=10, total_path="n"), {**LINK, "total_rows_path": "n"}, 3),
    (HeaderLinkPagination(default_limit=10), {"type": "header_link"}, 3),
    (HeaderLinkPagination(default_limit=10, rel="after"), {"type": "header_link", "links_next_key": "after"}, 3),
    (
        HeaderLinkPagination(default_limit=10, total_header="X-Total"),
        {"type": "header_link", "total_rows_header": "X-Total"},
        3,
    ),
    (HeaderCursorPagination(default_limit=10), {"type": "header_cursor"}, 3),
    (HeaderCursorPagination(default_limit=10, header="X-Next"), {"type": "header_cursor", "cursor_key": "x-next"}, 3),
    (HeaderCursorPagination(default_limit=10, total_path="n"), {"type": "header_cursor", "total_rows_path": "n"}, 3),
]


@pytest.mark.parametrize(("offered", "described", "requests"), EXACT)
def test_every_paginator_reads_all_rows(offered: Pagination, described: dict[str, Any], requests: int) -> None:
    with serve_endpoint(Endpoint("/rows", ROWS, pagination=offered)) as (server, url):
        assert read_ids(url, described) == list(range(25))
        assert len(server.requests) == requests
        assert sorted(read_ids(url, described, threads=4)) == list(range(25))
    with serve_endpoint(Endpoint("/rows", [], pagination=offered)) as (server, url):
        assert read_ids(url, described) == []
        assert len(server.requests) == 1


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("rows", [1, 9, 10, 11, 30, 203])
def test_the_last_page_may_be_full_or_short(rows: int, threads: int) -> None:
    for offered, described, _ in EXACT:
        with serve_endpoint(Endpoint("/rows", [{"id": n} for n in range(rows)], pagination=offered)) as (_, url):
            assert sorted(read_ids(url, described, threads=threads)) == list(range(rows)), described


@pytest.mark.parametrize(
    ("offered", "described", "expected"),
    [
        (OffsetPagination(), {**OFFSET, "offset": 5}, range(5, 25)),
        (OffsetPagination(total_path="n"), {**OFFSET, "offset": 5, "total_path": "n"}, range(5, 25)),
        (OffsetPagination(), {**OFFSET, "maximum_offset": 20}, range(20)),
        (OffsetPagination(total_path="n"), {**OFFSET, "maximum_offset": 10, "total_path": "n"}, range(10)),
        (PageNumberPagination(default_limit=10), {**NUMBER, "page": 1}, range(10, 25)),
        (PageNumberPagination(default_limit=10), {**NUMBER, "maximum_page": 2}, range(20)),
        (
            PageNumberPagination(default_limit=10, pages_path="n"),
            {**NUMBER, "maximum_page": 1, "total_path": "n"},
            range(10),
        ),
    ],
)
def test_first_and_last_page_can_be_configured(offered: Pagination, described: dict[str, Any], expected: range) -> None:
    with serve_endpoint(Endpoint("/rows", ROWS, pagination=offered)) as (_, url):
        assert read_ids(url, described) == list(expected)
        assert sorted(read_ids(url, described, threads=4)) == list(expected)


def page(*rows: Any, **around: Any) -> dict[str, Any]:
    return {"data": list(rows), **around}


# Responses one after the other, and the ids that come of them.
SCRIPTED: list[tuple[Responses, dict[str, Any], str]] = [
    ([page(A, next=1), page(next=2), page(B, next=3), page()], CURSOR, "ab"),  # an empty page in the middle
    ([page(A, next=0), page(B, next=1.5), page(C)], CURSOR, "abc"),
    ([page(A, next="x", done=False), page(B, next="y", done=True)], {**CURSOR, "stop_condition": "done is true"}, "ab"),
    ([page(A, next="x"), page(B, next="y", more=False)], {**CURSOR, "stop_condition": "more is false"}, "ab"),
    ([page(A, next="x", a=1), page(B, next="y", a=None)], {**CURSOR, "stop_condition": "a is null"}, "ab"),
    ([page(A, next="x", a=1), page(B, next="y")], {**CURSOR, "stop_condition": "a is null"}, "ab"),
    ([page(A, next="x"), page(next="y")], {**CURSOR, "stop_condition": "data is empty"}, "a"),
    ([page(A, next="x", more="True"), page(B, next="y", more="false")], {**CURSOR, "has_more_path": "more"}, "ab"),
    ([page(A, next="?n=1"), page(next="?n=2"), page(B, next="")], LINK, "ab"),
    ([page(A, {**B, "next": "?n=1"}), page(C)], {**LINK, "next_url_path": "data[-1].next"}, "abc"),
    ([page(A, n="3"), page(B, n=3), page(C, n=3)], {**OFFSET, "total_path": "n"}, "abc"),
    ([page(A, n=2), page(B, n=3), page(C, n=3)], {**OFFSET, "total_path": "n"}, "abc"),  # rows are added meanwhile
    ([page(A, n=2), page(B, n=2)], {**OFFSET, "offset": 1, "total_path": "n"}, "ab"),  # the first row has offset 1
    ([page(B, n=2), page(n=2)], {**OFFSET, "offset": 1, "total_path": "n"}, "b"),  # or 0
    ([page(A, B, n=3, next=1), page(C, n=3, next=2)], {**CURSOR, "total_rows_path": "n"}, "abc"),
    (
        [page(A, n=1, next=1)],
        {**CURSOR, "total_rows_path": "n"},
        "a",
    ),  # complete: `next` is not followed
    ([page(A, more=True), page(more=True), page(B, more=False)], {**NUMBER, "has_more_path": "more"}, "ab"),
    ([page(A, n=2), page(B, n=3), page(C, n=3)], {**NUMBER, "total_path": "n"}, "abc"),
]


@pytest.mark.parametrize(("responses", "paginator", "expected"), SCRIPTED)
def test_responses_decide_how_a_read_continues(responses: Responses, paginator: dict[str, Any], expected: str) -> None:
    assert "".join(scripted(responses, paginator)[0]) == expected


def test_parameters_that_are_sent() -> None:
    _, sent = scripted([page(A, next="a b&c=/+é"), page()], {**CURSOR, "limit": 5}, params={"q": "1"})
    assert sent == [{"q": "1", "limit": "5"}, {"q": "1", "limit": "5", "cursor": "a b&c=/+é"}]
    _, sent = scripted([page(A, next="?page=2&x=%26"), page()], LINK, params={"q": "1"})
    assert sent == [{"q": "1"}, {"page": "2", "x": "&"}]  # a link stands for itself
    _, sent = scripted([page(A, B), page(C), page()], {**OFFSET, "limit": 3})
    assert [(each["offset"], each["limit"]) for each in sent] == [("0", "3"), ("2", "3"), ("3", "3")]
    _, sent = scripted([page(A), page()], {**NUMBER, "limit": 7})
    assert sent == [{"page": "0"}, {"page": "1"}]  # as in dlt: no limit_param, no limit


LOST: list[tuple[Responses, dict[str, Any], str]] = [
    # A total that falls: the API takes a parameter of the second request for a filter.
    (
        [page(A, B, n=9, next=1), page(C, n=3, next=2)],
        {**CURSOR, "total_rows_path": "n"},
        "promised 9 rows (`n`) and sent 3",
    ),
    ([page(A, n=3, next="?n=1"), page(B, n=2)], {**LINK, "total_rows_path": "n"}, "promised 3 rows (`n`) and sent 2"),
    ([page(A, next="x"), page(B, next="x")], CURSOR, "sent the same cursor twice"),
    ([page(A, next="x"), page(B, next="y"), page(C, next="x")], CURSOR, "sent the same cursor twice"),
    ([page(A, next="?n=1"), page(B, next="?n=1")], LINK, "sent the same link twice"),
    ([page(A, next="?n=1"), page(B, next="?n=2"), page(C, next="?n=1")], LINK, "sent the same link twice"),
    (
        [(page(A), {"next": "x"}), (page(B), {"next": "x"})],
        {"type": "header_cursor"},
        "sent the same cursor twice",
    ),
    (
        [(page(A), {"Link": '<?n=1>; rel="next"'}), (page(B), {"Link": '<?n=1>; rel="next"'})],
        {"type": "header_link"},
        "sent the same link twice",
    ),
    ([page(A, next=True)], CURSOR, "is a bool"),
    ([page(A, next={"after": "secret"})], CURSOR, "is a dict"),
    ([page(A, next=["secret"])], LINK, "is a list"),
    ([page(A, next="http://example.com/rows")], LINK, "leads to another host"),
    (
        [page(A, more=1)],
        {**CURSOR, "has_more_path": "more"},
        "`has_more_path: more` is not true or false in the response",
    ),
    ([page(A)], {**OFFSET, "has_more_path": "more"}, "`has_more_path: more` is not true or false in the response"),
    ([page(A)], {**OFFSET, "total_path": "n"}, "`total_path: n` is not a whole number in the response"),
    ([page(A, n=-1)], {**OFFSET, "total_path": "n"}, "`total_path: n` is not a whole number in the response"),
    ([page(A, n=True)], {**NUMBER, "total_path": "n"}, "`total_path: n` is not a whole number in the response"),
    ([page(A)], {**CURSOR, "total_rows_path": "n"}, "`total_rows_path: n` is not a whole number in the response"),
    (
        [page(A)],
        {**CURSOR, "total_rows_header": "X-N"},
        "`total_rows_header: X-N` is not a whole number in the response",
    ),
    ([page(A, n=3), page(n=3)], {**OFFSET, "total_path": "n"}, "promised 3 rows (`n`) and sent 1"),
    (
        [page(A, n=3), page(B, n=2)],
        {**OFFSET, "total_path": "n"},
        "promised 3 rows (`n`) and sent 2",
    ),  # one was removed
    ([page(A, B, n=1)], {**OFFSET, "total_path": "n"}, "promised 1 row (`n`) and sent 2"),
    ([page(A, n=3), page(B, n=2)], {**OFFSET, "total_rows_path": "n"}, "promised 3 rows (`n`) and sent 2"),
    ([page(A, n=3), page(B, n=2)], {**NUMBER, "total_path": "n"}, "promised 3 pages (`n`) and sent 2"),
    ([page(A), page(), page(B)], {**OFFSET, "limit": 1}, "the page at 1 is empty, but a later page has rows"),
    ([page(A), page(), page(B)], {**NUMBER, "limit": 1}, "the page at 1 is empty, but a later page has rows"),
    ([page(A), page(B), page(), page(C)], NUMBER, "the page at 2 is empty, but a later page has rows"),
    (
        [page(A, more=True), page(more=True)],
        {**OFFSET, "has_more_path": "more"},
        "the page at offset 1 is empty, but `more` is true",
    ),
    ([page(A, n=3), page(n=3)], {**NUMBER, "total_path": "n"}, "page 1 is empty"),
    ([page(A, n=3), page(n=3)], {**OFFSET, "total_rows_path": "n"}, "promised 3 rows (`n`) and sent 1"),
    ([page(A, n=3), page(n=3)], {**NUMBER, "total_rows_path": "n"}, "promised 3 rows (`n`) and sent 1"),
    ([page(A, n=3, next=1), page(B, n=3)], {**CURSOR, "total_rows_path": "n"}, "promised 3 rows (`n`) and sent 2"),
    ([page(A, n=1, next=1), page(B, n=3)], LINK | {"total_rows_path": "m"}, "is not a whole number in the response"),
    ([page(A, n=2)], {"type": "single_page", "total_rows_path": "n"}, "promised 2 rows (`n`) and sent 1"),
    (
        [(page(A), {"X-N": "2"})],
        {"type": "header_link", "total_rows_header": "X-N"},
        "promised 2 rows (`X-N`) and sent 1",
    ),
    (
        [(page(A), {"X-N": "2"})],
        {"type": "header_cursor", "total_rows_header": "X-N"},
        "promised 2 rows (`X-N`) and sent 1",
    ),
    ([page(A), page(A)], OFFSET, "sent the same page twice"),
    ([page(A), page(A)], NUMBER, "sent the same page twice"),
    ([page(A), page(B), page(A)], OFFSET, "sent the same page twice"),
    ([page(A, more=True)] * 2, {**NUMBER, "has_more_path": "more"}, "sent the same page twice"),
    ([page(A, more=True), page(more=True), page(more=True)], {**NUMBER, "has_more_path": "more"}, "page 2 is empty"),
]


@pytest.mark.parametrize(("responses", "paginator", "problem"), LOST)
def test_incomplete_or_looping_pagination_fails(responses: Responses, paginator: dict[str, Any], problem: str) -> None:
    with pytest.raises(ResponseError, match=re.escape(problem)) as caught:
        scripted(responses, paginator)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ('<https://a/?p=2>; rel="next"', "https://a/?p=2"),
        ("<https://a/?p=2>;rel=next", "https://a/?p=2"),
        ('<https://a/?p=1>; rel="prev", <https://a/?p=3>; rel="next"', "https://a/?p=3"),
        ('<https://a/?ids=1,2;3&p=2>; rel="first", <https://a/?ids=1,2;3&p=3>; rel="next"', "https://a/?ids=1,2;3&p=3"),
        ('<https://a/?p=3>; rel="prev next"', "https://a/?p=3"),
        ('<https://a/?p=3>; REL="Next"', "https://a/?p=3"),
        ('<https://a/?p=3>; title="a, b; rel=\\"x\\""; rel="next"', "https://a/?p=3"),
        ('<https://a/?p=3>; rel="next"; title="a, b"', "https://a/?p=3"),
        ('<https://a/?p=3>; title="rel=next"; rel="last"', None),
        ('<https://a/?p=3>; rel="nextish"', None),
        ("<https://a/?p=3>", None),
        ("", None),
    ],
)
def test_link_headers(value: str, target: str | None) -> None:
    assert header_link(value, "next") == target


@pytest.mark.parametrize(
    ("endpoint", "paginator", "fault", "problem"),
    [
        ({"data_selector": "rows"}, NUMBER, None, r"`data_selector: rows` leads to nothing in .*\{data: list\[10\]\}"),
        ({}, NUMBER, faults.error_object(), r"`data_selector: data` leads to nothing in .*\{error: \{code: int"),
        ({}, NUMBER, faults.html(), "returned HTML or XML"),
        ({}, NUMBER, faults.truncated(), "is not valid JSON"),
        ({}, NUMBER, faults.body(b""), "is empty where JSON was expected"),
        (
            {},
            {**NUMBER, "end_on_404": True},
            faults.status(404),
            r"returned 404 \(fault 404\). Check `base_url`",
        ),
        ({}, NUMBER, faults.status(403), r"returned 403 \(fault 403\). The API needs credentials"),
        ({}, NUMBER, faults.status(304), "returned 304"),
    ],
)
def test_a_first_page_without_records_fails(
    endpoint: dict[str, Any], paginator: dict[str, Any], fault: faults.Fault | None, problem: str
) -> None:
    with serve_endpoint(Endpoint("/rows", ROWS, pagination=PageNumberPagination(default_limit=10))) as (server, url):
        if fault:
            server.faults.add(fault, times=None)
        with pytest.raises(ResponseError, match=rf"^GET {url}, page 1: .*{problem}"):
            read_ids(url, paginator, **endpoint)
    assert len(server.requests) == 1


def test_a_404_ends_a_read_only_if_configured() -> None:
    endpoint = Endpoint("/rows", ROWS, pagination=PageNumberPagination(default_limit=10, end_on_404=True))
    with (
        serve_endpoint(endpoint) as (_, url),
        pytest.raises(ResponseError, match=r"page 4: the API returned 404.*`paginator.end_on_404: true`"),
    ):
        read_ids(url, NUMBER)


def test_a_missing_selector_can_mean_an_empty_page() -> None:
    responses = [page(A, next=1), {"next": 2}, {"data": None, "next": 3}, page(B)]
    allowed = {"allow_missing_selector": True, "ignore_hints": ["next"]}
    assert scripted(responses, CURSOR, **allowed)[0] == ["a", "b"]
    assert scripted([page(A, next=1), {"n": 0}], CURSOR, allow_missing_selector=True)[0] == ["a"]
    with pytest.raises(ResponseError, match="page 2: `data_selector: data` leads to nothing"):
        scripted(responses, CURSOR)


@pytest.mark.parametrize(
    ("page_number", "kind"),
    [(1, faults.status(500)), (2, faults.error_object()), (-1, faults.cut()), (-1, faults.truncated())],
)
def test_a_failed_read_loads_nothing(shop: Shop, page_number: int, kind: faults.Fault) -> None:
    endpoint = {"paginator": {**OFFSET, "total_path": "n"}}
    with serve_endpoint(Endpoint("/rows", ROWS, pagination=OffsetPagination(total_path="n"))) as (server, url):
        shop.load(url, endpoint=endpoint)
        server.set_rows("shop", "/rows", [{"id": n} for n in range(100, 145)])
        server.faults.add(kind, page=page_number, times=None)
        with pytest.raises(ResponseError, match=rf"GET {url}"):
            shop.load(url, endpoint=endpoint)
        assert shop.ids() == list(range(25))
        server.faults.clear()
        assert shop.load(url, endpoint=endpoint).statistics.rows == 45
    assert shop.ids() == [*range(25), *range(100, 145)]
