"""What signs an API's requests, whatever the kind of its credentials."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from analytics_assets.rest_api.auth.credentials import Credentials, OAuth2Credentials, StaticCredentials
from analytics_assets.rest_api.auth.login import Login
from analytics_assets.rest_api.auth.static import StaticAuthenticator
from analytics_assets.rest_api.auth.token_authenticator import TokenAuthenticator
from analytics_assets.rest_api.auth.token_endpoint import TokenEndpoint
from analytics_assets.rest_api.auth.token_store import TokenStore
from analytics_assets.rest_api.auth.tokens import SendTokenRequest


class Authenticator(Protocol):
    """Signs the requests to one API. Safe to share between threads."""

    def sign(self, params: dict[str, str], headers: dict[str, str]) -> str:
        """Add the credential to a request's query parameters or headers, in place.

        Returns:
            An ID of the credential, for `refresh`.

        Raises:
            CredentialsError: There is no valid credential, and none can be obtained.
            ResponseError: No token can be requested, or the response has none.
        """

    def sign_body(self, body: bytes | None, headers: Mapping[str, str]) -> bytes | None:
        """The body with the credential in it; unchanged if the credential is elsewhere.

        Args:
            body: The body of the request: a JSON object or a form.
            headers: The headers of the request.
        """

    def refresh(self, credential_id: str) -> bool:
        """Obtain another credential after the API rejected this one with 401.

        Returns:
            Whether there is another credential now, so that a second attempt makes sense.

        Raises:
            CredentialsError: The credential cannot be refreshed.
            ResponseError: No token can be requested, or the response has none.
        """

    def rejection_hint(self, status: int) -> str:
        """What to do if the API returns 401 or 403 to a signed request; names the variables to check."""

    def secret_values(self) -> frozenset[str]:
        """All values to mask in messages. Grows with each new token: call it again for each message."""


def build_authenticator(
    credentials: Credentials,
    *,
    store: TokenStore | None,
    send: SendTokenRequest,
    clock: Callable[[], float] = time.time,
) -> Authenticator:
    """The authenticator for the credentials.

    Args:
        credentials: The credentials, with all values read.
        store: Where tokens are stored; None for credentials without tokens.
        send: Sends a token request.
        clock: The current Unix time in seconds.
    """
    if isinstance(credentials, StaticCredentials):
        return StaticAuthenticator(credentials)
    assert store is not None, "tokens need a store"
    if isinstance(credentials, OAuth2Credentials):
        return TokenAuthenticator(TokenEndpoint(credentials, send), store=store, clock=clock)
    return TokenAuthenticator(Login(credentials, send), store=store, clock=clock)
