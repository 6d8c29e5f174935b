"""Requests tokens from an OAuth2 token endpoint, and explains what went wrong if there is none in the response."""

from __future__ import annotations

import json
import math
import re
from functools import cached_property
from typing import Any
from urllib.parse import urlencode, urlsplit

from analytics_assets.rest_api.auth.credentials import Location, OAuth2Credentials, basic_authorization
from analytics_assets.rest_api.auth.tokens import (
    SendTokenRequest,
    Token,
    TokenRequest,
    TokenResponse,
    digest,
    fingerprint,
    password_digest,
)
from analytics_assets.rest_api.errors import CredentialsError, ResponseError, RestApiError, UnavailableError

VALID_TOKEN = re.compile(r"[ -~]+")  # RFC 6749, appendix A
# The error codes of RFC 6749, section 5.2. Other texts in `error` may contain data, and are not repeated.
ERROR_CODES = frozenset({"invalid_request", "invalid_client", "invalid_grant", "invalid_scope"}) | frozenset(
    {"unauthorized_client", "unsupported_grant_type"}
)


class TokenEndpoint:
    """The token endpoint, as one OAuth2 client uses it. Implements `TokenSource`."""

    location: Location = "header"
    name = "Authorization"
    prefix = "Bearer "

    def __init__(self, credentials: OAuth2Credentials, send: SendTokenRequest) -> None:
        self.credentials = credentials
        self._send = send

    @cached_property
    def fingerprint(self) -> str:
        """The name that this client's token is stored under."""
        of_client = fingerprint(
            api=self.credentials.api,
            token_url=self.credentials.token_url,
            client_id=self.credentials.client_id,
            refresh_token=self.credentials.refresh_token,
        )
        return password_digest(list(self.credentials.user), salt=of_client) if self.credentials.user else of_client

    @property
    def refresh_token(self) -> str | None:
        """The configured refresh token."""
        return self.credentials.refresh_token

    @property
    def request_digest(self) -> str:
        """Digest of the request's fields. If a stored token has another (another scope), only its refresh token is
        of use.
        """
        return digest(self.credentials.request_data)

    def request_token(self, refresh_token: str | None, *, now: float) -> Token:
        """Request a token, by the refresh token if there is one, else by the other grants.

        Args:
            refresh_token: The newest refresh token.
            now: The Unix time in seconds that the token's lifetime is counted from.

        Raises:
            CredentialsError: The endpoint rejects the credentials.
            ResponseError: The endpoint cannot be reached, or does not return a token.
        """
        try:
            response = self._send(self._request(refresh_token))
        except ResponseError as error:
            raise type(error)(f"{error}. {self._lost_response_hint(refresh_token)}") from None
        return self._parse(response, refresh_token, now)

    @property
    def reauthorize_hint(self) -> str:
        """What to do if there is no valid refresh token."""
        variable = self.credentials.refresh_token_variable
        return f"authorize again at the API, and set {variable} to the new refresh token."

    def _request(self, refresh_token: str | None) -> TokenRequest:
        """A token request (RFC 6749, sections 2.3.1, 4.3.2, 4.4.2 and 6)."""
        credentials = self.credentials
        fields = {"grant_type": credentials.grant_type, **credentials.request_data}
        headers = {"Accept": "application/json"}
        if refresh_token:
            fields["refresh_token"] = refresh_token
        if credentials.user:
            fields["username"], fields["password"] = credentials.user
        if credentials.client_auth == "basic":
            basic = basic_authorization(credentials.client_id, credentials.client_secret)
            headers["Authorization"] = f"Basic {basic}"
        else:
            client = {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
            fields |= {name: value for name, value in client.items() if value}
        as_json = credentials.client_auth == "json"
        headers["Content-Type"] = "application/json" if as_json else "application/x-www-form-urlencoded"
        body = json.dumps(fields) if as_json else urlencode(fields)
        return TokenRequest(
            "POST", credentials.token_url, headers, body.encode(), uses_refresh_token=refresh_token is not None
        )

    def _parse(self, response: TokenResponse, refresh_token: str | None, now: float) -> Token:
        """The token in the response. `token_type` is ignored: every token is sent as Bearer."""
        body = _json_object(response.body)
        access_token = _valid_token(body.get("access_token"))
        newest = refresh_token
        if refresh_token and body.get("refresh_token"):
            newest = _valid_token(body["refresh_token"])
        if response.status not in (200, 201) or not access_token or (refresh_token and not newest):
            raise self._error(response.status, body.get("error"), refresh_token)
        expires_at = now + (_lifetime(body.get("expires_in")) or self.credentials.default_lifetime)
        return Token(access_token, newest, now, expires_at, self.request_digest)

    def _error(self, status: int, error: object, refresh_token: str | None) -> RestApiError:
        """The error for a response without a token, by status and error code: other texts may contain secrets."""
        code = error if isinstance(error, str) and error in ERROR_CODES else None
        host = urlsplit(self.credentials.token_url).hostname
        problem = f"the token endpoint of {self.credentials.api} ({host}) returned {status}"
        problem += f" ({code})" if code else ""
        if code == "invalid_grant" and refresh_token:
            return CredentialsError(
                f"{problem}: the refresh token is expired, revoked, or was used by another program. "
                f"A new authorization is needed: {self.reauthorize_hint}"
            )
        if status == 404 and not code:
            return CredentialsError(f"{problem}. Check {self.credentials.token_url_variable}.")
        if code or (400 <= status < 500 and status not in (408, 429)):
            return CredentialsError(f"{problem}. Check {self.credentials.variables}.")
        error_type = UnavailableError if status in (408, 429) or status >= 500 else ResponseError
        return error_type(f"{problem}, without a token. {self._lost_response_hint(refresh_token)}")

    def _lost_response_hint(self, refresh_token: str | None) -> str:
        """What to do if no token came back: the API may have invalidated the refresh token already."""
        if refresh_token is None:
            return "Try again later."
        return (
            "This may have used up the refresh token. Run again. "
            f"If the endpoint then returns invalid_grant, {self.reauthorize_hint}"
        )


def _valid_token(value: object) -> str | None:
    return value if isinstance(value, str) and VALID_TOKEN.fullmatch(value) else None


def _json_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object; empty if it is anything else, which the missing token then reports."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _lifetime(expires_in: object) -> float | None:
    """Seconds that a token is valid; None if the value is missing, not a number, or not positive."""
    try:
        seconds = float(expires_in) if isinstance(expires_in, int | float | str) else 0.0
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds < math.inf else None
