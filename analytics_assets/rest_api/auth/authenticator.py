"""What signs an API's requests, whatever the kind of its credentials."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from analytics_assets.rest_api.auth.credentials import OAuth2Credentials, StaticCredentials
from analytics_assets.rest_api.auth.oauth2 import OAuth2Authenticator
from analytics_assets.rest_api.auth.static import StaticAuthenticator
from analytics_assets.rest_api.auth.token_endpoint import PostForm
from analytics_assets.rest_api.auth.token_store import TokenStore


class Authenticator(Protocol):
    """Signs the requests to one API. Safe to share between threads."""

    def sign(self, params: dict[str, str], headers: dict[str, str]) -> str:
        """Add the credential to a request's query parameters or headers, in place.

        Returns:
            An ID of the credential, for `refresh`.

        Raises:
            CredentialsError: There is no valid credential, and none can be obtained.
            ResponseError: The token endpoint cannot be reached, or does not return a token.
        """

    def refresh(self, credential_id: str) -> bool:
        """Obtain another credential after the API rejected this one with 401.

        Returns:
            Whether there is another credential now, so that a second attempt makes sense.

        Raises:
            CredentialsError: The credential cannot be refreshed.
            ResponseError: The token endpoint cannot be reached, or does not return a token.
        """

    def rejection_hint(self, status: int) -> str:
        """What to do if the API returns 401 or 403 to a signed request; names the variables to check."""

    def secret_values(self) -> frozenset[str]:
        """All values to mask in messages. Grows with each new token: call it again for each message."""


def build_authenticator(
    credentials: StaticCredentials | OAuth2Credentials,
    *,
    store: TokenStore,
    post_form: PostForm,
    clock: Callable[[], float] = time.time,
) -> Authenticator:
    """The authenticator for the credentials.

    Args:
        credentials: The credentials, with all values read.
        store: Where OAuth2 tokens are stored.
        post_form: Sends a form to a token endpoint.
        clock: The current Unix time in seconds.
    """
    if isinstance(credentials, OAuth2Credentials):
        return OAuth2Authenticator(credentials, store=store, post_form=post_form, clock=clock)
    return StaticAuthenticator(credentials)
