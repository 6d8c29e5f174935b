"""Authentication of single endpoints, and OAuth2 grants, in loads."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from analytics_assets.rest_api.errors import CredentialsError
from analytics_assets.rest_api.load.table import load_table
from analytics_assets_tests.docs.markdown import blocks
from analytics_assets_tests.fake_api import (
    Api,
    ApiKey,
    Auth,
    Bearer,
    Endpoint,
    FakeServer,
    HttpBasic,
    Login,
    OAuth2,
    serve,
)
from analytics_assets_tests.support.auth import BEARER, LOGIN, OAUTH, SECRET
from analytics_assets_tests.support.project import ROOT
from analytics_assets_tests.support.shop import Shop
from analytics_assets_tests.support.token_server import CLIENT_ID, OAUTH2, TokenServer, access_token, authenticator

USER = {"username": {"env": "SHOP_USERNAME"}, "password": {"env": "SHOP_PASSWORD"}}
BASIC = {"type": "http_basic", **USER}
BOTH = (Bearer("t0ken"), HttpBasic("ann", "pa55word"))


def load(
    shop: Shop,
    auth: Auth | tuple[Auth, ...],
    *,
    client: Any = None,
    endpoint: Mapping[str, Any] | None = None,
    unset: str = "",
) -> FakeServer:
    """Load rows from an API with this authentication. `unset` is a variable without a value."""
    server = FakeServer([Api("shop", [Endpoint("/rows", [{"id": 1}])], auth=auth)])
    with serve(server) as url:
        keys = {"auth": client} if client else {}
        request = shop.request(f"{url}/shop/rows", client=keys, endpoint=endpoint or {})
        load_table(replace(request, environ={**server.variables(url), unset: ""}))
    assert shop.ids() == [1]
    return server


@pytest.mark.parametrize(
    ("client", "endpoint", "user"),
    [
        (BEARER, {}, "bearer"),
        (BEARER, {"auth": [BASIC]}, "ann"),
        (None, {"auth": [BASIC]}, "ann"),
        ([BASIC], {"auth": [{"type": "bearer", "token": {"env": "UNSET"}}, BEARER]}, "bearer"),
    ],
)
def test_auth_of_an_endpoint_replaces_that_of_the_client(
    client: Any, endpoint: dict[str, Any], user: str, shop: Shop
) -> None:
    assert [record.user for record in load(shop, BOTH, client=client, endpoint=endpoint).requests] == [user]


def test_endpoint_without_authentication_sends_no_credentials(shop: Shop) -> None:
    (record,) = load(shop, (), client=BEARER, endpoint={"auth": []}, unset="SHOP_API_TOKEN").requests
    assert "authorization" not in record.request.headers


@pytest.mark.parametrize(
    ("auth", "unset", "expected"),
    [
        (
            [BASIC],
            "SHOP_PASSWORD",
            "the credentials of shop are partially set: http_basic lacks SHOP_PASSWORD (SHOP_USERNAME set). ",
        ),
        (
            [{**BASIC, "password": "", "username": "a:b"}],
            "",
            "the user name of shop contains a colon, which HTTP basic authentication does not allow. Check "
            "`endpoint.auth`.",
        ),
    ],
)
def test_error_names_the_variables_of_the_endpoint(
    auth: list[dict[str, Any]], unset: str, expected: str, shop: Shop
) -> None:
    with pytest.raises(CredentialsError) as caught:
        load(shop, BOTH, client=BEARER, endpoint={"auth": auth}, unset=unset)
    assert str(caught.value).startswith(expected)


def test_several_endpoints_share_one_login(shop: Shop) -> None:
    """A warehouse has one token store, whatever the level of `auth`."""
    server = FakeServer([Api("shop", [Endpoint("/rows", [{"id": 1}])], auth=Login("ann", "pa55word"))])
    with serve(server) as url:
        for keys in ({"client": {"auth": LOGIN}}, {"endpoint": {"auth": [LOGIN]}}):
            request = shop.request(f"{url}/shop/rows", **keys)
            load_table(replace(request, environ=server.variables(url)))
    assert [record.request.path for record in server.requests] == ["/shop/auth/login", "/shop/rows", "/shop/rows"]


@pytest.mark.parametrize("client_auth", ["body", "basic", "json"])
@pytest.mark.parametrize(
    ("keys", "grant"),
    [
        ({}, {}),
        ({"refresh_token": {"env": "SHOP_REFRESH_TOKEN"}}, {"refresh_token": "r3fresh", "rotate": True}),
        ({"grant_type": "password", **USER}, {"user": ("ann", "pa55word")}),
    ],
)
def test_grants_and_places_of_oauth2_credentials(
    client_auth: Any, keys: dict[str, Any], grant: dict[str, Any], shop: Shop
) -> None:
    api = OAuth2("client", "s3cret", client_auth=client_auth, fields={"scope": "read"}, **grant)
    auth = {**OAUTH, **keys, "client_auth": client_auth, "scope": "read"}
    server = load(shop, api, client=auth)
    assert [record.status for record in server.requests] == [200, 200]
    content_type = server.requests[0].request.headers["content-type"]
    assert content_type == ("application/json" if client_auth == "json" else "application/x-www-form-urlencoded")


def test_wrong_password_names_the_variables(shop: Shop) -> None:
    api = OAuth2("client", "s3cret", user=("ann", "pa55word"))
    with pytest.raises(
        CredentialsError, match=r"returned 400 \(invalid_grant\). Check SHOP_CLIENT_ID, .*SHOP_PASSWORD"
    ):
        load(shop, api, client={**OAUTH, "grant_type": "password", **USER, "username": "bob"})


def test_client_without_a_secret_sends_none(server: TokenServer, tmp_path: Path) -> None:
    auth = {**OAUTH2, "client_secret": "", "grant_type": "password", "username": "ann", "password": {"env": "PASSWORD"}}
    server.prepared.append((200, {"access_token": "acc3ss-1"}))
    access_token(authenticator(tmp_path, {**server.environ, "PASSWORD": "pa55word"}, auth))
    [(fields, _)] = server.requests
    assert fields == {"grant_type": "password", "client_id": CLIENT_ID, "username": "ann", "password": "pa55word"}


@pytest.mark.parametrize(("prefix", "accepted"), [({"prefix": "Token "}, True), ({}, False)])
def test_prefix_of_a_key(prefix: dict[str, str], accepted: bool, shop: Shop) -> None:
    auth = {"type": "api_key", "name": "Authorization", "api_key": {"env": "SECRET_KEY"}, **prefix}
    api_key = ApiKey("Token k3y", "Authorization", "header")
    server = FakeServer([Api("shop", [Endpoint("/rows", [{"id": 1}])], auth=api_key)])
    with serve(server) as url:
        request = replace(shop.request(f"{url}/shop/rows", client={"auth": auth}), environ={"SECRET_KEY": "k3y"})
        with nullcontext() if accepted else pytest.raises(CredentialsError, match="Check SECRET_KEY"):
            load_table(request)


class SearchHandler(BaseHTTPRequestHandler):
    """Returns a row to each POST, and records the bodies."""

    bodies: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        body = b'{"data": [{"id": 1}]}'
        self.send_response(200 if b"s3cret" in self.bodies[-1] else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def search_url() -> Iterator[str]:
    SearchHandler.bodies.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), SearchHandler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/rows"
        server.shutdown()


KEY_IN_BODY = {"type": "api_key", "name": "key", "api_key": {"env": "SHOP_API_KEY"}, "location": "body"}


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ({"json_": {"price": 1.50, "big": 2**70}}, b'{"price":1.5,"big":1180591620717411303424,"key":"s3cret/k=y"}'),
        ({"json_": {}}, b'{"key":"s3cret/k=y"}'),
        ({"data": {"a": "b c"}}, b"a=b+c&key=s3cret%2Fk%3Dy"),
        ({"data": {}}, b"key=s3cret%2Fk%3Dy"),
    ],
)
def test_key_is_added_to_the_body(endpoint: dict[str, Any], body: bytes, search_url: str, shop: Shop) -> None:
    request = shop.request(search_url, client={"auth": KEY_IN_BODY}, endpoint={"method": "POST", **endpoint})
    load_table(replace(request, environ={"SHOP_API_KEY": SECRET}))
    assert SearchHandler.bodies == [body]
    assert shop.ids() == [1]


def test_wrong_key_in_the_body_is_named_and_masked(
    search_url: str, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    request = shop.request(search_url, client={"auth": KEY_IN_BODY}, endpoint={"method": "POST", "json_": {}})
    with pytest.raises(CredentialsError, match=r"^POST http.* returned 401 .*Check SHOP_API_KEY: ") as caught:
        load_table(replace(request, environ={"SHOP_API_KEY": "wr0ng-key"}))
    assert "wr0ng" not in f"{caught.value} {caplog.text}"


DOCUMENTED = [yaml.safe_load(block.text) for block in blocks("yaml", ROOT / "docs" / "credentials.md")]


@pytest.mark.parametrize(
    ("auth_type", "api"),
    [
        ("login", Login("ann@example.com", "pa55word")),
        ("oauth2", OAuth2("client", "s3cret", client_auth="json", user=("ann", "pa55word"))),
    ],
)
def test_documented_authentication_loads(auth_type: str, api: Auth, shop: Shop) -> None:
    configured = [document["client"]["auth"] for document in DOCUMENTED if "client" in document]
    auth = next(auth for auth in configured if isinstance(auth, dict) and auth["type"] == auth_type)
    server = FakeServer([Api("shop", [Endpoint("/rows", [{"id": 1}])], auth=api)])
    with serve(server) as url:
        values = {name.removeprefix("SHOP_"): value for name, value in server.variables(url).items()}
        named = {"USER": values.get("USERNAME", ""), **values}
        environ = {f"{prefix}_{name}": value for name, value in named.items() for prefix in ("PAYROLL", "DIRECTUS")}
        load_table(replace(shop.request(f"{url}/shop/rows", client={"auth": auth}), environ=environ))
    assert shop.ids() == [1]
