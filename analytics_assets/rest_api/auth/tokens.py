"""Tokens as they are stored, and the requests for them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

log = logging.getLogger(__name__)

# Covers the way of a request and clocks that differ a little.
MAX_LEEWAY_SECONDS = 30.0


def fingerprint(*, api: str, token_url: str, client_id: str, refresh_token: str | None) -> str:
    """The name that a token is stored under.

    A newly configured refresh token has another fingerprint, so that no stored token takes its place.
    """
    return digest([api, token_url, client_id, refresh_token])


def digest(value: object) -> str:
    """The SHA-256 of a JSON value, in hexadecimal."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def password_digest(secrets: list[str], *, salt: object) -> str:
    """A digest of secrets that people choose, in hexadecimal. It is slow to compute, so that they cannot be guessed."""
    text = json.dumps(secrets).encode()
    return hashlib.pbkdf2_hmac("sha256", text, digest(salt).encode(), iterations=100_000).hex()


@dataclass(frozen=True)
class TokenRequest:
    """A request for a token.

    Attributes:
        purpose: The key of the configuration that holds the URL, named in errors.
        uses_refresh_token: Whether it uses up a refresh token, so that it must not be sent twice.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    purpose: str = "token_url"
    uses_refresh_token: bool = False


class TokenResponse(Protocol):
    """The parts of an HTTP response that are used here."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...


SendTokenRequest = Callable[[TokenRequest], TokenResponse]


@dataclass(frozen=True)
class Token:
    """The tokens of one token response. They are stored together, since those of two responses may not match.

    Attributes:
        access_token: Signs requests.
        refresh_token: Gets the next token; None if tokens are requested without one.
        issued_at: Unix time in seconds.
        expires_at: Unix time in seconds.
        request: The digest of the token request's fields, such as `scope`.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    issued_at: float
    expires_at: float
    request: str

    @property
    def id(self) -> str:
        """Identifies the access token without showing it."""
        return digest(self.access_token)[:16]

    def is_fresh(self, now: float) -> bool:
        """Whether the token is valid for one more request: until a tenth of its lifetime, or 30 seconds, are left."""
        return now < self.expires_at - min(MAX_LEEWAY_SECONDS, (self.expires_at - self.issued_at) / 10)

    def to_json(self) -> bytes:
        """The token as it is stored, for `from_json`."""
        return _TOKEN.dump_json(self)

    @classmethod
    def from_json(cls, text: bytes | str, *, place: str) -> Token | None:
        """The stored token; None, with a warning that names the place, if the text is not a token."""
        try:
            return _TOKEN.validate_json(text, strict=True)
        except ValidationError:
            log.warning("%s does not contain a token. It is ignored, and overwritten by the next token.", place)
            return None


_TOKEN = TypeAdapter(Token)
