"""OAuth2: the token endpoint of an API, and the check of its access tokens."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from analytics_assets.sandbox.auth import Auth, Clock, authorization, same_secret
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

    def variables(self) -> dict[str, str]:
        refresh = {} if self.refresh_token is None else {"REFRESH_TOKEN": self.refresh_token}
        return {"CLIENT_ID": self.client_id, "CLIENT_SECRET": self.client_secret, **refresh}

    def build_checker(self, clock: Clock) -> TokenIssuer:
        return TokenIssuer(self, clock)


class TokenIssuer:
    """An API's token endpoint (RFC 6749), and the checker of the access tokens that it issues.

    Tokens carry their claims and a signature. A restarted server therefore accepts the tokens of the former one.
    """

    def __init__(self, config: OAuth2, clock: Clock) -> None:
        self.config = config
        self._clock = clock
        self._next_generation: dict[str, int] = {}  # the generation of refresh token that a family accepts
        self._revoked: set[str] = set()

    def authorize(self) -> str:
        """The first refresh token of a new family, as a user gets it by authorizing the client again."""
        return self._sign("refresh", secrets.token_hex(4), "0")

    def identify(self, request: Request) -> str | None:
        claims = self._claims("access", authorization(request, "Bearer") or "")
        if len(claims) != 3 or claims[0] in self._revoked or int(claims[1]) <= self._clock():
            return None
        return self.config.client_id

    def issue(self, request: Request) -> Response:
        """The response to a token request.

        Raises:
            HTTPError: The body is not a form, or the client is unknown.
        """
        form = request.form()
        self.check_client(request, form)
        grant = "client_credentials" if self.config.refresh_token is None else "refresh_token"
        if form.pop("grant_type", None) != grant:
            return _error("unsupported_grant_type")
        refresh_token = form.pop("refresh_token", "") if grant == "refresh_token" else None
        if error := self.form_error(form):
            return _error(error)
        family, refreshed = "none", {}
        if refresh_token is not None:
            found = self._use_refresh_token(refresh_token)
            if found is None:
                return _error("invalid_grant")
            family, next_token = found
            refreshed = {"refresh_token": next_token} if self.config.rotate else {}
        expires = int(self._clock()) + self.config.lifetime
        token = self._sign("access", family, str(expires), secrets.token_hex(8))
        body = {"access_token": token, "token_type": "Bearer", "expires_in": self.config.lifetime, **refreshed}
        return self.token_response(body)

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
            family, generation = (secrets.token_hex(4) if self.config.reusable else "first"), 0
        else:
            claims = self._claims("refresh", token)
            if len(claims) != 2:
                return None
            family, generation = claims[0], int(claims[1])
        if family in self._revoked:
            return None
        if self.config.rotate:
            if generation < self._next_generation.get(family, 0):
                self._revoked.add(family)
                return None
            self._next_generation[family] = generation + 1
        return family, self._sign("refresh", family, str(generation + 1))

    def _sign(self, *claims: str) -> str:
        text = ".".join(claims)
        return f"{text}.{hmac.digest(self.config.client_secret.encode(), text.encode(), 'sha256').hex()}"

    def _claims(self, token_type: str, token: str) -> list[str]:
        """The claims of a token of this client and type, or an empty list."""
        claims = token.split(".")[:-1]
        return claims[1:] if claims[:1] == [token_type] and same_secret(token, self._sign(*claims)) else []


def _error(code: str) -> Response:
    return Response.json({"error": code}, status=400)
