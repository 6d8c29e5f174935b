"""Processes that renew tokens and are killed, and what the token endpoint saw of it."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from analytics_assets.rest_api.auth import file_token_store, oauth2, postgres_token_store, token_endpoint, tokens
from analytics_assets.rest_api.auth.authenticator import Authenticator, build_authenticator
from analytics_assets.rest_api.auth.token_endpoint import PostForm
from analytics_assets.rest_api.auth.token_store import build_token_store
from analytics_assets.rest_api.config import ErrorHandler
from analytics_assets.rest_api.errors import CredentialsError
from analytics_assets.rest_api.http.client import HttpClient
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
from analytics_assets_tests.support.auth import resolve_credentials

AUTH = {
    "type": "oauth2",
    "client_id": {"env": "SHOP_CLIENT_ID"},
    "client_secret": {"env": "SHOP_CLIENT_SECRET"},
    "refresh_token": {"env": "SHOP_REFRESH_TOKEN"},
    "token_url": {"env": "SHOP_TOKEN_URL"},
}
TOKEN_PATH = "/shop/oauth/token"
NOT_WORKED_ON = 599
NEEDS_AUTHORIZATION = 3  # an exit code
KEEPING = {module.__file__ for module in (oauth2, token_endpoint, tokens, file_token_store, postgres_token_store)}
SECONDS_TO_LATE_KILLS = (0.0, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02)


def shop() -> FakeServer:
    """An API whose refresh tokens work once; one that comes again revokes all that came of its authorization."""
    auth = OAuth2("client", "s3cret", refresh_token="first", rotate=True)
    return FakeServer([Api("shop", [Endpoint("/rows", [{"id": 1}])], auth=auth)])


@contextmanager
def signing(
    environ: Mapping[str, str], folder: Path, wrap: Callable[[PostForm], PostForm] = lambda post_form: post_form
) -> Iterator[tuple[HttpClient, Authenticator]]:
    """A client as a load has it; its requests to the token endpoint pass through `wrap`."""
    client = HttpClient(environ["SHOP_BASE_URL"], error_handler=ErrorHandler(max_retries=0))
    client.auth = build_authenticator(
        resolve_credentials(AUTH, environ),
        store=build_token_store(environ, folder),
        post_form=wrap(client.post_form),
    )
    try:
        yield client, client.auth
    finally:
        client.close()


def die_at(line: int, environ: Mapping[str, str], folder: Path) -> None:
    """Asks for a token, and is killed at the n-th line that runs after the answer came, by whichever thread."""
    lines = itertools.count(1)
    returned = threading.Event()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in KEEPING:
            return None
        if event == "line" and returned.is_set() and next(lines) == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    def wrap(post_form: PostForm) -> PostForm:
        def post(*request: Any) -> Any:
            try:
                return post_form(*request)
            finally:
                returned.set()

        return post

    with signing(environ, folder, wrap) as (_, auth):
        threading.settrace(trace)
        sys.settrace(trace)
        auth.sign({}, {})
        sys.settrace(None)


def renew_again_and_again(environ: Mapping[str, str], folder: Path, journal: Path, stop: Path) -> None:
    """Has each token refused at once, until it is told to stop; a token renewed is noted as kept after that only."""
    spent: list[str] = []

    def wrap(post_form: PostForm) -> PostForm:
        def post(url: str, fields: dict[str, str], headers: dict[str, str]) -> Any:
            spent.append(fields["refresh_token"])
            return post_form(url, fields, {**headers, "X-Process": str(os.getpid())})

        return post

    with signing(environ, folder, wrap) as (client, auth), journal.open("ab", buffering=0) as notes:
        try:
            while not stop.exists():
                auth.refresh(auth.sign({}, {}))
                for token in spent:
                    notes.write(f"kept {token}\n".encode())
                spent.clear()
                assert client.get(client.url("rows"), {}).status == 200
        except CredentialsError as error:
            notes.write(f"error {error}\n".encode())
            sys.exit(NEEDS_AUTHORIZATION)


@dataclass
class Killer:
    """Kills processes that ask for a token: before the server works, before it answers, or soon after it did."""

    every: int  # how many renewals there are to a kill
    killed: set[int] = field(default_factory=set)
    renewals: int = 0

    @property
    def kind(self) -> Fault:
        ways = itertools.cycle([self._before, self._instead, *map(self._after, SECONDS_TO_LATE_KILLS)])

        def strike(exchange: Exchange) -> Response:
            if (self.renewals + 1) % self.every:
                answer = exchange.response()
                self.renewals += answer.status == 200
                return answer
            self.renewals += 1
            return next(ways)(exchange)

        return strike

    def kill(self, process: int) -> None:
        self.killed.add(process)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)

    def _before(self, exchange: Exchange) -> Response:
        self.kill(asker(exchange.request.headers))
        return FaultyResponse(status=NOT_WORKED_ON, drop=True)

    def _instead(self, exchange: Exchange) -> Response:
        answer = exchange.response()
        self.kill(asker(exchange.request.headers))
        return answer

    def _after(self, seconds: float) -> Fault:
        def strike(exchange: Exchange) -> Response:
            threading.Timer(seconds, self.kill, [asker(exchange.request.headers)]).start()
            return exchange.response()

        return strike


def asker(headers: Mapping[str, str]) -> int:
    return int(headers["x-process"])


@dataclass
class Family:
    """The refresh tokens of one authorization, as they came to the endpoint: token, status and process each."""

    shown: list[tuple[str, int, int]] = field(default_factory=list)

    @property
    def renewed(self) -> int:
        return sum(status == 200 for _, status, _ in self.shown)


def families(records: list[Record]) -> dict[str, Family]:
    found: dict[str, Family] = {}
    for record in records:
        if record.request.path == TOKEN_PATH and record.status != NOT_WORKED_ON:
            token = record.request.form()["refresh_token"]
            family = found.setdefault(token.split(".")[1], Family())
            family.shown.append((token, record.status, int(record.request.headers.get("x-process", 0))))
    return found
