"""A login by e-mail address and password, and the tokens that it issues."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from analytics_assets.sandbox.auth import Auth, Clock, CredentialIssuer, authorization, same_secret
from analytics_assets.sandbox.http import HTTPError, Request, Response
from analytics_assets.sandbox.oauth2 import TokenFamilies


@dataclass(frozen=True)
class Login(Auth):
    """A login request issues an access token and a refresh token, which works once.

    Attributes:
        lifetime: Seconds until an access token expires.
    """

    email: str
    password: str
    login_path: str = "/auth/login"
    refresh_path: str = "/auth/refresh"
    lifetime: int = 900

    def variables(self) -> dict[str, str]:
        return {"EMAIL": self.email, "PASSWORD": self.password}

    def build_checker(self, clock: Clock) -> LoginIssuer:
        return LoginIssuer(self, clock)


class LoginIssuer(CredentialIssuer):
    """The login of an API, and the checker of the access tokens that it issues."""

    def __init__(self, config: Login, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self.tokens = TokenFamilies(config.password, clock, rotate=True)

    @property
    def routes(self) -> Mapping[str, Callable[[Request], Response]]:
        """Login and refresh."""
        return {self.config.login_path: self.login, self.config.refresh_path: self.refresh}

    def identify(self, request: Request) -> str | None:
        """The e-mail address."""
        return self.config.email if self.tokens.is_valid(self.sent_token(request) or "") else None

    def sent_token(self, request: Request) -> str | None:
        """The access token that a request carries."""
        return authorization(request, "Bearer")

    def login(self, request: Request) -> Response:
        """The response to a login.

        Raises:
            HTTPError: The body is not a JSON object, or address and password are wrong.
        """
        sent = request.json_object()
        if sent.keys() != {"email", "password"} or not (
            sent["email"] == self.config.email and same_secret(str(sent["password"]), self.config.password)
        ):
            raise HTTPError(401, "the e-mail address or the password is wrong")
        family = self.tokens.new_family()
        return self.response(family, self.tokens.refresh_token(family))

    def refresh(self, request: Request) -> Response:
        """The response to a refresh.

        Raises:
            HTTPError: The body is not a JSON object, or the refresh token is not valid.
        """
        found = self.tokens.use(str(request.json_object().get("refresh_token")))
        if found is None:
            raise HTTPError(401, "the refresh token is not valid")
        return self.response(*found)

    def response(self, family: str, refresh_token: str) -> Response:
        """The response that carries new tokens; the lifetime is in milliseconds."""
        token = self.tokens.access_token(family, self.config.lifetime)
        return Response.json({"data": self.fields(token, refresh_token)}, headers={"Cache-Control": "no-store"})

    def fields(self, access_token: str, refresh_token: str) -> dict[str, Any]:
        """The fields of a response with tokens."""
        return {"access_token": access_token, "expires": self.config.lifetime * 1000, "refresh_token": refresh_token}
