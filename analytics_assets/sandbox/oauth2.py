"""OAuth2: the token endpoint of an API, and the check of its access tokens."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from analytics_assets.sandbox.auth import Auth, Clock, CredentialIssuer, authorization, same_secret
from analytics_assets.sandbox.http import HTTPError, Request, Response


@dataclass(frozen=True)
class OAuth2(Auth):
    """OAuth2 by client credentials, or by refresh token if there is one.

    Attributes:
        lifetime: Seconds until an access token expires.
        rotate: Each refresh token works once. Its reuse revokes all tokens of its family.
        reusable: The configured refresh token works any number of times and starts a new family each time.
    """

    client_id: str
    client_secret: str
    refresh_token: str | None = None
    token_path: str = "/oauth/token"  # noqa: S105
    lifetime: int = 3600
    rotate: bool = False
    reusable: bool = False

    @property
    def grant_type(self) -> str:
        """The grant of its token requests."""
        return "client_credentials" if self.refresh_token is None else "refresh_token"

    def variables(self) -> dict[str, str]:
        refresh = {} if self.refresh_token is None else {"REFRESH_TOKEN": self.refresh_token}
        return {"CLIENT_ID": self.client_id, "CLIENT_SECRET": self.client_secret, **refresh}

    def build_checker(self, clock: Clock) -> TokenIssuer:
        return TokenIssuer(self, clock)


class TokenFamilies:
    """Access and refresh tokens. The tokens that follow from one authorization are a family.

    Tokens carry their claims and a signature. A restarted server therefore accepts the tokens of the former one.

    Attributes:
        rotate: Each refresh token works once. Its reuse revokes all tokens of its family.
    """

    def __init__(self, key: str, clock: Clock, *, rotate: bool) -> None:
        """Issue nothing yet.

        Args:
            key: The key of the signatures.
            clock: The current Unix time in seconds.
            rotate: Each refresh token works once. Its reuse revokes all tokens of its family.
        """
        self._key = key
        self._clock = clock
        self.rotate = rotate
        self._next_generation: dict[str, int] = {}  # the generation of refresh token that a family accepts
        self._revoked: set[str] = set()

    def new_family(self) -> str:
        """The name of a new family."""
        return secrets.token_hex(4)

    def access_token(self, family: str, lifetime: int) -> str:
        """A new access token."""
        return self._sign("access", family, str(int(self._clock()) + lifetime), secrets.token_hex(8))

    def refresh_token(self, family: str, generation: int = 0) -> str:
        """The refresh token of a generation of a family."""
        return self._sign("refresh", family, str(generation))

    def is_valid(self, access_token: str) -> bool:
        """Whether an access token is one of these, and neither expired nor revoked."""
        claims = self._claims("access", access_token)
        return len(claims) == 3 and claims[0] not in self._revoked and int(claims[1]) > self._clock()

    def use(self, refresh_token: str) -> tuple[str, str] | None:
        """The family of a refresh token and the family's next token, or None if the token is not valid."""
        claims = self._claims("refresh", refresh_token)
        return self.use_generation(claims[0], int(claims[1])) if len(claims) == 2 else None

    def use_generation(self, family: str, generation: int) -> tuple[str, str] | None:
        """The family and its next token, or None if a token of this generation is not valid."""
        if family in self._revoked:
            return None
        if self.rotate:
            if generation < self._next_generation.get(family, 0):
                self._revoked.add(family)
                return None
            self._next_generation[family] = generation + 1
        return family, self.refresh_token(family, generation + 1)

    def revoke(self, token: str) -> None:
        """Revoke all tokens of a token's family."""
        self._revoked.add(token.split(".")[1])

    def _sign(self, *claims: str) -> str:
        text = ".".join(claims)
        return f"{text}.{hmac.digest(self._key.encode(), text.encode(), 'sha256').hex()}"

    def _claims(self, token_type: str, token: str) -> list[str]:
        """The claims of a token of this type, or an empty list."""
        claims = token.split(".")[:-1]
        return claims[1:] if claims[:1] == [token_type] and same_secret(token, self._sign(*claims)) else []


class TokenIssuer(CredentialIssuer):
    """An API's token endpoint (RFC 6749), and the checker of the access tokens that it issues."""

    def __init__(self, config: OAuth2, clock: Clock) -> None:
        self.config = config
        self.tokens = TokenFamilies(config.client_secret, clock, rotate=config.rotate)

    @property
    def routes(self) -> Mapping[str, Callable[[Request], Response]]:
        """The token endpoint."""
        return {self.config.token_path: self.issue}

    def authorize(self) -> str:
        """The first refresh token of a new family, as a user gets it by authorizing the client again."""
        return self.tokens.refresh_token(self.tokens.new_family())

    def identify(self, request: Request) -> str | None:
        """The client's ID."""
        return self.config.client_id if self.tokens.is_valid(authorization(request, "Bearer") or "") else None

    def issue(self, request: Request) -> Response:
        """The response to a token request.

        Raises:
            HTTPError: The body is not valid, or the client or the user is unknown.
        """
        form = self.fields(request)
        self.check_client(request, form)
        if form.pop("grant_type", None) != self.config.grant_type:
            return _error("unsupported_grant_type")
        refresh_token = form.pop("refresh_token", "") if self.config.grant_type == "refresh_token" else None
        if error := self.form_error(form):
            return _error(error)
        family, refreshed = "none", {}
        if refresh_token is not None:
            found = self._use_refresh_token(refresh_token)
            if found is None:
                return _error("invalid_grant")
            family, next_token = found
            refreshed = {"refresh_token": next_token} if self.config.rotate else {}
        token = self.tokens.access_token(family, self.config.lifetime)
        body = {"access_token": token, "token_type": "Bearer", "expires_in": self.config.lifetime, **refreshed}
        return self.token_response(body)

    def fields(self, request: Request) -> dict[str, str]:
        """The fields of a token request.

        Raises:
            HTTPError: The body is not a form.
        """
        return request.form()

    def check_client(self, request: Request, form: dict[str, str]) -> None:
        """Check the client's credentials and remove them from the form.

        Raises:
            HTTPError: They are missing, wrong, or in the wrong place.
        """
        sent = (form.pop("client_id", None), form.pop("client_secret", None))
        if "authorization" in request.headers or sent != (self.config.client_id, self.config.client_secret):
            raise HTTPError(401, "invalid_client", {"WWW-Authenticate": "Basic"})

    def form_error(self, form: dict[str, str]) -> str | None:
        """The OAuth2 error code for the remaining fields of a token request."""
        return "invalid_request" if form else None

    def token_response(self, body: dict[str, Any]) -> Response:
        """The response that carries a new token."""
        return Response.json(body, headers={"Cache-Control": "no-store"})

    def _use_refresh_token(self, token: str) -> tuple[str, str] | None:
        """The family of a refresh token and the family's next token, or None if the token is not valid."""
        if token == self.config.refresh_token:
            return self.tokens.use_generation(self.tokens.new_family() if self.config.reusable else "first", 0)
        return self.tokens.use(token)


def _error(code: str) -> Response:
    return Response.json({"error": code}, status=400)
