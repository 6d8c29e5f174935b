"""HTTP requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from typing_extensions import Self

from analytics_assets.rest_api.redaction import redacted_request


@dataclass(frozen=True)
class Request:
    """One request to the API, before it is signed.

    Attributes:
        url: The URL; its query is sent too.
        method: GET, POST or PUT. All can have a body.
        params: Query parameters; one with several values is repeated. They replace those of the same names in the URL.
        headers: Headers besides those of the client.
        body: The body; None for a request without one.
        shown_url: The URL for messages, with placeholders in place of a record's values; by default `url`.
    """

    url: str
    method: str = "GET"
    params: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    shown_url: str = field(default="", compare=False)

    @property
    def redacted(self) -> str:
        """The request for messages: without its query, user info and a record's values."""
        return redacted_request(self.shown_url or self.url, self.method)


class Message(NamedTuple):
    """A request as it is sent: signed, with the query in the URL."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None

    @classmethod
    def of(cls, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Self:
        """The message of a request. POST and PUT have a body, which may be empty."""
        return cls(method, url, tuple(headers.items()), body or b"" if method != "GET" else body)
