"""The fake server: the sandbox with a record of each request, and with faults that tests add."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from analytics_assets import sandbox
from analytics_assets.sandbox import builtin
from analytics_assets.sandbox.api import Row
from analytics_assets.sandbox.auth import Clock
from analytics_assets.sandbox.http import HTTPError, Receive, Request, Scope, Send
from analytics_assets.sandbox.login import LoginIssuer
from analytics_assets.sandbox.oauth2 import TokenIssuer
from analytics_assets_tests.fake_api.api import Api
from analytics_assets_tests.fake_api.faults import FaultInjector


@dataclass
class Record:
    """A request and its outcome.

    Attributes:
        status: Status of the response.
        user: Whose credentials the request carried.
        has_fault: Whether a fault changed the response.
        began: When the request was read, on the monotonic clock.
        ended: When the response was sent; 0 before that.
    """

    request: Request
    status: int = 0
    user: str | None = None
    has_fault: bool = False
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0


class FakeServer(sandbox.Sandbox):
    """Serves APIs, each below its name.

    Attributes:
        requests: All requests so far.
        faults: The faults to inject.
    """

    def __init__(self, apis: Sequence[sandbox.Api], *, clock: Clock = time.time) -> None:
        super().__init__(apis, clock=clock)
        self.faults = FaultInjector()
        self.requests: list[Record] = []

    def set_rows(self, api: str, path: str, rows: Sequence[Row]) -> None:
        """Give an endpoint other rows, as if they changed while clients read them."""
        path = f"/{api}{path}"
        described, endpoint = self._endpoints[path]
        self._endpoints[path] = described, replace(endpoint, rows=rows)

    def authorize(self, api: str) -> str:
        """A new refresh token, as a user gets it by authorizing the API's OAuth2 client again."""
        return next(checker for checker in self._checkers[api] if isinstance(checker, TokenIssuer)).authorize()

    def revoke(self, api: str, access_token: str) -> None:
        """Revoke an access token of a login, and the refresh token that belongs to it."""
        issuer = next(checker for checker in self._checkers[api] if isinstance(checker, LoginIssuer))
        issuer.tokens.revoke(access_token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record = Record(await Request.read(scope, receive))
        self.requests.append(record)
        try:
            exchange = self.check(record.request)
            record.user = exchange.user
            response, record.has_fault = self.faults.respond(exchange)
        except HTTPError as error:
            response = error.response()
        record.status = response.status
        await response.send(scope, receive, send)
        record.ended = time.monotonic()


class _TransportProtocol(AutoHTTPProtocol):  # type: ignore[valid-type, misc]
    """uvicorn's protocol that passes its connection to the application: faults close, cut and reset it."""

    app_state: dict[str, Any]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.app_state = {"transport": transport}


def serve(server: FakeServer, *, port: int = 0) -> AbstractContextManager[str]:
    """Serve on the loopback interface while the block runs; yields the server's URL."""
    return sandbox.serve(server, port=port, protocol=_TransportProtocol)


@contextmanager
def serve_endpoint(endpoint: sandbox.Endpoint, **api: Any) -> Iterator[tuple[FakeServer, str]]:
    """Serve an API `shop` with one endpoint; yields the server and the endpoint's URL."""
    server = FakeServer([Api("shop", [endpoint], **api)])
    with serve(server) as url:
        yield server, f"{url}/shop{endpoint.path}"


def builtin_server() -> FakeServer:
    """The built-in APIs, with records and faults."""
    return FakeServer([build_api() for build_api in builtin.APIS.values()])
