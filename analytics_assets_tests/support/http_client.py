"""A plain HTTP client for tests: requests without retries and redirects, and a reader that follows pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import urllib3

HttpResponse = urllib3.BaseHTTPResponse
Query = Mapping[str, str]
http = urllib3.PoolManager(retries=False, timeout=30)


def get(url: str, query: Query | None = None, **headers: str) -> HttpResponse:
    return http.request("GET", url, fields=query, headers=headers)


def post_form(url: str, fields: Mapping[str, str], **headers: str) -> HttpResponse:
    return http.request("POST", url, fields=fields, encode_multipart=False, headers=headers)


def read_pages(
    url: str, next_request: Callable[[HttpResponse, int], Query | str | None], query: Query | None = None
) -> list[list[Any]]:
    """The rows of each page.

    Args:
        url: The endpoint.
        next_request: Gets a response and the number of rows so far. Returns the query or the URL of the next page, or
            None after the last page.
        query: Query parameters of all requests.
    """
    pages: list[list[Any]] = []
    following: Query | str | None = {}
    while following is not None:
        response = get(following) if isinstance(following, str) else get(url, {**(query or {}), **following})
        if response.status == 404:
            break
        assert response.status == 200, response.data
        body = response.json()
        pages.append(body if isinstance(body, list) else body["data"])
        following = next_request(response, sum(map(len, pages)))
    return pages
