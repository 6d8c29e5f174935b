"""How these tests ask: requests without retries and redirects, and walks that follow an API's own signs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import urllib3

from analytics_assets.sandbox import Api, Endpoint, Sandbox, serve

Answer = urllib3.BaseHTTPResponse
Query = Mapping[str, str]
http = urllib3.PoolManager(retries=False, timeout=30)


def get(url: str, query: Query | None = None, **headers: str) -> Answer:
    return http.request("GET", url, fields=query, headers=headers)


def post_form(url: str, fields: Mapping[str, str], **headers: str) -> Answer:
    return http.request("POST", url, fields=fields, encode_multipart=False, headers=headers)


@contextmanager
def serving(endpoint: Endpoint, **api: Any) -> Iterator[tuple[Sandbox, str]]:
    """A sandbox with one endpoint, and the endpoint's URL."""
    sandbox = Sandbox([Api("shop", [endpoint], **api)])
    with serve(sandbox) as url:
        yield sandbox, f"{url}/shop{endpoint.path}"


def walk(url: str, follow: Callable[[Answer, int], Query | str | None], query: Query | None = None) -> list[list[Any]]:
    """The rows of `data`, page by page; `follow` reads from an answer and the rows so far how to go on."""
    pages: list[list[Any]] = []
    more: Query | str | None = {}
    while more is not None:
        answer = get(more) if isinstance(more, str) else get(url, {**(query or {}), **more})
        if answer.status == 404:
            break
        assert answer.status == 200, answer.data
        body = json.loads(answer.data)
        pages.append(body if isinstance(body, list) else body["data"])
        more = follow(answer, sum(map(len, pages)))
    return pages
