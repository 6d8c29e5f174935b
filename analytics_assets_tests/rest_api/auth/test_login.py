"""Logins: requests, where tokens are sent, when they are replaced, and errors of the login."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.auth.authenticator import Authenticator, build_authenticator
from analytics_assets.rest_api.auth.credentials import resolve_secrets
from analytics_assets.rest_api.auth.file_token_store import FileTokenStore
from analytics_assets.rest_api.auth.login import find
from analytics_assets.rest_api.auth.tokens import TokenRequest
from analytics_assets.rest_api.config import Client
from analytics_assets.rest_api.errors import CredentialsError, ResponseError, RestApiError, UnavailableError
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.request import Request
from analytics_assets_tests.fake_api import FakeServer, Fault, Login, Response, faults
from analytics_assets_tests.support.auth import (
    BODY,
    LOGIN,
    REFRESHED_LOGIN,
    SECRET,
    authenticated_client,
    resolve_credentials,
)
from analytics_assets_tests.support.clock import Clock

EMAIL = "ann.smith@example.com"
LOGIN_REQUEST: dict[str, Any] = LOGIN["request"]  # type: ignore[assignment]
API_LOGIN = Login(EMAIL, SECRET)


@dataclass
class World:
    """An API with a login, its clock, and clients that share a token store."""

    server: FakeServer
    client: HttpClient
    url: str
    clock: Clock
    clients: list[HttpClient] = field(default_factory=list)

    def read(self, client: HttpClient | None = None) -> None:
        """Read the rows."""
        assert json.loads((client or self.client).send(Request(self.url)).body) == BODY

    def requests(self) -> list[str]:
        """The last part of each path so far, with the status if it is an error."""
        return [
            record.request.path.rpartition("/")[2] + (f" {record.status}" if record.status >= 300 else "")
            for record in self.server.requests
        ]

    def secrets(self) -> frozenset[str]:
        return self.client.secret_values()


@pytest.fixture
def worlds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with ExitStack() as stack:

        def serve(auth: dict[str, Any], login: Login = API_LOGIN) -> World:
            clock = Clock()
            clock.install(monkeypatch)
            served = stack.enter_context(authenticated_client(auth, login, tmp_path, clock))
            return World(*served, clock)

        yield serve


@pytest.mark.parametrize(
    ("keys", "login"),
    [
        ({}, API_LOGIN),
        ({"header": "X-Token"}, replace(API_LOGIN, name="X-Token", prefix="")),
        ({"prefix": "Token "}, replace(API_LOGIN, prefix="Token ")),
        ({"prefix": ""}, replace(API_LOGIN, prefix="")),
        ({"param": "token"}, replace(API_LOGIN, location="query", name="token", prefix="")),
        ({"cookie": "session"}, replace(API_LOGIN, location="cookie", name="session", prefix="")),
    ],
)
def test_token_is_sent_where_the_configuration_says(keys: dict[str, str], login: Login, worlds: Any) -> None:
    world = worlds({**LOGIN, **keys}, login)
    world.read()
    world.read()
    assert world.requests() == ["login", "rows", "rows"]
    sent = world.server.requests[0].request
    assert json.loads(sent.body) == {"email": EMAIL, "password": SECRET}
    assert sent.headers["content-type"] == sent.headers["accept"] == "application/json"
    assert world.server.requests[1].user == EMAIL


@pytest.mark.parametrize(
    ("expires_as", "keys"),
    [
        ("ms", {}),
        ("s", {"expires_unit": "s"}),
        ("text", {"expires_unit": "s"}),
        ("epoch_s", {"expires_unit": "epoch_s"}),
        ("epoch_ms", {"expires_unit": "epoch_ms"}),
        ("iso8601", {}),
        ("absent", {"lifetime": 900}),
    ],
)
def test_token_is_replaced_before_it_expires(expires_as: Any, keys: dict[str, Any], worlds: Any) -> None:
    world = worlds({**LOGIN, **keys}, replace(API_LOGIN, expires_as=expires_as, lifetime=900))
    world.read()
    world.clock.now += 900 - 31
    world.read()
    assert world.requests() == ["login", "rows", "rows"]
    world.clock.now += 2
    world.read()
    assert world.requests() == ["login", "rows", "rows", "login", "rows"]


@pytest.mark.parametrize("rotate", [True, False])
def test_refresh_token_replaces_further_logins(rotate: bool, worlds: Any) -> None:
    world = worlds(REFRESHED_LOGIN, replace(API_LOGIN, rotate=rotate))
    for _ in range(3):
        world.read()
        world.clock.now += 900
    assert world.requests() == ["login", "rows", "refresh", "rows", "refresh", "rows"]
    sent = [json.loads(record.request.body)["refresh_token"] for record in world.server.requests[2::2]]
    assert len(set(sent)) == 2
    assert set(sent) <= world.secrets()


def test_refresh_token_that_does_not_change_stays_in_use(worlds: Any) -> None:
    world = worlds(REFRESHED_LOGIN, replace(API_LOGIN, rotate=False))
    world.read()
    world.server.faults.add(lambda exchange: without_refresh_token(exchange.response()), path="/refresh", times=2)
    for _ in range(2):
        world.clock.now += 900
        world.read()
    first, second = (json.loads(record.request.body) for record in world.server.requests[2::2])
    assert first == second


def without_refresh_token(response: Response) -> Response:
    data = json.loads(response.body)["data"]
    return Response.json({"data": {name: value for name, value in data.items() if name != "refresh_token"}})


@pytest.mark.parametrize(
    ("auth", "requests"),
    [(LOGIN, ["rows 401", "login", "rows"]), (REFRESHED_LOGIN, ["rows 401", "refresh 401", "login", "rows"])],
)
def test_revoked_session_is_replaced_by_a_new_login(auth: dict[str, Any], requests: list[str], worlds: Any) -> None:
    world = worlds(auth)
    world.read()
    revoked = world.server.requests[1].request.headers["authorization"].removeprefix("Bearer ")
    world.server.revoke("shop", revoked)
    world.server.requests.clear()
    world.read()
    assert world.requests() == requests
    assert revoked in world.secrets()


def test_token_that_is_rejected_twice_fails_with_the_names_of_the_variables(worlds: Any) -> None:
    world = worlds(LOGIN, replace(API_LOGIN, token_uses=0))
    with pytest.raises(CredentialsError, match=r"returned 401 .* Check SHOP_EMAIL, SHOP_PASSWORD: the API does not"):
        world.client.send(Request(world.url))
    assert world.requests() == ["login", "rows 401", "login", "rows 401"]


@dataclass(frozen=True, kw_only=True)
class ErrorCase:
    """A login that fails: the response to it, or the API's behaviour, and the error."""

    expected: str
    error: type[RestApiError] = ResponseError
    response: Response | None = None
    keys: dict[str, Any] = field(default_factory=dict)
    requests: int = 1

    @property
    def fault(self) -> Fault | None:
        response = self.response
        return (lambda _: response) if response else None


