"""Credentials for tests, and HTTP clients with credentials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from analytics_assets.rest_api.auth.authenticator import build_authenticator
from analytics_assets.rest_api.auth.credentials import Credentials, resolve_secrets
from analytics_assets.rest_api.auth.file_token_store import FileTokenStore
from analytics_assets.rest_api.config import Client, ErrorHandler
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets_tests.fake_api import Api, Auth, Endpoint, FakeServer, serve
from analytics_assets_tests.support.clock import Clock

SECRET = "s3cret/k=y"
ROWS = Endpoint("/rows", [{"id": n, "name": "Zoë"} for n in range(3)], params=frozenset({"q", "filter[at][_gte]"}))
BODY = {"data": list(ROWS.rows)}
QUERY_KEY = {"type": "api_key", "name": "key", "api_key": {"env": "SHOP_API_KEY"}, "location": "query"}
BEARER = {"type": "bearer", "token": {"env": "SHOP_API_TOKEN"}}
OAUTH = {
    "type": "oauth2",
    "client_id": {"env": "SHOP_CLIENT_ID"},
    "client_secret": {"env": "SHOP_CLIENT_SECRET"},
    "token_url": {"env": "SHOP_TOKEN_URL"},
}
LOGIN = {
    "type": "login",
    "request": {"path": "/auth/login", "json": {"email": {"env": "SHOP_EMAIL"}, "password": {"env": "SHOP_PASSWORD"}}},
    "token_path": "data.access_token",
    "expires_path": "data.expires",
    "expires_unit": "ms",
}
REFRESHED_LOGIN = {
    **LOGIN,
    "refresh": {"path": "/auth/refresh", "json": {"refresh_token": "{refresh_token}"}},
    "refresh_token_path": "$.data.refresh_token",
}


def resolve_credentials(auth: dict[str, Any], environ: Mapping[str, str]) -> Credentials:
    """The credentials of an API whose `client.auth` is this."""
    base_url = environ.get("SHOP_BASE_URL", "https://api.example.com")
    client = Client.model_validate({"base_url": base_url, "auth": auth})
    credentials = resolve_secrets(client, {}, api="shop", environ=environ).credentials
    assert credentials is not None
    return credentials


@contextmanager
def authenticated_client(
    auth: dict[str, Any],
    api_auth: Auth,
    folder: Path,
    clock: Clock,
    error_handler: ErrorHandler | None = None,
) -> Iterator[tuple[FakeServer, HttpClient, str]]:
    """An API that needs credentials, a client that has them, and the URL of the rows."""
    sandbox = FakeServer([Api("shop", [ROWS], auth=api_auth)], clock=clock.time)
    with serve(sandbox) as url:
        client = HttpClient(f"{url}/shop", error_handler=error_handler)
        client.auth = build_authenticator(
            resolve_credentials(auth, sandbox.variables(url)),
            store=FileTokenStore(folder),
            send=client.send_token_request,
            clock=clock.time,
        )
        yield sandbox, client, f"{url}/shop/rows"
        client.close()
