"""A fake API server for tests: the sandbox, with every pagination and authentication, records of requests, and faults.

    rows = [{"id": n, "updated_at": f"2026-10-{n:02}T00:00:00Z"} for n in range(1, 31)]
    updated = TimeFilter("updated_at", {"since": "{start}", "until": "{end}"})
    pages = CursorPagination(max_limit=10, has_more_path="hasNext")
    orders = Endpoint("/v1/orders", rows, pagination=pages, updated=updated)
    server = FakeServer([Api("shop", [orders], auth=Bearer("token"))])
    server.faults.add(faults.status(429, headers={"Retry-After": "1"}), path="/v1/orders", page=2)

    with serve(server) as url:
        ...                                      # GET {url}/shop/v1/orders
    assert [record.status for record in server.requests] == [200, 429, 200, 200]
    assert not server.faults.unused()

`server.variables(url)` is the environment of a client (SHOP_BASE_URL, SHOP_API_TOKEN).
"""

from analytics_assets.sandbox.api import Row
from analytics_assets.sandbox.app import Exchange
from analytics_assets.sandbox.auth import Auth
from analytics_assets.sandbox.filters import Bounds
from analytics_assets.sandbox.http import Request, Response
from analytics_assets.sandbox.pagination import Page, Pagination
from analytics_assets_tests.fake_api import faults
from analytics_assets_tests.fake_api.api import Api, Endpoint
from analytics_assets_tests.fake_api.auth import ApiKey, Bearer, HttpBasic, OAuth2
from analytics_assets_tests.fake_api.faults import Fault
from analytics_assets_tests.fake_api.filters import TimeFilter
from analytics_assets_tests.fake_api.login import Login
from analytics_assets_tests.fake_api.pagination import (
    AfterIdPagination,
    CursorPagination,
    HeaderCursorPagination,
    HeaderLinkPagination,
    JsonLinkPagination,
    OffsetPagination,
    PageNumberPagination,
    SinglePagePagination,
)
from analytics_assets_tests.fake_api.responses import FaultyResponse
from analytics_assets_tests.fake_api.server import FakeServer, Record, builtin_server, serve, serve_endpoint
from analytics_assets_tests.fake_api.text import TextEndpoint, as_csv, as_json_lines

__all__ = [
    "AfterIdPagination",
    "Api",
    "ApiKey",
    "Auth",
    "Bearer",
    "Bounds",
    "CursorPagination",
    "Endpoint",
    "Exchange",
    "FakeServer",
    "Fault",
    "FaultyResponse",
    "HeaderCursorPagination",
    "HeaderLinkPagination",
    "HttpBasic",
    "JsonLinkPagination",
    "Login",
    "OAuth2",
    "OffsetPagination",
    "Page",
    "PageNumberPagination",
    "Pagination",
    "Record",
    "Request",
    "Response",
    "Row",
    "SinglePagePagination",
    "TextEndpoint",
    "TimeFilter",
    "as_csv",
    "as_json_lines",
    "builtin_server",
    "faults",
    "serve",
    "serve_endpoint",
]