def tokens(**fields: Any) -> Response:
    return Response.json({"data": {"access_token": "acc3ss", "refresh_token": "r3fresh", **fields}})


ERRORS = {
    "credentials": ErrorCase(
        response=Response.json({"error": "people's data"}, status=401),
        error=CredentialsError,
        expected="the login of shop (127.0.0.1) returned 401. Check SHOP_EMAIL, SHOP_PASSWORD.",
    ),
    "bad request": ErrorCase(
        response=Response.json({}, status=422),
        error=CredentialsError,
        expected="returned 422. Check SHOP_EMAIL, SHOP_PASSWORD.",
    ),
    "path": ErrorCase(
        keys={"request": {**LOGIN_REQUEST, "path": "/logn"}},
        error=CredentialsError,
        expected="returned 404. Check `auth.request`: its path and method, and `client.base_url`.",
    ),
    "redirect": ErrorCase(
        response=Response.json({}, status=302),
        expected="returned 302, a redirect. Write the final address into `auth.request`.",
    ),
    "outage": ErrorCase(
        response=Response.json({"error": "people's data"}, status=500),
        error=UnavailableError,
        expected="returned 500, without a token. Run again later.",
        requests=4,
    ),
    "html": ErrorCase(
        response=Response(200, b"<html>people's data</html>"),
        expected="returned 200 without JSON. Check `auth.request`: its path, method and headers.",
    ),
    "depth": ErrorCase(response=Response(200, b"[" * 100_000), expected="returned 200 without JSON."),
    "token_path": ErrorCase(
        keys={"token_path": "data.token"},
        expected="succeeded, but its response has no text at `token_path` (data.token). Set it to the path of the "
        "token. If the API reports wrong credentials in this way, check SHOP_EMAIL, SHOP_PASSWORD.",
    ),
    "error with status 200": ErrorCase(
        response=Response.json({"error": "people's data"}), expected="has no text at `token_path` (data.access_token)"
    ),
    "token object": ErrorCase(response=tokens(access_token={"a": 1}), expected="has no text at `token_path`"),
    "token null": ErrorCase(response=tokens(access_token=None), expected="has no text at `token_path`"),
    "token true": ErrorCase(response=tokens(access_token=True), expected="has no text at `token_path`"),
    "token characters": ErrorCase(
        response=tokens(access_token="acc3ss\r\nX-A: b"),
        expected="returned a token at data.access_token with characters that are not allowed in a header.",
    ),
    "refresh_token_path": ErrorCase(
        keys={"refresh_token_path": "data.refresh"},
        expected="succeeded, but its response has no text at `refresh_token_path` (data.refresh).",
    ),
    "expired": ErrorCase(
        response=tokens(expires="2020-01-01T00:00:00Z"),
        expected="returned a token that is expired already, by the value at data.expires. Check `expires_unit` (it is "
        "ms), and the clock of this machine.",
    ),
    "zero lifetime": ErrorCase(response=tokens(expires=0), expected="returned a token that is expired already"),
    "epoch as lifetime": ErrorCase(
        response=tokens(expires=1_900_000_000_000),
        expected="returned a time at data.expires, not a lifetime. Set `expires_unit` to epoch_s or epoch_ms.",
    ),
    "expiry without meaning": ErrorCase(
        response=tokens(expires="soon-ish"),
        expected="returned neither a number nor an ISO 8601 time at data.expires. Check `expires_path`, or remove it.",
    ),
    "expiry of another type": ErrorCase(response=tokens(expires=[1]), expected="returned neither a number nor an ISO"),
}


