"""Requests tokens by a login. If a response has no token, the error says why and what to do."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from analytics_assets.rest_api.auth.credentials import ALLOWED_VALUES, Location, LoginCredentials, encode_base64
from analytics_assets.rest_api.auth.static import set_header
from analytics_assets.rest_api.auth.tokens import SendTokenRequest, Token, TokenRequest, TokenResponse, password_digest
from analytics_assets.rest_api.config import REFRESH_TOKEN, LoginRequest, SecretRef, Value
from analytics_assets.rest_api.errors import CredentialsError, ResponseError, RestApiError, UnavailableError

log = logging.getLogger(__name__)

STEP = re.compile(r"""\['([^']+)'\]|\["([^"]+)"\]|\[(\d+)\]|([^.\[\]]+)""")
MISSING: Final = object()
TEMPORARY_STATUSES = (408, 425, 429)
# No API issues tokens for thirty years: a number this large is a time.
MAX_LIFETIME_SECONDS = 1e9


class Login:
    """The login of one API. Implements `TokenSource`."""

    refresh_token = None  # of the configuration: a login issues its own
    reauthorize_hint = "run again: the next run logs in anew."

    def __init__(self, credentials: LoginCredentials, send: SendTokenRequest) -> None:
        self.credentials = credentials
        self._config = credentials.config
        self._send = send

    @cached_property
    def fingerprint(self) -> str:
        """The name that the token is stored under. Another password, or another request, has another one."""
        config = [self.credentials.api, self.credentials.base_url, repr(self._config)]
        return password_digest(list(self.credentials.values.values()), salt=config)

    @property
    def request_digest(self) -> str:
        """The fingerprint, which covers the request."""
        return self.fingerprint

    @property
    def location(self) -> Location:
        """Where requests carry the token."""
        return self._config.location

    @property
    def name(self) -> str:
        """The header, query parameter or cookie that carries the token."""
        return self._config.name

    @property
    def prefix(self) -> str:
        """The text before the token."""
        return self._config.token_prefix

    def request_token(self, refresh_token: str | None, *, now: float) -> Token:
        """Request a token by the refresh token if there is one. If that is rejected, log in.

        Args:
            refresh_token: The newest refresh token.
            now: The Unix time in seconds that the token's lifetime is counted from.

        Raises:
            CredentialsError: The login is rejected.
            ResponseError: The API cannot be reached, or does not return a token.
        """
        if refresh_token and self._config.refresh:
            response = self._send(self._request("refresh", self._config.refresh, refresh_token))
            if not _is_rejected(response.status):
                return self._parse("refresh", response, refresh_token, now)
            log.info("%s: the refresh token was rejected with %d: logging in", self.credentials.api, response.status)
        return self._parse("request", self._send(self._request("request", self._config.request, "")), None, now)

    def _request(self, key: str, request: LoginRequest, refresh_token: str) -> TokenRequest:
        """The request with the values of its secrets."""
        headers: dict[str, str] = {"Accept": "application/json"}
        if request.path is not None:
            url = f"{self.credentials.base_url.rstrip('/')}/{request.path.lstrip('/')}"
            for name, value in self.credentials.headers.items():
                set_header(headers, name, value)
        else:
            url = self._text(request.url or "", refresh_token)
        body = None
        if request.json_ is not None:
            body = json.dumps(self._render(request.json_, refresh_token)).encode()
            headers["Content-Type"] = "application/json"
        elif request.data is not None:
            body = urlencode(self._render(request.data, refresh_token)).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if request.auth:
            user = f"{self._text(request.auth.username, '')}:{self._text(request.auth.password, '')}"
            headers["Authorization"] = f"Basic {encode_base64(user)}"
        for name, value in self._render(request.headers, refresh_token).items():
            set_header(headers, name, value)
        if request.params:
            query = urlencode(self._render(request.params, refresh_token), quote_via=quote)
            url = f"{url}{'&' if '?' in url else '?'}{query}"
        return TokenRequest(
            request.method, url, headers, body, f"auth.{key}.url", uses_refresh_token=bool(refresh_token)
        )

    def _text(self, value: Value, refresh_token: str) -> str:
        if isinstance(value, SecretRef):
            return self.credentials.values[value]
        return value.replace(REFRESH_TOKEN, refresh_token)

    def _render(self, value: Any, refresh_token: str) -> Any:
        """A JSON value with all texts and secrets replaced."""
        if isinstance(value, Mapping):
            return {name: self._render(item, refresh_token) for name, item in value.items()}
        if isinstance(value, list):
            return [self._render(item, refresh_token) for item in value]
        return self._text(value, refresh_token) if isinstance(value, str | SecretRef) else value

    def _parse(self, key: str, response: TokenResponse, refresh_token: str | None, now: float) -> Token:
        """The token in the response."""
        if not 200 <= response.status < 300:
            raise self._status_error(key, response.status)
        try:
            body = json.loads(response.body)
        except (ValueError, RecursionError):
            raise self._error(
                key, f"returned {response.status} without JSON", f"Check `auth.{key}`: its path, method and headers"
            ) from None
        token = self._token(key, body, "token_path")
        newest = None
        if self._config.refresh_token_path:
            if refresh_token and find(body, self._config.refresh_token_path) in (MISSING, None):
                newest = refresh_token
            else:
                newest = self._token(key, body, "refresh_token_path")
        return Token(token, newest, now, self._expiry(key, body, now), self.request_digest)

    def _token(self, key: str, body: Any, path_key: str) -> str:
        path = getattr(self._config, path_key)
        value = find(body, path)
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if not text:
            raise self._error(
                key,
                f"succeeded, but its response has no text at `{path_key}` ({path})",
                f"Set it to the path of the token. If the API reports wrong credentials in this way, check "
                f"{self.credentials.variables}",
            )
        if path_key == "token_path" and not re.fullmatch(ALLOWED_VALUES[self.location], text):
            raise self._error(
                key,
                f"returned a token at {path} with characters that are not allowed in a {self.location}",
                f"Check `{path_key}`",
            )
        return text

    def _expiry(self, key: str, body: Any, now: float) -> float:
        """The Unix time in seconds when the token expires."""
        path = self._config.expires_path
        value = find(body, path) if path else None
        if value is None or value is MISSING:
            return now + self._config.lifetime
        unit = self._config.expires_unit
        expires_at = _timestamp(value)
        number = None if expires_at is not None else _number(value)
        if number is not None:
            seconds = number / 1000 if unit.endswith("ms") else number
            if not unit.startswith("epoch") and seconds >= MAX_LIFETIME_SECONDS:
                raise self._error(
                    key, f"returned a time at {path}, not a lifetime", "Set `expires_unit` to epoch_s or epoch_ms"
                )
            expires_at = seconds if unit.startswith("epoch") else now + seconds
        if expires_at is None:
            raise self._error(
                key, f"returned neither a number nor an ISO 8601 time at {path}", "Check `expires_path`, or remove it"
            )
        if expires_at <= now:
            raise self._error(
                key,
                f"returned a token that is expired already, by the value at {path}",
                f"Check `expires_unit` (it is {unit}), and the clock of this machine",
            )
        return expires_at

    def _status_error(self, key: str, status: int) -> RestApiError:
        if status in (404, 405):
            hint = f"Check `auth.{key}`: its path and method, and `client.base_url`"
            return self._error(key, f"returned {status}", hint, CredentialsError)
        if _is_rejected(status):
            return self._error(key, f"returned {status}", f"Check {self.credentials.variables}", CredentialsError)
        if status < 400:
            return self._error(key, f"returned {status}, a redirect", f"Write the final address into `auth.{key}`")
        return self._error(key, f"returned {status}, without a token", "Run again later", UnavailableError)

    def _error(self, key: str, problem: str, fix: str, error_type: type[RestApiError] = ResponseError) -> RestApiError:
        """An error that names the API, the request and its host; texts of the response may contain secrets."""
        request: LoginRequest = getattr(self._config, key)
        url = self._text(request.url, "") if request.url else self.credentials.base_url
        request_of = "the login of" if key == "request" else "the token refresh of"
        return error_type(f"{request_of} {self.credentials.api} ({urlsplit(url).hostname}) {problem}. {fix}.")


def find(body: Any, path: str) -> Any:
    """The value at a JSONPath without wildcards, or MISSING."""
    value = body
    for quoted, double_quoted, index, name in STEP.findall(path.removeprefix("$")):
        if index:
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else MISSING
        else:
            value = value.get(quoted or double_quoted or name, MISSING) if isinstance(value, Mapping) else MISSING
    return value


def _is_rejected(status: int) -> bool:
    return 400 <= status < 500 and status not in TEMPORARY_STATUSES


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None


def _timestamp(value: Any) -> float | None:
    """The Unix time of an ISO 8601 text; without an offset, it is in UTC."""
    if not isinstance(value, str) or "-" not in value[1:]:
        return None
    try:
        time = datetime.fromisoformat(re.sub(r"\.\d+", "", value.strip()).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
