"""The two built-in APIs, as defs/recruiting and defs/treasury describe them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from analytics_assets.sandbox import data
from analytics_assets.sandbox.api import Api, Endpoint
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.auth import ApiKey
from analytics_assets.sandbox.filters import TimeFilter
from analytics_assets.sandbox.oauth2 import OAuth2
from analytics_assets.sandbox.pagination import CursorPagination, OffsetPagination

ROWS: dict[tuple[str, str], Callable[[], list[dict[str, Any]]]] = {
    ("recruiting", "opportunities"): data.opportunities,
    ("recruiting", "users"): data.users,
    ("treasury", "cash_drawers"): data.cash_drawers,
    ("treasury", "bank_accounts"): data.bank_accounts,
}


def rows(api: str, resource: str) -> list[dict[str, Any]]:
    """All rows of a resource, as the API returns them."""
    return ROWS[api, resource]()


def recruiting() -> Api:
    """Cursor pages of 50, at most 100; a filter by `updatedAt`; OAuth2 by refresh token, or an API key."""
    pagination = CursorPagination(cursor_param="offset", has_more_path="hasNext", default_limit=50, max_limit=100)
    bounds = {"updated_at_start": "{start}", "updated_at_end": "{end}"}
    oauth2 = OAuth2(
        client_id="sandbox-recruiting",
        client_secret=_credential("client-secret"),
        refresh_token=_credential("refresh-token"),
        rotate=True,
        reusable=True,  # so that a client without its stored tokens is not locked out
    )
    endpoints = [
        Endpoint(
            f"/v1/{name}",
            rows("recruiting", name),
            pagination=pagination,
            updated=TimeFilter("updatedAt", bounds, format="epoch_ms"),
            params=frozenset({"expand"}),
        )
        for name in ("opportunities", "users")
    ]
    return Api("recruiting", endpoints, auth=(oauth2, ApiKey(_credential("api-key"))))


def treasury() -> Api:
    """Offset pages of at most 100; a filter by `updated_at`; OAuth2 by client credentials."""
    bounds = {"updated_from": "{start}", "updated_to": "{end}"}
    oauth2 = OAuth2(client_id="sandbox-treasury", client_secret=_credential("client-secret"))
    endpoints = [
        Endpoint(
            f"/v1/{name}",
            rows("treasury", name),
            pagination=OffsetPagination(max_limit=100),
            updated=TimeFilter("updated_at", bounds),
        )
        for name in ("cash_drawers", "bank_accounts")
    ]
    return Api("treasury", endpoints, auth=oauth2)


APIS: dict[str, Callable[[], Api]] = {"recruiting": recruiting, "treasury": treasury}


def build_sandbox(*others: Api) -> Sandbox:
    """Both APIs, and others, on one server."""
    return Sandbox([*(build_api() for build_api in APIS.values()), *others])


def variables(api: str, url: str) -> dict[str, str]:
    """The environment variables of a client of a built-in API, on the server at `url`."""
    return APIS[api]().variables(url)


def _credential(name: str) -> str:
    """Not a secret: it gives access to invented data on the loopback interface."""
    return f"sandbox-{name}"
