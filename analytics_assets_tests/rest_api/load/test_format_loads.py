"""Loads of CSV and JSON lines: the same rows, pages and proofs of completeness as with JSON."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.load.table import load_table
from analytics_assets_tests.fake_api import (
    HeaderLinkPagination,
    OffsetPagination,
    PageNumberPagination,
    Pagination,
    Row,
    SinglePagePagination,
    TextEndpoint,
    as_csv,
    as_json_lines,
    faults,
    serve_endpoint,
)
from analytics_assets_tests.support.shop import Shop

ROWS: list[dict[str, Any]] = [{"id": n, "name": f"name {n}"} for n in range(25)]
PAGES: list[tuple[Pagination, dict[str, Any]]] = [
    (SinglePagePagination(), {"type": "single_page"}),
    (OffsetPagination(max_limit=10), {"type": "offset", "limit": 10}),
    (PageNumberPagination(max_limit=10), {"type": "page_number"}),
    (HeaderLinkPagination(max_limit=10), {"type": "header_link"}),
]
FORMATS: list[tuple[str, Callable[[Sequence[Row]], bytes]]] = [("csv", as_csv), ("jsonl", as_json_lines)]


def packed(write: Callable[[Sequence[Row]], bytes], rows: Sequence[Row]) -> bytes:
    return gzip.compress(write(rows))


@pytest.mark.parametrize(
    ("pagination", "paginator"), PAGES, ids=lambda value: getattr(value, "get", lambda _: "")("type")
)
@pytest.mark.parametrize(("format", "write"), FORMATS, ids=["csv", "jsonl"])
def test_all_pages_are_loaded(
    format: str, write: Callable[[Sequence[Row]], bytes], pagination: Pagination, paginator: dict[str, Any], shop: Shop
) -> None:
    endpoint = {"format": format, "data_selector": "$", "paginator": paginator}
    with serve_endpoint(TextEndpoint("/rows", ROWS, pagination=pagination, write=write)) as (_, url):
        result = shop.load(url, endpoint=endpoint, columns={"id": {"data_type": "bigint"}})
    assert result.rows == 25
    assert shop.query("SELECT id, name FROM shop.rows ORDER BY id") == [(row["id"], row["name"]) for row in ROWS]


def test_a_file_of_a_gzip_type_is_loaded(shop: Shop) -> None:
    described = {"format": "csv", "data_selector": "$"}
    headers = {"Content-Type": "application/gzip", "Content-Disposition": 'attachment; filename="rows.csv.gz"'}
    served = TextEndpoint("/rows", ROWS, write=partial(packed, as_csv), text_headers=headers)
    with serve_endpoint(served) as (server, url):
        shop.load(url, endpoint=described)
        assert server.requests[0].request.headers["accept"] == "text/csv, */*;q=0.5"
    assert sorted(shop.ids()) == sorted(str(row["id"]) for row in ROWS)


def test_cells_of_undeclared_columns_are_text(shop: Shop) -> None:
    rows = [{"id": "007", "name": ""}, {"id": "1.50", "name": "true"}]
    with serve_endpoint(TextEndpoint("/rows", rows)) as (_, url):
        shop.load(url, endpoint={"format": "csv", "data_selector": "$"})
    assert shop.query("SELECT id, name FROM shop.rows ORDER BY id") == [("007", None), ("1.50", "true")]


def test_fields_of_csv_are_masked(shop: Shop) -> None:
    with serve_endpoint(TextEndpoint("/rows", ROWS, write=partial(as_csv, names=("id", "name")))) as (_, url):
        request = shop.request(
            url,
            endpoint={"format": "csv", "data_selector": "$"},
            exclude=("name",),
            hash={"id": {"env": "SALT"}},
        )
        load_table(replace(request, environ={"SALT": "0123456789abcdef"}))
    assert [len(row_id) for row_id in shop.ids()] == [64] * 25
    columns = shop.query("SELECT column_name FROM information_schema.columns WHERE table_name = 'rows'")
    assert ("name",) not in columns


def test_a_body_that_is_cut_off_is_requested_again(shop: Shop) -> None:
    with serve_endpoint(TextEndpoint("/rows", ROWS)) as (server, url):
        server.faults.add(faults.cut(), path="/rows")
        shop.load(url, endpoint={"format": "csv", "data_selector": "$"})
        assert len(server.requests) == 2
    assert len(shop.ids()) == 25


def test_a_total_in_a_header_is_checked(shop: Shop) -> None:
    served = TextEndpoint("/rows", ROWS, text_headers={"Content-Type": "text/csv", "X-Total-Count": "26"})
    with (
        serve_endpoint(served) as (_, url),
        pytest.raises(ResponseError, match="more rows than the 25 rows"),
    ):
        shop.load(url, endpoint={"format": "csv", "data_selector": "$"})


def test_an_error_names_request_and_line(shop: Shop) -> None:
    with serve_endpoint(TextEndpoint("/rows", ROWS, write=lambda _: b"id,name\n1\n")) as (_, url):
        with pytest.raises(ResponseError) as caught:
            shop.load(url, endpoint={"format": "csv", "data_selector": "$"})
        assert str(caught.value).startswith(f"GET {url}, page 1: line 2 of the CSV has 1 cells, but the header has 2")
