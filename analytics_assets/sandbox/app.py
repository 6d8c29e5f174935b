"""The ASGI application: finds the endpoint, checks the request, applies faults, keeps a record."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from analytics_assets.sandbox.api import Api, Row, Table
from analytics_assets.sandbox.auth import CredentialChecker, TokenIssuer, build_checker
from analytics_assets.sandbox.exchange import HTTPError, Receive, Request, Scope, Send, deliver
from analytics_assets.sandbox.faults import Exchange, Faults
from analytics_assets.sandbox.pagination import Page


@dataclass
class Record:
    """A request and what became of it."""

    request: Request
    status: int = 0
    who: str | None = None  # whose credentials it carried
    fault: bool = False
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0  # when the answer was sent; 0 before


class Sandbox:
    """Serves APIs, each below its name. `requests` and `faults` can be used while it runs."""

    def __init__(
        self, apis: Sequence[Api], *, clock: Callable[[], float] = time.time, keep_requests: bool = True
    ) -> None:
        self.apis = {api.name: api for api in apis}
        self.faults = Faults()
        self.requests: list[Record] = []
        self._keep_requests = keep_requests
        self._guards: dict[str, list[CredentialChecker]] = {}
        self._tables: dict[str, tuple[Api, Table]] = {}
        self._issuers: dict[str, TokenIssuer] = {}
        for api in apis:
            self._guards[api.name] = [build_checker(auth, clock) for auth in api.auths]
            self._tables.update((f"/{api.name}{e.path}", (api, Table(e))) for e in api.endpoints)
            issuers = [guard for guard in self._guards[api.name] if isinstance(guard, TokenIssuer)]
            self._issuers.update((f"/{api.name}{issuer.config.token_path}", issuer) for issuer in issuers)

    def variables(self, url: str) -> dict[str, str]:
        """The environment that leads clients to all APIs on the server at `url`."""
        return {name: value for api in self.apis.values() for name, value in api.variables(url).items()}

    def set_rows(self, api: str, path: str, rows: Sequence[Row]) -> None:
        """Give an endpoint other rows, as if they changed while clients read them."""
        path = f"/{api}{path}"
        described, table = self._tables[path]
        self._tables[path] = described, Table(replace(table.endpoint, rows=rows))

    def authorize(self, api: str) -> str:
        """A new refresh token, as a person gets it who authorizes the API's OAuth2 client again."""
        return next(guard for guard in self._guards[api] if isinstance(guard, TokenIssuer)).authorize()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI asks."""
        record = Record(await Request.read(scope, receive))
        if self._keep_requests:
            self.requests.append(record)
        try:
            answer, record.fault = self.faults.answer(self._delete_and_insert(record))
        except HTTPError as refused:
            answer = refused.answer()
        record.status = answer.status
        await deliver(answer, scope, receive, send)
        record.ended = time.monotonic()

    def _delete_and_insert(self, record: Record) -> Exchange:
        """Check a request; what is left to do for it."""
        request = record.request
        if request.path in self._issuers:
            return self._token_exchange(request)
        if request.path not in self._tables:
            raise HTTPError(404, "no such path")
        api, table = self._tables[request.path]
        if request.method != "GET":
            raise HTTPError(405, "only GET is allowed", {"Allow": "GET"})
        guards = self._guards[api.name]
        record.who = next(filter(None, (guard.identify(request) for guard in guards)), None)
        if guards and record.who is None:
            raise HTTPError(401, "credentials are missing or not valid", {"WWW-Authenticate": "Bearer"})
        if request.repeated:
            raise HTTPError(400, f"query parameters given more than once: {', '.join(sorted(request.repeated))}")
        query = {name: value for name, value in request.query.items() if name not in api.credential_params}
        if api.strict and (unknown := query.keys() - table.params):
            raise HTTPError(400, f"unknown query parameters: {', '.join(sorted(unknown))}")
        request = replace(request, query=query)
        return Exchange(request, table.page(request), lambda page: table.answer(page, request, wait=api.latency))

    def _token_exchange(self, request: Request) -> Exchange:
        if request.method != "POST":
            raise HTTPError(405, "only POST is allowed", {"Allow": "POST"})
        issuer = self._issuers[request.path]
        return Exchange(request, Page(), lambda _: issuer.issue(request))
