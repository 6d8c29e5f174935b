"""The credentials that a sandbox API accepts."""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from analytics_assets.sandbox.http import Request, Response

Clock = Callable[[], float]  # seconds since 1970


class CredentialChecker(Protocol):
    """Identifies the sender of a request."""

    def identify(self, request: Request) -> str | None:
        """A name for the sender, or None if the credential is missing or wrong."""


class CredentialIssuer(ABC):
    """Identifies senders by the tokens that it issues."""

    @property
    @abstractmethod
    def routes(self) -> Mapping[str, Callable[[Request], Response]]:
        """The paths that issue tokens, and what responds to their POST requests."""

    @abstractmethod
    def identify(self, request: Request) -> str | None:
        """A name for the sender, or None if the token is missing or not valid."""


class Auth(ABC):
    """One kind of credentials with its values."""

    @property
    def query_params(self) -> frozenset[str]:
        """Query parameters that carry the credential."""
        return frozenset()

    @abstractmethod
    def variables(self) -> dict[str, str]:
        """The client's environment variables, without the API's prefix."""

    @abstractmethod
    def build_checker(self, clock: Clock) -> CredentialChecker:
        """Build the object that checks requests against these credentials; `clock` decides when tokens expire."""


@dataclass(frozen=True)
class ApiKey(Auth):
    """A key in a query parameter."""

    key: str
    name: str = "api_key"

    @property
    def query_params(self) -> frozenset[str]:
        return frozenset({self.name})

    def variables(self) -> dict[str, str]:
        return {"API_KEY": self.key}

    def build_checker(self, clock: Clock) -> CredentialChecker:  # noqa: ARG002
        return self

    def identify(self, request: Request) -> str | None:
        return "api_key" if same_secret(self.sent_key(request), self.key) else None

    def sent_key(self, request: Request) -> str | None:
        """The key that a request carries."""
        return request.query.get(self.name)


def same_secret(sent: str | None, expected: str) -> bool:
    """Compare in constant time."""
    return sent is not None and hmac.compare_digest(sent.encode(), expected.encode())


def authorization(request: Request, scheme: str) -> str | None:
    """The credentials of an `Authorization` header of this scheme."""
    found, _, value = request.headers.get("authorization", "").partition(" ")
    return value if found.lower() == scheme.lower() else None
