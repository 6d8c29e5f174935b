"""OAuth2: what is asked of a token endpoint, and tokens that all processes share."""

from __future__ import annotations

import json
import logging
import math
import re
import threading
from base64 import b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from urllib.parse import quote_plus, urlsplit

from analytics_assets.rest_api.auth.credentials import FORBIDDEN_HINT, Secrets, label, names_of, references
from analytics_assets.rest_api.auth.token_store import Token, TokenStore, TokenStoreError, digest, fingerprint
from analytics_assets.rest_api.config import OAuth2Config, SecretRef
from analytics_assets.rest_api.errors import CredentialsError, ResponseError, RestApiError, UnavailableError

log = logging.getLogger(__name__)

TOKEN = re.compile(r"[ -~]+")  # RFC 6749, appendix A

# The codes that a token endpoint has for refusals (RFC 6749, section 5.2). Other texts in `error` may hold data.
OAUTH_ERRORS = frozenset({"invalid_request", "invalid_client", "invalid_grant", "invalid_scope"}) | frozenset(
    {"unauthorized_client", "unsupported_grant_type"}
)
REMEMBERED_TOKENS = 16


class Response(Protocol):
    """What is read of a token endpoint's answer."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...


PostForm = Callable[[str, dict[str, str], dict[str, str]], Response]


@dataclass(frozen=True)
class Grant:
    """An OAuth2 client and what it asks its token endpoint for; the same from token to token."""

    api: str
    token_url: str
    client_id: str
    client_secret: str
    client_auth: Literal["body", "basic"]
    refresh_token: str | None
    request_data: Mapping[str, str]
    default_lifetime: float
    secret_values: frozenset[str]
    names: str
    refresh_token_name: str

    @classmethod
    def read(cls, auth: OAuth2Config, api: str, secrets: Secrets) -> Grant:
        """Read the values of an alternative that is set."""
        token_url = secrets.require(auth.token_url, "client.auth.token_url")
        client_id = secrets.require(auth.client_id, "client.auth.client_id")
        client_secret = secrets.require(auth.client_secret, "client.auth.client_secret")
        hidden = {client_secret, _client_header(client_id, client_secret)}
        refresh_token = None
        if auth.refresh_token is not None:
            refresh_token = secrets.require(auth.refresh_token, "client.auth.refresh_token")
            hidden.add(refresh_token)
        asked = {**auth.access_token_request_data, **({"scope": auth.scope} if auth.scope is not None else {})}
        request_data = {name: secrets.require(value, f"client.auth: {name}") for name, value in asked.items()}
        hidden.update(request_data[name] for name, value in asked.items() if isinstance(value, SecretRef))
        return cls(
            api=api,
            token_url=token_url,
            client_id=client_id,
            client_secret=client_secret,
            client_auth=auth.client_auth,
            refresh_token=refresh_token,
            request_data=request_data,
            default_lifetime=auth.default_token_expiration,
            secret_values=frozenset(hidden),
            names=names_of(auth),
            refresh_token_name=", ".join(map(label, references(auth.refresh_token))) or "`refresh_token`",
        )

    @property
    def fingerprint(self) -> str:
        return fingerprint(
            api=self.api, token_url=self.token_url, client_id=self.client_id, refresh_token=self.refresh_token
        )

    @property
    def request(self) -> str:
        """Digest of what is asked for: of a token issued for another scope only the refresh token is of use."""
        return digest(self.request_data)

    def form(self, refresh_token: str | None) -> tuple[dict[str, str], dict[str, str]]:
        """Fields and headers of a token request (RFC 6749, sections 2.3.1, 4.4.2 and 6)."""
        fields = {"grant_type": "refresh_token" if refresh_token else "client_credentials", **self.request_data}
        headers = {"Accept": "application/json"}
        if refresh_token:
            fields["refresh_token"] = refresh_token
        if self.client_auth == "basic":
            headers["Authorization"] = f"Basic {_client_header(self.client_id, self.client_secret)}"
        else:
            fields |= {"client_id": self.client_id, "client_secret": self.client_secret}
        return fields, headers

    def token(self, response: Response, *, asked_at: float, refresh_token: str | None) -> Token:
        """The token in the answer to `form(refresh_token)`; its type is not looked at, all are sent as Bearer."""
        answer = _json_object(response.body)
        access_token = _token_text(answer.get("access_token"))
        newest = refresh_token
        if refresh_token and answer.get("refresh_token"):
            newest = _token_text(answer["refresh_token"])
        if response.status not in (200, 201) or not access_token or (refresh_token and not newest):
            raise self._refusal(response.status, answer.get("error"), refresh_token)
        expires_at = asked_at + (_seconds(answer.get("expires_in")) or self.default_lifetime)
        return Token(access_token, newest, asked_at, expires_at, self.request)

    def _refusal(self, status: int, error: object, refresh_token: str | None) -> RestApiError:
        """What went wrong, by status and OAuth error code: other parts of the answer may hold secrets."""
        code = error if isinstance(error, str) and error in OAUTH_ERRORS else None
        host = urlsplit(self.token_url).hostname
        what = f"the token endpoint of {self.api} ({host}) answered {status}" + (f" ({code})" if code else "")
        if code == "invalid_grant" and refresh_token:
            return CredentialsError(
                f"{what}: the refresh token is expired, revoked, or was used by another program. "
                f"A new authorization is needed: {self.reauthorize_hint}"
            )
        if code or (400 <= status < 500 and status not in (408, 429)):
            return CredentialsError(f"{what}. Check {self.names}.")
        kind = UnavailableError if status in (408, 429) or status >= 500 else ResponseError
        return kind(f"{what}, without a token. {self.lost_response_hint(refresh_token)}")

    @property
    def reauthorize_hint(self) -> str:
        return f"authorize again at the API, and set {self.refresh_token_name} to the new refresh token."

    def lost_response_hint(self, refresh_token: str | None) -> str:
        """What to do when a request was sent and no token came back: one that rotates may be used up by it."""
        if refresh_token is None:
            return "Try again later."
        return (
            "This may have used up the refresh token. Run again. "
            f"If the endpoint then answers invalid_grant, {self.reauthorize_hint}"
        )


class OAuth2Authenticator:
    """Sends an access token, taken from the store or renewed there for all processes at once."""

    def __init__(self, grant: Grant, *, store: TokenStore, post_form: PostForm, clock: Callable[[], float]) -> None:
        self._grant = grant
        self._store = store
        self._post_form = post_form
        self._clock = clock
        self._refresh_lock = threading.Lock()
        self._token: Token | None = None
        self._seen: tuple[str, ...] = ()

    def sign(self, params: dict[str, str], headers: dict[str, str]) -> str:  # noqa: ARG002
        with self._refresh_lock:
            token = self._token
            if token is None or not token.is_fresh(self._clock()):
                token = self._token = self._get_or_refresh(rejection_hint=None)
        set_header(headers, "Authorization", f"Bearer {token.access_token}")
        return token.id

    def refresh(self, credential_id: str) -> bool:
        with self._refresh_lock:
            if self._token is None or self._token.id == credential_id:
                self._token = self._get_or_refresh(rejection_hint=credential_id)
            return self._token.id != credential_id

    def rejection_hint(self, status: int) -> str:
        unauthorized = "the API does not accept the access token, nor a new one."
        return f"Check {self._grant.names}: {FORBIDDEN_HINT if status == 403 else unauthorized}"

    def secret_values(self) -> frozenset[str]:
        return self._grant.secret_values.union(self._seen)

    def _get_or_refresh(self, *, rejection_hint: str | None) -> Token:
        """The stored token unless it is the refused one or over, else a new one, which is stored before it is used."""
        grant = self._grant
        try:
            with self._store.locked(grant.fingerprint) as file:
                stored = file.read()
                if stored:
                    self._remember_for_redaction(stored)
                if (
                    stored
                    and stored.request == grant.request
                    and stored.id != rejection_hint
                    and stored.is_fresh(self._clock())
                ):
                    return stored
                file.reserve()
                # In a thread of its own: an interrupt stops the main thread, which then waits until the token is kept.
                with ThreadPoolExecutor(1) as uninterrupted:
                    refresh_token = (stored and stored.refresh_token) or grant.refresh_token
                    return uninterrupted.submit(self._request, refresh_token, keep=file.write).result()
        except TokenStoreError as error:
            if grant.refresh_token is not None:
                raise
            log.warning("%s: %s Until then each step asks for a token of its own.", grant.api, error)
            return self._request(None)

    def _request(self, refresh_token: str | None, keep: Callable[[Token], None] | None = None) -> Token:
        """A new token from the endpoint, kept before anyone uses it."""
        asked_at = self._clock()
        try:
            response = self._post_form(self._grant.token_url, *self._grant.form(refresh_token))
        except ResponseError as error:
            raise type(error)(f"{error}. {self._grant.lost_response_hint(refresh_token)}") from None
        token = self._grant.token(response, asked_at=asked_at, refresh_token=refresh_token)
        self._remember_for_redaction(token)
        try:
            if keep:
                keep(token)
        except TokenStoreError as error:
            if token.refresh_token == refresh_token:
                raise
            raise TokenStoreError(
                f"{error} The refresh token issued meanwhile is lost: {self._grant.reauthorize_hint}"
            ) from None
        return token

    def _remember_for_redaction(self, token: Token) -> None:
        """Remember what to mask, in a new tuple: `secret_values` is asked without the lock, while an error is made."""
        values = [value for value in (token.access_token, token.refresh_token) if value]
        self._seen = (*self._seen, *values)[-REMEMBERED_TOKENS:]


def set_header(headers: dict[str, str], name: str, value: str) -> None:
    """Set a header in place of one that is spelled otherwise: two of a name would be sent as one list."""
    for present in [known for known in headers if known.lower() == name.lower()]:
        del headers[present]
    headers[name] = value


def base64_text(text: str) -> str:
    return b64encode(text.encode()).decode()


def _client_header(client_id: str, client_secret: str) -> str:
    return base64_text(f"{quote_plus(client_id)}:{quote_plus(client_secret)}")


def _token_text(value: object) -> str | None:
    return value if isinstance(value, str) and TOKEN.fullmatch(value) else None


def _json_object(body: bytes) -> dict[str, Any]:
    """The body as an object; empty if it is none, for an answer without a token is refused by what it lacks."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _seconds(expires_in: object) -> float | None:
    """A token's life; None for what is missing, is no number, or would be over at once."""
    try:
        seconds = float(expires_in) if isinstance(expires_in, int | float | str) else 0.0
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds < math.inf else None
