"""The embedded API: a real HTTP server with real auth, for the first run, the tests and the benchmarks.

    rows = [{"id": n, "updated_at": f"2026-10-{n:02}T00:00:00Z"} for n in range(1, 31)]
    updated = TimeFilter("updated_at", {"since": "{start}", "until": "{end}"})
    orders = Endpoint("/v1/orders", rows, pagination=CursorPagination(max_limit=10, has_more_path="hasNext"), updated=updated)
    sandbox = Sandbox([Api("shop", [orders], auth=Bearer("token"))])
    sandbox.faults.add(faults.status(429, headers={"Retry-After": "1"}), path="/v1/orders", page=2)

    with serve(sandbox) as url:
        ...                                      # GET {url}/shop/v1/orders
    assert [record.status for record in sandbox.requests] == [200, 429, 200, 200]
    assert not sandbox.faults.unused()

`sandbox.variables(url)` is the environment that leads a client there (SHOP_BASE_URL, SHOP_API_TOKEN).
The built-in APIs are in `builtin`; `python -m analytics_assets.sandbox` runs them alone.
"""

from analytics_assets.sandbox import faults
from analytics_assets.sandbox.api import Api, Endpoint
from analytics_assets.sandbox.app import Record, Sandbox
from analytics_assets.sandbox.auth import ApiKey, Bearer, HttpBasic, OAuth2
from analytics_assets.sandbox.exchange import Request, Response
from analytics_assets.sandbox.filters import TimeFilter
from analytics_assets.sandbox.pagination import (
    CursorPagination,
    HeaderCursorPagination,
    HeaderLinkPagination,
    JsonLinkPagination,
    OffsetPagination,
    PageNumberPagination,
    SinglePagePagination,
)
from analytics_assets.sandbox.server import serve

__all__ = [
    "Api",
    "ApiKey",
    "Bearer",
    "CursorPagination",
    "Endpoint",
    "HeaderCursorPagination",
    "HeaderLinkPagination",
    "HttpBasic",
    "JsonLinkPagination",
    "OAuth2",
    "OffsetPagination",
    "PageNumberPagination",
    "Record",
    "Request",
    "Response",
    "Sandbox",
    "SinglePagePagination",
    "TimeFilter",
    "faults",
    "serve",
]
