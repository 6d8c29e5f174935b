"""Wrong settings that would load a part of the data, and the right ones beside them.

Each API has 151 rows in pages of 50, and ignores parameters that it does not know, as most APIs do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics_assets_tests.fake_api import (
    CursorPagination,
    HeaderCursorPagination,
    HeaderLinkPagination,
    JsonLinkPagination,
    OffsetPagination,
    PageNumberPagination,
    Pagination,
)

ROWS = tuple({"id": number, "name": f"row {number}"} for number in range(151))


@dataclass(frozen=True, kw_only=True)
class WrongSetting:
    """An API, a configuration of its endpoint that is wrong, and the one that is right.

    Attributes:
        name: What is wrong.
        api: The pagination that the API offers.
        wrong: The wrong paginator.
        right: The right paginator.
        error: What the error names, as a regular expression: the key to correct among it.
        selector: Where the API has the records.
        extra: Further fields of each body, by path.
        endpoint: Further keys of both endpoints.
        wrong_endpoint: Further keys of the wrong endpoint.
        resource: Further keys of both resources.
    """

    name: str
    api: Pagination
    wrong: Mapping[str, Any]
    right: Mapping[str, Any]
    error: str
    selector: str = "data"
    extra: Mapping[str, Any] = field(default_factory=dict)
    endpoint: Mapping[str, Any] = field(default_factory=dict)
    wrong_endpoint: Mapping[str, Any] = field(default_factory=dict)
    resource: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


SINGLE = {"type": "single_page"}
KEYLESS = {"write_disposition": "replace", "primary_key": None}


def cursor(path: str, **keys: Any) -> dict[str, Any]:
    return {"type": "cursor", "cursor_param": "cursor", "cursor_path": path, **keys}


def link(path: str, **keys: Any) -> dict[str, Any]:
    return {"type": "json_link", "next_url_path": path, **keys}


def offset(**keys: Any) -> dict[str, Any]:
    return {"type": "offset", "limit": 50, **keys}


def number(**keys: Any) -> dict[str, Any]:
    return {"type": "page_number", "limit": 50, **keys}


def cursors(path: str, **keys: Any) -> CursorPagination:
    return CursorPagination(default_limit=50, cursor_path=path, **keys)


def links(path: str, **keys: Any) -> JsonLinkPagination:
    return JsonLinkPagination(default_limit=50, link_path=path, **keys)


def link_headers(**keys: Any) -> HeaderLinkPagination:
    return HeaderLinkPagination(default_limit=50, **keys)


def cursor_headers(**keys: Any) -> HeaderCursorPagination:
    return HeaderCursorPagination(default_limit=50, **keys)


def offsets(**keys: Any) -> OffsetPagination:
    return OffsetPagination(default_limit=50, max_limit=50, **keys)


def numbers(**keys: Any) -> PageNumberPagination:
    return PageNumberPagination(default_limit=50, max_limit=50, base=1, **keys)


# Hints under the names that APIs give them: the cursor stands at a place that no hint names.
HINTS: Mapping[str, tuple[dict[str, Any], str]] = {
    "total": ({"total_path": "total"}, "`total` is 151"),
    "count": ({"total_path": "count"}, "`count` is 151"),
    "meta.total_count": ({"total_path": "meta.total_count"}, "`meta.total_count` is 151"),
    "page.totalElements": ({"total_path": "page.totalElements"}, "`page.totalElements` is 151"),
    "meta.pagination.total": ({"total_path": "meta.pagination.total"}, "`meta.pagination.total` is 151"),
    "recordsTotal": ({"total_path": "recordsTotal"}, "`recordsTotal` is 151"),
    "@odata.count": ({"total_path": "@odata.count"}, ""),
    "X-Total-Count": ({"total_header": "X-Total-Count"}, "`x-total-count` is 151"),
    "X-WP-Total": ({"total_header": "X-WP-Total"}, "`x-wp-total` is 151"),
    "Pagination-Count": ({"total_header": "Pagination-Count"}, "`pagination-count` is 151"),
    "hasMore": ({"has_more_path": "hasMore"}, "`hasMore` is true"),
    "has_more": ({"has_more_path": "has_more"}, "`has_more` is true"),
    "hasNext": ({"has_more_path": "hasNext"}, "`hasNext` is true"),
    "pageInfo.hasNextPage": ({"has_more_path": "pageInfo.hasNextPage"}, "`pageInfo.hasNextPage` is true"),
}
NEXT_PATHS = (
    "next", "next_cursor", "next_page_token", "nextPageToken", "nextLink", "links.next", "paging.next",
    "meta.next_page",
)  # fmt: skip

SINGLE_PAGE = [
    *(
        WrongSetting(
            name=f"single_page, {hint}",
            api=cursors("marker", **keys),
            wrong=SINGLE,
            right=cursor("marker"),
            error=rf"{says}.*`endpoint.paginator`.*`single_page`",
        )
        for hint, (keys, says) in HINTS.items()
        if hint != "@odata.count"  # a dot in a name is a path to the sandbox
    ),
    *(
        WrongSetting(
            name=f"single_page, {path}",
            api=links(path),
            wrong=SINGLE,
            right=link(path),
            error=rf"`{path}` leads to a next page.*`endpoint.paginator`.*`single_page`",
        )
        for path in NEXT_PATHS
    ),
    WrongSetting(
        name="single_page, Link header",
        api=link_headers(),
        wrong=SINGLE,
        right={"type": "header_link"},
        error=r"`Link` leads to a next page.*`endpoint.paginator`",
    ),
    WrongSetting(
        name="single_page, total_pages",
        api=numbers(pages_path="total_pages"),
        wrong=SINGLE,
        right=number(start_from_page=1, total_path="total_pages"),
        error=r"`total_pages` is 4.*`endpoint.paginator`",
    ),
]
CURSOR = [
    *(
        WrongSetting(
            name=f"cursor_path misspelt for {path}",
            api=cursors(path),
            wrong=cursor("nextToken"),
            right=cursor(path),
            error=rf"`{path}` leads to a next page.*`paginator.cursor_path: nextToken`",
        )
        for path in NEXT_PATHS
    ),
    *(
        WrongSetting(
            name=f"cursor_path misspelt, {hint}",
            api=cursors("marker", **HINTS[hint][0]),
            wrong=cursor("markr"),
            right=cursor("marker"),
            error=rf"{HINTS[hint][1]}.*`paginator.cursor_path: markr`",
        )
        for hint in ("total", "X-Total-Count", "has_more", "meta.total_count")
    ),
    WrongSetting(
        name="cursor_param that the API ignores",
        api=cursors("next"),
        wrong=cursor("next", cursor_param="page_token"),
        right=cursor("next"),
        error=r"sent the same (page|cursor) twice.*parameter",
    ),
    WrongSetting(
        name="cursor_param that the API ignores, no primary key",
        api=cursors("next"),
        wrong=cursor("next", cursor_param="page_token"),
        right=cursor("next"),
        error=r"sent the same cursor twice.*parameter",
        resource=KEYLESS,
    ),
    WrongSetting(
        name="stop_condition that ends the first page",
        api=cursors("next", has_more_path="hasNext", total_path="total"),
        wrong=cursor("next", stop_condition="hasNext is true"),
        right=cursor("next", stop_condition="hasNext is false"),
        error=r"`total` is 151.*`paginator.cursor_path: next`",
    ),
    WrongSetting(
        name="has_more_path that means the page before",
        api=cursors("next", has_more_path="hasMore"),
        extra={"hasPrevious": False},
        wrong=cursor("next", has_more_path="hasPrevious"),
        right=cursor("next", has_more_path="hasMore"),
        error=r"`hasMore` is true.*`paginator.cursor_path: next`",
    ),
    WrongSetting(
        name="total_rows_path that counts the page",
        api=cursors("next", total_path="total"),
        extra={"count": 50},
        wrong=cursor("next", total_rows_path="count"),
        right=cursor("next", total_rows_path="total"),
        error=r"`total` is 151.*`paginator",
    ),
]
LINKS = [
    *(
        WrongSetting(
            name=f"next_url_path misspelt for {path}",
            api=links(path),
            wrong=link("nextUrl"),
            right=link(path),
            error=rf"`{path}` leads to a next page.*`paginator.next_url_path: nextUrl`",
        )
        for path in ("next", "links.next", "paging.next", "nextLink")
    ),
    WrongSetting(
        name="next_url_path misspelt, total",
        api=links("more_rows", total_path="total"),
        wrong=link("more_row"),
        right=link("more_rows"),
        error=r"`total` is 151.*`paginator.next_url_path: more_row`",
    ),
    WrongSetting(
        name="header_link on an API without Link headers",
        api=links("next"),
        wrong={"type": "header_link"},
        right=link("next"),
        error=r"`next` leads to a next page.*the header `Link`",
    ),
    WrongSetting(
        name="header_link on an API without Link headers, total in a header",
        api=cursors("marker", total_header="X-Total"),
        wrong={"type": "header_link"},
        right=cursor("marker"),
        error=r"`x-total` is 151.*the header `Link`",
    ),
    WrongSetting(
        name="links_next_key misspelt",
        api=link_headers(),
        wrong={"type": "header_link", "links_next_key": "nxt"},
        right={"type": "header_link"},
        error=r"`Link` leads to a next page.*`paginator.links_next_key: nxt`",
    ),
    WrongSetting(
        name="cursor_key misspelt",
        api=cursor_headers(header="X-Next-Cursor"),
        wrong={"type": "header_cursor", "cursor_key": "X-Next"},
        right={"type": "header_cursor", "cursor_key": "X-Next-Cursor"},
        error=r"`x-next-cursor` leads to a next page.*`paginator.cursor_key: X-Next`",
    ),
    WrongSetting(
        name="cursor_key misspelt, total",
        api=cursor_headers(header="marker", total_path="total"),
        wrong={"type": "header_cursor", "cursor_key": "markr"},
        right={"type": "header_cursor", "cursor_key": "marker"},
        error=r"`total` is 151.*`paginator.cursor_key: markr`",
    ),
    WrongSetting(
        name="header_cursor whose parameter the API ignores",
        api=cursor_headers(header="next"),
        wrong={"type": "header_cursor", "cursor_param": "after"},
        right={"type": "header_cursor"},
        error=r"sent the same (page|cursor) twice.*parameter",
    ),
]
NUMBERED = [
    WrongSetting(
        name="offset_param that the API ignores",
        api=offsets(),
        wrong=offset(offset_param="skip"),
        right=offset(),
        error=r"sent the same page twice.*`paginator.offset_param`",
    ),
    WrongSetting(
        name="offset on an API with cursors",
        api=cursors("next_cursor"),
        wrong=offset(),
        right=cursor("next_cursor"),
        error=r"sent the same page twice.*`paginator.offset_param`",
    ),
    WrongSetting(
        name="total_path of offset that counts the page",
        api=offsets(total_path="total"),
        extra={"count": 50},
        wrong=offset(total_path="count"),
        right=offset(total_path="total"),
        error=r"`total` is 151.*`paginator.offset_param`",
    ),
    WrongSetting(
        name="has_more_path of offset that means the page before",
        api=offsets(has_more_path="has_more"),
        extra={"has_previous": False},
        wrong=offset(has_more_path="has_previous"),
        right=offset(has_more_path="has_more"),
        error=r"`has_more` is true.*`paginator.offset_param`",
    ),
    WrongSetting(
        name="page_param that the API ignores",
        api=numbers(),
        wrong=number(start_from_page=1, page_param="p"),
        right=number(start_from_page=1),
        error=r"sent the same page twice.*`paginator.page_param`",
    ),
    WrongSetting(
        name="start_from_page after the API's first page, total",
        api=numbers(total_path="total"),
        wrong=number(start_from_page=2),
        right=number(start_from_page=1),
        error=r"`total` is 151.*`paginator.start_from_page`",
    ),
    WrongSetting(
        name="start_from_page after the API's first page, total_pages",
        api=numbers(pages_path="total_pages"),
        wrong=number(start_from_page=2),
        right=number(start_from_page=1),
        error=r"`total_pages` is 4.*`paginator.start_from_page`|promised 4 pages",
    ),
    WrongSetting(
        name="start_from_page before the API's first page",
        api=numbers(),
        wrong=number(),
        right=number(start_from_page=1),
        error=r"returned 400 \(page must be an integer of at least 1\).*paginator",
    ),
    WrongSetting(
        name="total_path of page_number that counts rows",
        api=numbers(total_path="total"),
        wrong=number(start_from_page=1, total_path="total"),
        right=number(start_from_page=1, total_rows_path="total"),
        error=r"counts pages; write `total_rows_path: total`|page \d+ is empty, but `total`",
    ),
    WrongSetting(
        name="total_path of page_number that is the number of the page",
        api=numbers(total_path="total"),
        extra={"current_page": 1},
        wrong=number(start_from_page=1, total_path="current_page"),
        right=number(start_from_page=1, total_rows_path="total"),
        error=r"`total` is 151.*`paginator.page_param`",
    ),
    WrongSetting(
        name="a 404 past the last page",
        api=numbers(end_on_404=True),
        wrong=number(start_from_page=1),
        right=number(start_from_page=1, end_on_404=True),
        error=r"returned 404.*`paginator.end_on_404: true`",
    ),
]
SELECTORS = [
    WrongSetting(
        name="data_selector one level too high",
        api=cursors("data.next"),
        selector="data.items",
        wrong=cursor("data.next"),
        right=cursor("data.next"),
        wrong_endpoint={"data_selector": "data"},
        error=r"`data_selector: data` leads to an object.*did you mean `data_selector: data.items`\?",
    ),
    WrongSetting(
        name="data_selector one level too high, no primary key",
        api=offsets(),
        selector="result.rows",
        wrong=offset(),
        right=offset(),
        wrong_endpoint={"data_selector": "result"},
        error=r"did you mean `data_selector: result.rows`\?",
        resource=KEYLESS,
    ),
    WrongSetting(
        name="data_selector misspelt",
        api=offsets(),
        selector="results",
        wrong=offset(),
        right=offset(),
        wrong_endpoint={"data_selector": "result"},
        error=r"leads to nothing.*did you mean `data_selector: results`\?",
    ),
    *(
        WrongSetting(
            name=f"data_selector misspelt, and may be missing, {name}",
            api=api,
            selector="results",
            wrong=paginator,
            right=paginator,
            wrong_endpoint={"data_selector": "result", "allow_missing_selector": True},
            error=rf"`data_selector: result` leads to nothing, but {says}.*did you mean `data_selector: results`\?",
        )
        for name, api, paginator, says in (
            ("cursor", cursors("next"), cursor("next"), "the API says that there are rows"),
            ("json_link", links("next"), link("next"), "the API says that there are rows"),
            ("offset", offsets(), offset(), "there is a list of objects"),
            ("offset with a total", offsets(total_path="n"), offset(total_path="n"), "there is a list of objects"),
            ("page_number", numbers(), number(start_from_page=1), "there is a list of objects"),
            ("header_link", link_headers(), {"type": "header_link"}, "there is a list of objects"),
            ("header_cursor", cursor_headers(), {"type": "header_cursor"}, "there is a list of objects"),
        )
    ),
]
CASES = [*SINGLE_PAGE, *CURSOR, *LINKS, *NUMBERED, *SELECTORS]
