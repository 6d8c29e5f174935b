"""Every kind of authentication that clients support, and token endpoints with the peculiarities of real ones."""

from __future__ import annotations

from base64 import b64decode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any, Literal
from urllib.parse import unquote_plus

from analytics_assets import sandbox
from analytics_assets.sandbox.auth import Auth, Clock, CredentialChecker, authorization, same_secret
from analytics_assets.sandbox.http import HTTPError, Request, Response
from analytics_assets.sandbox.oauth2 import TokenIssuer


@dataclass(frozen=True)
class ApiKey(sandbox.ApiKey):
    """A key in the query, in a header or in a cookie."""

    location: Literal["query", "header", "cookie"] = "query"

    @property
    def query_params(self) -> frozenset[str]:
        return super().query_params if self.location == "query" else frozenset()

    def sent_key(self, request: Request) -> str | None:
        if self.location == "header":
            return request.headers.get(self.name.lower())
        if self.location == "cookie":
            cookies: SimpleCookie = SimpleCookie(request.headers.get("cookie", ""))
            return cookies[self.name].value if self.name in cookies else None
        return super().sent_key(request)


@dataclass(frozen=True)
class Bearer(Auth):
    """A token that never changes."""

    token: str

    def variables(self) -> dict[str, str]:
        return {"API_TOKEN": self.token}

    def build_checker(self, clock: Clock) -> CredentialChecker:
        return self

    def identify(self, request: Request) -> str | None:
        return "bearer" if same_secret(authorization(request, "Bearer"), self.token) else None


@dataclass(frozen=True)
class HttpBasic(Auth):
    """User name and password."""

    username: str
    password: str

    def variables(self) -> dict[str, str]:
        return {"USERNAME": self.username, "PASSWORD": self.password}

    def build_checker(self, clock: Clock) -> CredentialChecker:
        return self

    def identify(self, request: Request) -> str | None:
        return self.username if basic_credentials(request) == (self.username, self.password) else None


@dataclass(frozen=True)
class OAuth2(sandbox.OAuth2):
    """OAuth2 with the peculiarities of real token endpoints.

    Attributes:
        client_auth: Where the client sends its credentials; `json` is a JSON body with all fields.
        user: User name and password of the password grant.
        fields: Further fields that a token request must have: `{"scope": "read"}`.
        status: Status of the token response.
        lifetime_as: How the token response says `expires_in`.
        token_uses: Requests after which an access token is rejected.
    """

    client_auth: Literal["body", "basic", "json"] = "body"
    user: tuple[str, str] | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    lifetime_as: Literal["number", "text", "absent"] = "number"
    token_uses: int | None = None

    @property
    def grant_type(self) -> str:
        return "password" if self.user else super().grant_type

    def variables(self) -> dict[str, str]:
        user = dict(zip(("USERNAME", "PASSWORD"), self.user, strict=True)) if self.user else {}
        return {**super().variables(), **user}

    def build_checker(self, clock: Clock) -> TokenIssuer:
        return _TokenIssuer(self, clock)


class _TokenIssuer(TokenIssuer):
    config: OAuth2

    def __init__(self, config: OAuth2, clock: Clock) -> None:
        super().__init__(config, clock)
        self._uses: Counter[str] = Counter()

    def identify(self, request: Request) -> str | None:
        user = super().identify(request)
        token = authorization(request, "Bearer") or ""
        self._uses[token] += user is not None
        if self.config.token_uses is not None and self._uses[token] > self.config.token_uses:
            return None
        return user

    def fields(self, request: Request) -> dict[str, str]:
        return request.json_object() if self.config.client_auth == "json" else super().fields(request)

    def check_client(self, request: Request, form: dict[str, str]) -> None:
        if self.config.client_auth != "basic":
            super().check_client(request, form)
            return
        user, password = basic_credentials(request) or ("", "")
        sent = (unquote_plus(user), unquote_plus(password))
        if form.keys() & {"client_id", "client_secret"} or sent != (self.config.client_id, self.config.client_secret):
            raise HTTPError(401, "invalid_client", {"WWW-Authenticate": "Basic"})

    def form_error(self, form: dict[str, str]) -> str | None:
        user = (form.pop("username", None), form.pop("password", None)) if self.config.user else None
        if user != self.config.user:
            return "invalid_grant"
        if form == self.config.fields:
            return None
        return "invalid_request" if form.get("scope") == self.config.fields.get("scope") else "invalid_scope"

    def token_response(self, body: dict[str, Any]) -> Response:
        body = dict(body)
        if self.config.lifetime_as == "text":
            body["expires_in"] = str(body["expires_in"])
        elif self.config.lifetime_as == "absent":
            del body["expires_in"]
        return Response.json(body, status=self.config.status, headers={"Cache-Control": "no-store"})


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """User name and password of an `Authorization: Basic` header."""
    try:
        user, colon, password = b64decode(authorization(request, "Basic") or "", validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None