@pytest.mark.parametrize("case", ERRORS.values(), ids=ERRORS)
def test_error_of_a_login_names_the_place_and_the_fix(
    case: ErrorCase, worlds: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world = worlds({**REFRESHED_LOGIN, **case.keys})
    if case.fault:
        world.server.faults.add(case.fault, path="/login", times=None)
    with pytest.raises(case.error) as caught:
        world.client.send(Request(world.url))
    assert case.expected in str(caught.value)
    assert len(world.server.requests) == case.requests
    for secret in (EMAIL, SECRET, "acc3ss", "people's data"):
        assert secret not in str(caught.value)
        assert secret not in caplog.text
    assert {EMAIL, SECRET} <= world.secrets()


def test_lost_response_is_not_requested_again_and_the_next_read_logs_in(worlds: Any) -> None:
    """The server may have received the refresh token, and then rejects it."""
    world = worlds(REFRESHED_LOGIN)
    world.server.faults.add(faults.drop_response(), path="/login")
    with pytest.raises(UnavailableError, match="failed after 1 attempt: the connection was closed"):
        world.client.send(Request(world.url))
    world.read()
    world.clock.now += 900
    world.server.requests.clear()
    for fault in (faults.drop_response(), faults.status(500)):
        world.server.faults.add(fault, path="/refresh")
        with pytest.raises(UnavailableError):
            world.client.send(Request(world.url))
    world.read()
    assert world.requests() == ["refresh", "refresh 500", "refresh 401", "login", "rows"]


class Recorder:
    """Sends nothing: records the requests for tokens and returns one."""

    def __init__(self) -> None:
        self.requests: list[TokenRequest] = []

    def __call__(self, request: TokenRequest) -> Any:
        self.requests.append(request)
        return RecordedResponse(200, json.dumps({"token": f"t{len(self.requests)}", "refresh": "r/1"}).encode())


@dataclass
class RecordedResponse:
    status: int
    body: bytes


ENVIRON = {"SHOP_BASE_URL": "https://api.example.com/v2/", "SHOP_EMAIL": EMAIL, "SHOP_PASSWORD": SECRET}


def authenticator(
    auth: dict[str, Any], folder: Path, environ: dict[str, str] = ENVIRON
) -> tuple[Authenticator, Recorder]:
    send = Recorder()
    credentials = resolve_credentials({"type": "login", "token_path": "token", **auth}, environ)
    return build_authenticator(credentials, store=FileTokenStore(folder), send=send), send


BASIC = f"Basic {b64encode(f'{EMAIL}:{SECRET}'.encode()).decode()}"
PASSWORD = {"env": "SHOP_PASSWORD"}
REQUESTS = {
    "path": ({"path": "auth/login"}, "POST", "https://api.example.com/v2/auth/login", {}, None),
    "other host": ({"url": "https://login.example.com/x"}, "POST", "https://login.example.com/x", {}, None),
    "put": ({"method": "PUT", "path": "/login", "json": {}}, "PUT", "https://api.example.com/v2/login", {}, b"{}"),
    "nested json": (
        {"path": "/login", "json": {"user": {"password": PASSWORD, "tags": [1, None, PASSWORD]}}},
        "POST",
        "https://api.example.com/v2/login",
        {"Content-Type": "application/json"},
        json.dumps({"user": {"password": SECRET, "tags": [1, None, SECRET]}}).encode(),
    ),
    "form": (
        {"path": "/login", "data": {"user": "a b", "password": PASSWORD}},
        "POST",
        "https://api.example.com/v2/login",
        {"Content-Type": "application/x-www-form-urlencoded"},
        b"user=a+b&password=s3cret%2Fk%3Dy",
    ),
    "query": (
        {"method": "GET", "path": "/login", "params": {"password": PASSWORD}, "headers": {"X-Api-Key": PASSWORD}},
        "GET",
        "https://api.example.com/v2/login?password=s3cret%2Fk%3Dy",
        {"X-Api-Key": SECRET},
        None,
    ),
    "basic": (
        {"path": "/login", "auth": {"type": "http_basic", "username": {"env": "SHOP_EMAIL"}, "password": PASSWORD}},
        "POST",
        "https://api.example.com/v2/login",
        {"Authorization": BASIC},
        None,
    ),
}


@pytest.mark.parametrize(("request_", "method", "url", "headers", "body"), REQUESTS.values(), ids=REQUESTS)
def test_request_of_a_login(
    request_: dict[str, Any], method: str, url: str, headers: dict[str, str], body: bytes | None, tmp_path: Path
) -> None:
    signer, send = authenticator({"request": request_}, tmp_path)
    signer.sign({}, {})
    (sent,) = send.requests
    assert (sent.method, sent.url, sent.body, sent.uses_refresh_token) == (method, url, body, False)
    assert headers.items() <= sent.headers.items()
    assert SECRET not in repr(sent)
    assert "Authorization" not in signer.secret_values()
    if "auth" in request_:
        assert BASIC.removeprefix("Basic ") in signer.secret_values()


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({"path": "/login"}, {"accept": "text/x", "X-Tenant": "7", "content-type": "x/y"}),
        ({"url": "https://login.example.com"}, {"Accept": "application/json", "content-type": "x/y"}),
    ],
)
def test_headers_of_the_client_are_sent_below_its_base_url_only(
    place: dict[str, str], expected: dict[str, str], tmp_path: Path
) -> None:
    request = {**place, "json": {}, "headers": {"content-type": "x/y"}}
    config = {
        "base_url": "https://api.example.com",
        "headers": {"accept": "text/x", "X-Tenant": {"env": "TENANT"}},
        "auth": {"type": "login", "token_path": "token", "request": request},
    }
    resolved = resolve_secrets(Client.model_validate(config), {}, api="shop", environ={"TENANT": "7"})
    assert resolved.credentials is not None
    send = Recorder()
    build_authenticator(resolved.credentials, store=FileTokenStore(tmp_path), send=send).sign({}, {})
    assert send.requests[0].headers == expected


