"""OAuth2 tokens as they are stored."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, field

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


@dataclass(frozen=True)
class Token:
    """The tokens of one token response. They are stored together, since those of two responses may not match.

    Attributes:
        access_token: Signs requests.
        refresh_token: Gets the next token; None for the client credentials grant.
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
