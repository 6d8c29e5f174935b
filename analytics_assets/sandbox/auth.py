"""The kinds of credentials that a sandbox API asks for."""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias
from urllib.parse import unquote_plus

from analytics_assets.sandbox.exchange import HTTPError, Request, Response


class CredentialChecker(Protocol):
    """Tells who sends a request."""

    def identify(self, request: Request) -> str | None:
        """A name for the sender, or None if the credential is missing or wrong."""


@dataclass(frozen=True)
class ApiKey:
    """A key in the query, in a header or in a cookie."""

    key: str
    name: str = "api_key"
    location: Literal["query", "header", "cookie"] = "query"

    def identify(self, request: Request) -> str | None:
        if self.location == "query":
            sent = request.query.get(self.name)
        elif self.location == "header":
            sent = request.headers.get(self.name.lower())
        else:
            sent = request.cookie(self.name)
        return "api_key" if _same(sent, self.key) else None

    def variables(self) -> dict[str, str]:
        return {"API_KEY": self.key}


@dataclass(frozen=True)
class Bearer:
    """A token that does not change."""

    token: str

    def identify(self, request: Request) -> str | None:
        return "bearer" if _same(_authorization(request, "Bearer"), self.token) else None

    def variables(self) -> dict[str, str]:
        return {"API_TOKEN": self.token}


@dataclass(frozen=True)
class HttpBasic:
    """User and password."""

    username: str
    password: str

    def identify(self, request: Request) -> str | None:
        sent = _user_and_password(request)
        return self.username if sent == (self.username, self.password) else None

    def variables(self) -> dict[str, str]:
        return {"USERNAME": self.username, "PASSWORD": self.password}


@dataclass(frozen=True)
class OAuth2:
    """OAuth2 by client credentials, or by refresh token if there is one."""

    client_id: str
    client_secret: str
    refresh_token: str | None = None
    token_path: str = "/oauth/token"  # noqa: S105
    client_auth: Literal["body", "basic"] = "body"
    fields: Mapping[str, str] = field(default_factory=dict)  # asked for besides: {"scope": "read"}
    status: int = 200
    lifetime: int = 3600  # seconds
    lifetime_as: Literal["number", "text", "absent"] = "number"
    token_uses: int | None = None  # requests after which an access token is refused, whatever its lifetime
    rotate: bool = False  # each refresh token works once; its reuse revokes all that came of it
    renewable: bool = False  # the configured refresh token works again and again, each time for a new family

    def variables(self) -> dict[str, str]:
        refresh = {} if self.refresh_token is None else {"REFRESH_TOKEN": self.refresh_token}
        return {"CLIENT_ID": self.client_id, "CLIENT_SECRET": self.client_secret, **refresh}


Auth: TypeAlias = "OAuth2 | ApiKey | Bearer | HttpBasic"


class TokenIssuer:
    """An API's token endpoint, and the guard that reads its tokens.

    Tokens carry their facts and a signature, so those of an earlier server with the same client still count:
    a sandbox that starts again locks nobody out.
    """

    def __init__(self, config: OAuth2, clock: Callable[[], float]) -> None:
        self.config = config
        self._clock = clock
        self._generation: dict[str, int] = {}  # of the refresh token that a family accepts next
        self._revoked: set[str] = set()
        self._uses: Counter[str] = Counter()

    def authorize(self) -> str:
        """The first refresh token of a new family: what a person gets who authorizes the client again."""
        return self._sign("refresh", secrets.token_hex(4), "0")

    def identify(self, request: Request) -> str | None:
        token = _authorization(request, "Bearer") or ""
        facts = self._facts("access", token)
        if len(facts) != 3 or facts[0] in self._revoked or int(facts[1]) <= self._clock():
            return None
        self._uses[token] += 1
        if self.config.token_uses is not None and self._uses[token] > self.config.token_uses:
            return None
        return self.config.client_id

    def issue(self, request: Request) -> Response:
        """Answer a token request as RFC 6749 says."""
        form = request.form()
        self._check_client(request, form)
        grant = "client_credentials" if self.config.refresh_token is None else "refresh_token"
        if form.pop("grant_type", None) != grant:
            return _problem("unsupported_grant_type")
        refresh_token = form.pop("refresh_token", "") if grant == "refresh_token" else None
        if form != self.config.fields:
            same_scope = form.get("scope") == self.config.fields.get("scope")
            return _problem("invalid_request" if same_scope else "invalid_scope")
        family, refreshed = "none", {}
        if refresh_token is not None:
            found = self._refresh(refresh_token)
            if found is None:
                return _problem("invalid_grant")
            family, next_token = found
            refreshed = {"refresh_token": next_token} if self.config.rotate else {}
        expires = int(self._clock()) + self.config.lifetime
        token = self._sign("access", family, str(expires), secrets.token_hex(8))
        answer = {"access_token": token, "token_type": "Bearer", **self._lifetime(), **refreshed}
        return Response.json(answer, status=self.config.status, headers={"Cache-Control": "no-store"})

    def _check_client(self, request: Request, form: dict[str, str]) -> None:
        sent = (form.pop("client_id", None), form.pop("client_secret", None))
        if self.config.client_auth == "basic":
            if sent != (None, None):
                raise HTTPError(401, "invalid_client")
            user, password = _user_and_password(request) or ("", "")
            sent = (unquote_plus(user), unquote_plus(password))
        elif "authorization" in request.headers:
            raise HTTPError(401, "invalid_client")
        if sent != (self.config.client_id, self.config.client_secret):
            raise HTTPError(401, "invalid_client", {"WWW-Authenticate": "Basic"})

    def _refresh(self, token: str) -> tuple[str, str] | None:
        """The family of a refresh token and the family's next one; None if it is not or no more valid."""
        if token == self.config.refresh_token:
            family, generation = (secrets.token_hex(4) if self.config.renewable else "first"), 0
        else:
            facts = self._facts("refresh", token)
            if len(facts) != 2:
                return None
            family, generation = facts[0], int(facts[1])
        if family in self._revoked:
            return None
        if self.config.rotate:
            if generation < self._generation.get(family, 0):
                self._revoked.add(family)
                return None
            self._generation[family] = generation + 1
        return family, self._sign("refresh", family, str(generation + 1))

    def _lifetime(self) -> dict[str, Any]:
        if self.config.lifetime_as == "absent":
            return {}
        return {"expires_in": str(self.config.lifetime) if self.config.lifetime_as == "text" else self.config.lifetime}

    def _sign(self, *facts: str) -> str:
        text = ".".join(facts)
        return f"{text}.{hmac.digest(self.config.client_secret.encode(), text.encode(), 'sha256').hex()}"

    def _facts(self, kind: str, token: str) -> list[str]:
        """What a token of this client says; nothing if it is not one."""
        facts = token.split(".")[:-1]
        return facts[1:] if facts[:1] == [kind] and _same(token, self._sign(*facts)) else []


def build_checker(auth: Auth, clock: Callable[[], float]) -> CredentialChecker:
    return TokenIssuer(auth, clock) if isinstance(auth, OAuth2) else auth


def _problem(error: str) -> Response:
    return Response.json({"error": error}, status=400)


def _same(sent: str | None, expected: str) -> bool:
    return sent is not None and hmac.compare_digest(sent.encode(), expected.encode())


def _authorization(request: Request, scheme: str) -> str | None:
    found, _, value = request.headers.get("authorization", "").partition(" ")
    return value if found.lower() == scheme.lower() else None


def _user_and_password(request: Request) -> tuple[str, str] | None:
    try:
        user, colon, password = b64decode(_authorization(request, "Basic") or "", validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None