REFRESHES = {
    "json": ({"json": {"a": ["{refresh_token}"]}}, b'{"a": ["r/1"]}', {}, ""),
    "form": ({"data": {"refresh_token": "{refresh_token}"}}, b"refresh_token=r%2F1", {}, ""),
    "header": ({"headers": {"Authorization": "Bearer {refresh_token}"}}, None, {"Authorization": "Bearer r/1"}, ""),
    "query": ({"params": {"refresh_token": "{refresh_token}"}}, None, {}, "?refresh_token=r%2F1"),
}


@pytest.mark.parametrize(("keys", "body", "headers", "query"), REFRESHES.values(), ids=REFRESHES)
def test_refresh_token_is_sent_where_its_placeholder_is(
    keys: dict[str, Any], body: bytes | None, headers: dict[str, str], query: str, tmp_path: Path
) -> None:
    auth = {"request": "/login", "refresh": {"path": "/refresh", **keys}, "refresh_token_path": "refresh"}
    signer, send = authenticator(auth, tmp_path)
    assert signer.refresh(signer.sign({}, {}))
    sent = send.requests[1]
    assert (sent.url, sent.body, sent.uses_refresh_token) == (
        f"https://api.example.com/v2/refresh{query}",
        body,
        True,
    )
    assert headers.items() <= sent.headers.items()
    assert SECRET not in repr(sent)
    assert "r/1" not in repr(sent)


