"""HTTP responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from analytics_assets.rest_api.config import ResponseAction


class Headers(Mapping[str, str]):
    """The headers of a response: case-insensitive, parsed lazily; repeated headers are comma-joined."""

    def __init__(self, lines: list[bytes]) -> None:
        """`lines` are the header lines as received, the status lines (`HTTP/1.1 200 OK`) included."""
        self._lines = lines

    @cached_property
    def _values(self) -> dict[str, str]:
        values: dict[str, str] = {}
        for line in self._lines:
            if line.startswith(b"HTTP/"):  # a final response after an interim one (100, 103)
                values.clear()
            name, colon, value = line.decode("latin-1").partition(":")
            key, text = name.strip().lower(), value.strip()
            if colon:
                values[key] = f"{values[key]}, {text}" if key in values else text
        return values

    def mention(self, *texts: bytes) -> bool:
        """Whether a lower-case text is anywhere in the lines. Quick, since it does not parse them."""
        lines = b"".join(self._lines).lower()
        return any(text in lines for text in texts)

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True)
class Response:
    """A complete HTTP response of any status.

    Attributes:
        status: The HTTP status code.
        headers: The response headers.
        body: The whole body, decompressed; at most `client.max_page_bytes` bytes.
        action: The first of the endpoint's `response_actions` that the response matches, if any.
        record_values: Values of records that the request contained: an API may repeat them in its reason for an error.
    """

    status: int
    headers: Headers
    body: bytes
    action: ResponseAction | None = None
    record_values: frozenset[str] = field(default=frozenset(), repr=False)
