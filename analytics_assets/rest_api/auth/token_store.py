"""OAuth2 tokens and what keeps them: renewed once for all processes, never lost, never used half written.

A token is read, renewed and replaced under a lock that ends with its holder, whatever that one dies of.
"""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from analytics_assets.rest_api.errors import CredentialsError

log = logging.getLogger(__name__)

STATE_VARIABLE = "ANALYTICS_STATE_DIR"
STORE_VARIABLE = "ANALYTICS_TOKEN_STORE"
MAX_LEEWAY_SECONDS = 30.0


class TokenStoreError(CredentialsError):
    """Tokens cannot be kept, or not now: a refresh token that rotates must not be spent."""


def fingerprint(*, api: str, token_url: str, client_id: str, refresh_token: str | None) -> str:
    """The name that a token is kept under. A newly issued refresh token has another: nothing stored shadows it."""
    return digest([api, token_url, client_id, refresh_token])


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Token:
    """What a token endpoint issued, kept together: the tokens of two answers do not match.

    Times are unix seconds; `request` is the digest of what was asked for.
    """

    access_token: str
    refresh_token: str | None
    issued_at: float
    expires_at: float
    request: str

    @property
    def id(self) -> str:
        """Tells tokens apart without showing them."""
        return digest(self.access_token)[:16]

    def is_fresh(self, now: float) -> bool:
        """Whether time is left to send a request: a tenth of its life is kept back, at most 30 seconds."""
        return now < self.expires_at - min(MAX_LEEWAY_SECONDS, (self.expires_at - self.issued_at) / 10)

    def to_json(self) -> bytes:
        return _TOKEN.dump_json(self)

    @classmethod
    def from_json(cls, text: bytes | str, *, place: str) -> Token | None:
        """The token that was kept; None, with a warning that names the place, if this is none."""
        try:
            return _TOKEN.validate_json(text, strict=True)
        except ValidationError:
            log.warning("%s holds no token: it is ignored, and replaced by the next one.", place)
            return None


_TOKEN = TypeAdapter(Token)


class LockedToken(Protocol):
    """The place of one token, while nobody else may touch it."""

    def read(self) -> Token | None:
        """The stored token; None if there is none, or what is there is no token (with a warning)."""

    def reserve(self) -> None:
        """Make sure that a token can be kept, before one is asked for: what was issued is not to be lost."""

    def write(self, token: Token) -> None:
        """Replace the token as a whole, for good: readers and crashes find the old one or the new one."""


class TokenStore(Protocol):
    """Where tokens are kept, for all processes that use them."""

    def locked(self, fingerprint: str) -> AbstractContextManager[LockedToken]:
        """One token, for this thread of this process alone: hold it from reading to writing.

        Raises:
            TokenStoreError: tokens cannot be kept, or another process holds this one for too long.
        """