def test_another_password_or_configuration_does_not_use_the_stored_token(tmp_path: Path) -> None:
    auth = {"request": {"path": "/login", "json": {"password": PASSWORD}}}
    for keys, environ, requests in (
        ({}, ENVIRON, 1),
        ({}, ENVIRON, 0),
        ({}, {**ENVIRON, "SHOP_PASSWORD": "n3w"}, 1),
        ({}, {**ENVIRON, "SHOP_BASE_URL": "https://staging.example.com"}, 1),
        ({"token_path": "refresh"}, ENVIRON, 1),
        ({}, ENVIRON, 0),
    ):
        signer, send = authenticator({**auth, **keys}, tmp_path, environ)
        signer.sign({}, {})
        assert len(send.requests) == requests
    stored = [file.read_text() + file.name for file in tmp_path.rglob("*.json")]
    assert len(stored) == 4
    assert not [text for text in stored if SECRET in text or EMAIL in text]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", 1),
        ("$.b.c", 2),
        ("b['c']", 2),
        ('$["b"]["d.e"]', 3),
        ("list[1].x", 4),
        ("list[7].x", None),
        ("a.b", None),
        ("list.x", None),
    ],
)
def test_value_at_a_path(path: str, value: object) -> None:
    found = find({"a": 1, "b": {"c": 2, "d.e": 3}, "list": [{}, {"x": 4}]}, path)
    assert (found if isinstance(found, int) else None) == value
