"""HTTP messages: requests as the server reads them, responses as it sends them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

FORM = "application/x-www-form-urlencoded"


class HTTPError(Exception):
    """A request that the API rejects.

    Attributes:
        status: The HTTP status of the response.
        headers: Headers of the response.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers

    def response(self) -> Response:
        """The error as a JSON response."""
        return Response.json({"error": str(self)}, status=self.status, headers=self.headers)


@dataclass(frozen=True)
class Request:
    """One HTTP request.

    Attributes:
        query: Query parameters by name. Of a repeated parameter, the last value.
        headers: Headers by name, in lower case.
        repeated: All values of the query parameters that occur more than once.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    repeated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    async def read(cls, scope: Scope, receive: Receive) -> Request:
        """Read a whole request from an ASGI server."""
        body = bytearray()
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        query, repeated = _parse_pairs(scope["query_string"])
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return cls(scope["method"], scope["path"], query, headers, bytes(body), repeated)

    def body_fields(self) -> dict[str, str]:
        """The fields of a form, or the values of a JSON object by dotted path, lists as JSON.

        Raises:
            HTTPError: The body is neither.
        """
        if self.headers.get("content-type", "").partition(";")[0] == FORM:
            return self.form()
        try:
            value = json.loads(self.body or b"{}")
        except ValueError:
            raise HTTPError(400, "the body is not JSON") from None
        return dict(_scalars(value, ""))

    def form(self) -> dict[str, str]:
        """The fields of a form in the body.

        Raises:
            HTTPError: The body is not a form, or a field occurs more than once.
        """
        fields, repeated = _parse_pairs(self.body)
        if repeated or self.headers.get("content-type", "").partition(";")[0] != FORM:
            raise HTTPError(400, "invalid_request")
        return fields

    def json_object(self) -> dict[str, Any]:
        """The JSON object in the body.

        Raises:
            HTTPError: The body is something else.
        """
        try:
            value = json.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict) or self.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise HTTPError(400, "the body must be a JSON object")
        return value


def _scalars(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """The values of nested objects by dotted path."""
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _scalars(child, f"{path}.{name}" if path else name)
    elif value is not None:
        yield path, value if isinstance(value, str) else json.dumps(value)


def _parse_pairs(encoded: bytes) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    values = parse_qs(encoded.decode("latin-1"), keep_blank_values=True)
    repeated = {name: tuple(each) for name, each in values.items() if len(each) > 1}
    return {name: each[-1] for name, each in values.items()}, repeated


@dataclass(frozen=True)
class Response:
    """One HTTP response."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """A response with a JSON body."""
        return cls(status, encode_json(value), {"Content-Type": "application/json", **(headers or {})})

    async def send(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the response through an ASGI server."""
        await self.send_head(send)
        await send({"type": "http.response.body", "body": self.body})

    async def send_head(self, send: Send) -> None:
        """Send the status and the headers."""
        headers = {"content-length": str(len(self.body))}
        headers.update((name.lower(), value) for name, value in self.headers.items())
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": pairs})


def encode_json(value: Any) -> bytes:
    """JSON as APIs send it: compact UTF-8, integers with all digits."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
