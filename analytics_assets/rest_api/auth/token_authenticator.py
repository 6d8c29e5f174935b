"""Signs requests with a token that expires, which all processes share through the token store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from analytics_assets.rest_api.auth.credentials import Location, LoginCredentials, OAuth2Credentials
from analytics_assets.rest_api.auth.static import FORBIDDEN_HINT, add_credential
from analytics_assets.rest_api.auth.token_store import LockedToken, TokenStore
from analytics_assets.rest_api.auth.tokens import Token
from analytics_assets.rest_api.errors import TokenStoreError

log = logging.getLogger(__name__)

MAX_REMEMBERED_TOKENS = 16  # eight refreshes of two tokens: messages quote no older ones


class TokenSource(Protocol):
    """Where new tokens come from, and how requests carry them."""

    @property
    def credentials(self) -> OAuth2Credentials | LoginCredentials:
        """The configured secrets."""

    @property
    def fingerprint(self) -> str:
        """The name that the token is stored under."""

    @property
    def request_digest(self) -> str:
        """Digest of the request: of a stored token with another digest, only the refresh token is used."""

    @property
    def refresh_token(self) -> str | None:
        """The configured refresh token. If there is one, no token is requested that cannot be stored."""

    @property
    def location(self) -> Location:
        """Where requests carry the token."""

    @property
    def name(self) -> str:
        """The header, query parameter or cookie that carries the token."""

    @property
    def prefix(self) -> str:
        """The text before the token."""

    @property
    def reauthorize_hint(self) -> str:
        """What to do if there is no valid refresh token."""

    def request_token(self, refresh_token: str | None, *, now: float) -> Token:
        """Request a token.

        Args:
            refresh_token: The newest refresh token.
            now: The Unix time in seconds that the token's lifetime is counted from.

        Raises:
            CredentialsError: The credentials are rejected.
            ResponseError: The API cannot be reached, or does not return a token.
        """


class TokenAuthenticator:
    """Takes the stored token, or requests one for all processes. Implements `Authenticator`."""

    def __init__(self, source: TokenSource, *, store: TokenStore, clock: Callable[[], float]) -> None:
        self._source = source
        self._store = store
        self._clock = clock
        self._refresh_lock = threading.Lock()
        self._token: Token | None = None
        self._remembered: tuple[str, ...] = ()

    def sign(self, params: dict[str, str], headers: dict[str, str]) -> str:
        """Add the token, see `Authenticator.sign`.

        Raises:
            CredentialsError: The credentials are rejected, or a new token cannot be stored.
            ResponseError: The API cannot be reached, or does not return a token.
        """
        with self._refresh_lock:
            token = self._token
            if token is None or not token.is_fresh(self._clock()):
                token = self._token = self._get_or_refresh(rejected_id=None)
        source = self._source
        add_credential(source.location, source.name, f"{source.prefix}{token.access_token}", params, headers)
        return token.id

    def sign_body(self, body: bytes | None, headers: Mapping[str, str]) -> bytes | None:  # noqa: ARG002
        """The body, unchanged."""
        return body

    def refresh(self, credential_id: str) -> bool:
        """Take a newer stored token, or request one, see `Authenticator.refresh`.

        Raises:
            CredentialsError: The credentials are rejected, or a new token cannot be stored.
            ResponseError: The API cannot be reached, or does not return a token.
        """
        with self._refresh_lock:
            if self._token is None or self._token.id == credential_id:
                self._token = self._get_or_refresh(rejected_id=credential_id)
            return self._token.id != credential_id

    def rejection_hint(self, status: int) -> str:
        """What to do after 401 or 403."""
        unauthorized = "the API does not accept the access token, nor a new one."
        return f"Check {self._source.credentials.variables}: {FORBIDDEN_HINT if status == 403 else unauthorized}"

    def secret_values(self) -> frozenset[str]:
        """The configured secrets and the tokens of the last refreshes."""
        return self._source.credentials.secret_values.union(self._remembered)

    def _get_or_refresh(self, *, rejected_id: str | None) -> Token:
        """The stored token, unless it is expired or the rejected one; else a new one, stored before it is used."""
        try:
            with self._store.locked(self._source.fingerprint) as locked:
                stored = locked.read()
                if stored:
                    self._remember_for_redaction(stored)
                    if (
                        stored.request == self._source.request_digest
                        and stored.id != rejected_id
                        and stored.is_fresh(self._clock())
                    ):
                        return stored
                refresh_token = (stored and stored.refresh_token) or self._source.refresh_token
                locked.reserve()
                # Worker thread, so that Ctrl-C cannot hit between receiving and storing the token.
                with ThreadPoolExecutor(1) as worker:
                    return worker.submit(self._request_and_store, refresh_token, locked).result()
        except TokenStoreError as error:
            if self._source.refresh_token is not None:
                raise
            log.warning("%s: %s Until then each step requests its own token.", self._source.credentials.api, error)
            return self._request(None)

    def _request_and_store(self, refresh_token: str | None, locked: LockedToken) -> Token:
        token = self._request(refresh_token)
        try:
            locked.write(token)
        except TokenStoreError as error:
            if token.refresh_token == refresh_token:
                raise
            raise TokenStoreError(f"{error} The new refresh token is lost: {self._source.reauthorize_hint}") from None
        return token

    def _request(self, refresh_token: str | None) -> Token:
        token = self._source.request_token(refresh_token, now=self._clock())
        self._remember_for_redaction(token)
        return token

    def _remember_for_redaction(self, token: Token) -> None:
        """Add to a new tuple: `secret_values` reads it without the lock."""
        values = [value for value in (token.access_token, token.refresh_token) if value]
        self._remembered = (*self._remembered, *values)[-MAX_REMEMBERED_TOKENS:]
