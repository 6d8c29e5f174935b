"""Logins with the peculiarities of real ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from http.cookies import SimpleCookie
from typing import Any, Literal

from analytics_assets.sandbox import login
from analytics_assets.sandbox.auth import Clock
from analytics_assets.sandbox.http import Request


@dataclass(frozen=True)
class Login(login.Login):
    """A login with the peculiarities of real ones.

    Attributes:
        location: Where requests carry the access token.
        name: The header, query parameter or cookie.
        prefix: The text before the token.
        expires_as: How responses say when the token expires.
        rotate: Responses to a refresh have a new refresh token. The sent one is not valid after that.
        token_uses: Requests after which an access token is rejected.
    """

    location: Literal["header", "query", "cookie"] = "header"
    name: str = "Authorization"
    prefix: str = "Bearer "
    expires_as: Literal["s", "ms", "text", "epoch_s", "epoch_ms", "iso8601", "absent"] = "ms"
    rotate: bool = True
    token_uses: int | None = None

    @property
    def query_params(self) -> frozenset[str]:
        return frozenset({self.name}) if self.location == "query" else frozenset()

    def build_checker(self, clock: Clock) -> login.LoginIssuer:
        return _LoginIssuer(self, clock)


class _LoginIssuer(login.LoginIssuer):
    config: Login

    def __init__(self, config: Login, clock: Clock) -> None:
        super().__init__(config, clock)
        self.tokens.rotate = config.rotate
        self._uses: Counter[str] = Counter()

    def identify(self, request: Request) -> str | None:
        user = super().identify(request)
        token = self.sent_token(request) or ""
        self._uses[token] += user is not None
        return None if self.config.token_uses is not None and self._uses[token] > self.config.token_uses else user

    def sent_token(self, request: Request) -> str | None:
        name, location = self.config.name, self.config.location
        if location == "query":
            return request.query.get(name)
        if location == "cookie":
            cookies: SimpleCookie = SimpleCookie(request.headers.get("cookie", ""))
            return cookies[name].value if name in cookies else None
        value = request.headers.get(name.lower(), "")
        return value.removeprefix(self.config.prefix) if value.startswith(self.config.prefix) else None

    def fields(self, access_token: str, refresh_token: str) -> dict[str, Any]:
        seconds, now = self.config.lifetime, self.clock()
        expires = {
            "s": seconds,
            "ms": seconds * 1000,
            "text": str(seconds),
            "epoch_s": int(now) + seconds,
            "epoch_ms": int(now + seconds) * 1000,
            "iso8601": datetime.fromtimestamp(now + seconds, timezone.utc).isoformat().replace("+00:00", "Z"),
        }
        found = {**super().fields(access_token, refresh_token), "expires": expires.get(self.config.expires_as)}
        return {name: value for name, value in found.items() if value is not None}
