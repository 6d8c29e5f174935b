"""The ASGI application: routes requests, checks them, and builds responses."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from analytics_assets.sandbox.api import Api, Endpoint
from analytics_assets.sandbox.auth import Clock, CredentialChecker, CredentialIssuer
from analytics_assets.sandbox.http import HTTPError, Receive, Request, Response, Scope, Send
from analytics_assets.sandbox.pagination import Page


@dataclass(frozen=True)
class Exchange:
    """A valid request, and how its response is built.

    Attributes:
        page: The page that the request asks for. A token request has an empty one.
        build_response: Does the API's work, such as issuing a token, and returns the response.
        user: Whose credentials the request carries.
        is_token_request: Whether it asks for a token.
    """

    request: Request
    page: Page
    build_response: Callable[[Page], Response]
    user: str | None = None
    is_token_request: bool = False

    def response(self) -> Response:
        """The response without any fault."""
        return self.build_response(self.page)


class Sandbox:
    """Serves APIs, each below its name."""

    def __init__(self, apis: Sequence[Api], *, clock: Clock = time.time) -> None:
        self.apis = {api.name: api for api in apis}
        self._checkers: dict[str, list[CredentialChecker]] = {}
        self._issuers: dict[str, Callable[[Request], Response]] = {}
        self._endpoints: dict[str, tuple[Api, Endpoint]] = {}
        for api in apis:
            checkers = [auth.build_checker(clock) for auth in api.auths]
            self._checkers[api.name] = checkers
            self._endpoints.update((f"/{api.name}{endpoint.path}", (api, endpoint)) for endpoint in api.endpoints)
            issuers = [checker for checker in checkers if isinstance(checker, CredentialIssuer)]
            for path, issue in (route for issuer in issuers for route in issuer.routes.items()):
                self._issuers[f"/{api.name}{path}"] = issue

    def variables(self, url: str) -> dict[str, str]:
        """The environment variables of a client of all APIs, on the server at `url`."""
        return {name: value for api in self.apis.values() for name, value in api.variables(url).items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI defines it."""
        request = await Request.read(scope, receive)
        try:
            response = self.check(request).response()
        except HTTPError as error:
            response = error.response()
        await response.send(scope, receive, send)

    def check(self, request: Request) -> Exchange:
        """Check a request: path, method, credentials, and parameters.

        Raises:
            HTTPError: One of them is not valid.
        """
        if request.path in self._issuers:
            _check_method(request, "POST")
            issue = self._issuers[request.path]
            return Exchange(request, Page(), lambda _: issue(request), is_token_request=True)
        if request.path not in self._endpoints:
            raise HTTPError(404, "no such path")
        api, endpoint = self._endpoints[request.path]
        _check_method(request, endpoint.method)
        user = self._identify(api, request)
        if repeated := request.repeated.keys() - endpoint.repeatable:
            raise HTTPError(400, f"query parameters given more than once: {', '.join(sorted(repeated))}")
        sent = {**request.query, **request.body_fields()}
        query = {name: value for name, value in sent.items() if name not in api.credential_params}
        if unknown := api.unknown_params(endpoint, frozenset(query)):
            raise HTTPError(400, f"unknown query parameters: {', '.join(sorted(unknown))}")
        request = replace(request, query=query)
        return Exchange(request, endpoint.page(request), lambda page: endpoint.response(page, request), user)

    def _identify(self, api: Api, request: Request) -> str | None:
        """The sender of a request, or None if the API needs no credentials."""
        checkers = self._checkers[api.name]
        user = next(filter(None, (checker.identify(request) for checker in checkers)), None)
        if checkers and user is None:
            raise HTTPError(401, "credentials are missing or not valid", {"WWW-Authenticate": "Bearer"})
        return user


def _check_method(request: Request, method: str) -> None:
    if request.method != method:
        raise HTTPError(405, f"only {method} is allowed", {"Allow": method})
