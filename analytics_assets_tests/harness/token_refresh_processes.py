"""Processes that refresh tokens and are killed, and the requests that the token endpoint received."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl

from analytics_assets.rest_api.auth import (
    file_token_store,
    login,
    postgres_token_store,
    token_authenticator,
    token_endpoint,
    tokens,
)
from analytics_assets.rest_api.auth.authenticator import Authenticator, build_authenticator
from analytics_assets.rest_api.auth.token_store import build_token_store
from analytics_assets.rest_api.auth.tokens import SendTokenRequest, TokenRequest
from analytics_assets.rest_api.config import ErrorHandler
from analytics_assets.rest_api.errors import CredentialsError
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.request import Request
from analytics_assets.rest_api.state.store import choose_state_store
from analytics_assets_tests.fake_api import (
    Api,
    Endpoint,
    Exchange,
    FakeServer,
    Fault,
    FaultyResponse,
    OAuth2,
    Record,
    Response,
)
from analytics_assets_tests.support.auth import REFRESHED_LOGIN, resolve_credentials

AUTH = {
    "type": "oauth2",
    "client_id": {"env": "SHOP_CLIENT_ID"},
    "client_secret": {"env": "SHOP_CLIENT_SECRET"},
    "refresh_token": {"env": "SHOP_REFRESH_TOKEN"},
    "token_url": {"env": "SHOP_TOKEN_URL"},
}
TOKEN_PATH = "/shop/oauth/token"
UNPROCESSED = 599  # status of a token request that the server dropped without refreshing
NEEDS_AUTHORIZATION = 3  # exit code of a process
TRACED_FILES = {
    module.__file__
    for module in (token_authenticator, token_endpoint, login, tokens, file_token_store, postgres_token_store)
}
SECONDS_TO_KILL = (0.0, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02)


def rotating_server() -> FakeServer:
    """An API whose refresh tokens work once. The reuse of one revokes all tokens of its authorization."""
    auth = OAuth2("client", "s3cret", refresh_token="first", rotate=True)
    return FakeServer([Api("shop", [Endpoint("/rows", [{"id": 1}])], auth=auth)])


@contextmanager
def authenticated_client(
    environ: Mapping[str, str],
    folder: Path,
    wrap: Callable[[SendTokenRequest], SendTokenRequest] = lambda send: send,
    *,
    auth: Mapping[str, Any] = AUTH,
    read_timeout: float = 60.0,
    max_retries: int = 0,
) -> Iterator[tuple[HttpClient, Authenticator]]:
    """A client like that of a load. `wrap` changes how it sends token requests."""
    handler = ErrorHandler(max_retries=max_retries)
    client = HttpClient(environ["SHOP_BASE_URL"], error_handler=handler, read_timeout=read_timeout)
    client.auth = build_authenticator(
        resolve_credentials(dict(auth), environ),
        store=build_token_store(choose_state_store(environ, folder)),
        send=wrap(client.send_token_request),
    )
    try:
        yield client, client.auth
    finally:
        client.close()


def die_at_line(line: int, environ: Mapping[str, str], folder: Path) -> None:
    """Request a token, and be killed at the n-th line that any thread executes after the response."""
    lines = itertools.count(1)
    returned = threading.Event()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in TRACED_FILES:
            return None
        if event == "line" and returned.is_set() and next(lines) == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    def wrap(send: SendTokenRequest) -> SendTokenRequest:
        def send_and_note(request: TokenRequest) -> Any:
            try:
                return send(request)
            finally:
                returned.set()

        return send_and_note

    with authenticated_client(environ, folder, wrap) as (_, auth):
        threading.settrace(trace)
        sys.settrace(trace)
        auth.sign({}, {})
        sys.settrace(None)


def refresh_repeatedly(environ: Mapping[str, str], folder: Path, journal: Path, stop: Path) -> None:
    """Refresh each token at once, until the file `stop` exists.

    The journal gets a line for each stored token, after it was stored, and for an error.
    """
    used: list[str] = []

    def wrap(send: SendTokenRequest) -> SendTokenRequest:
        def send_with_process(request: TokenRequest) -> Any:
            used.append(dict(parse_qsl((request.body or b"").decode()))["refresh_token"])
            return send(replace(request, headers={**request.headers, "X-Process": str(os.getpid())}))

        return send_with_process

    with authenticated_client(environ, folder, wrap) as (client, auth), journal.open("ab", buffering=0) as notes:
        try:
            while not stop.exists():
                auth.refresh(auth.sign({}, {}))
                for token in used:
                    notes.write(f"stored {token}\n".encode())
                used.clear()
                assert client.send(Request(client.url("rows"))).status == 200
        except CredentialsError as error:
            notes.write(f"error {error}\n".encode())
            sys.exit(NEEDS_AUTHORIZATION)


def refresh_login_repeatedly(environ: Mapping[str, str], folder: Path, stop: Path) -> None:
    """Refresh each token of a login at once, until the file `stop` exists."""

    def wrap(send: SendTokenRequest) -> SendTokenRequest:
        return lambda request: send(replace(request, headers={**request.headers, "X-Process": str(os.getpid())}))

    with authenticated_client(environ, folder, wrap, auth=REFRESHED_LOGIN) as (_, auth):
        while not stop.exists():
            auth.refresh(auth.sign({}, {}))


@dataclass
class Killer:
    """Kills processes that request a token: before the server refreshes, before it responds, or soon after.

    Attributes:
        every: The number of refreshes per kill.
        killed: The killed processes.
        refreshes: The number of refreshes so far.
    """

    every: int
    killed: set[int] = field(default_factory=set)
    refreshes: int = 0

    @property
    def fault(self) -> Fault:
        """The fault of the token endpoint."""
        kills = itertools.cycle([self._before_refresh, self._before_response, *map(self._after, SECONDS_TO_KILL)])

        def respond(exchange: Exchange) -> Response:
            if (self.refreshes + 1) % self.every:
                response = exchange.response()
                self.refreshes += response.status == 200
                return response
            self.refreshes += 1
            return next(kills)(exchange)

        return respond

    def kill(self, process: int) -> None:
        self.killed.add(process)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)

    def _before_refresh(self, exchange: Exchange) -> Response:
        self.kill(sender(exchange.request.headers))
        return FaultyResponse(status=UNPROCESSED, drop=True)

    def _before_response(self, exchange: Exchange) -> Response:
        response = exchange.response()
        self.kill(sender(exchange.request.headers))
        return response

    def _after(self, seconds: float) -> Fault:
        def respond(exchange: Exchange) -> Response:
            threading.Timer(seconds, self.kill, [sender(exchange.request.headers)]).start()
            return exchange.response()

        return respond


def sender(headers: Mapping[str, str]) -> int:
    """The process that sent a request."""
    return int(headers["x-process"])


@dataclass(frozen=True)
class ReceivedToken:
    """A refresh token that the endpoint received."""

    token: str
    status: int
    process: int


@dataclass
class TokenFamily:
    """The refresh tokens of one authorization, in the order of their requests."""

    requests: list[ReceivedToken] = field(default_factory=list)

    @property
    def refreshes(self) -> int:
        return sum(request.status == 200 for request in self.requests)


def token_families(records: list[Record]) -> dict[str, TokenFamily]:
    """The token requests that the server processed, by authorization."""
    families: dict[str, TokenFamily] = {}
    for record in records:
        if record.request.path == TOKEN_PATH and record.status != UNPROCESSED:
            token = record.request.form()["refresh_token"]
            process = int(record.request.headers.get("x-process", 0))
            family = families.setdefault(token.split(".")[1], TokenFamily())
            family.requests.append(ReceivedToken(token, record.status, process))
    return families
