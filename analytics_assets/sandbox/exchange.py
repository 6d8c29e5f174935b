"""A request as the sandbox reads it, an answer as it sends it, and what happens to the connection in between."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

FORM = "application/x-www-form-urlencoded"
DRIPS = 10  # pieces that a slow body is sent in


class HTTPError(Exception):
    """A request that the API answers with an error."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers

    def answer(self) -> Response:
        return Response.json({"error": str(self)}, status=self.status, headers=self.headers)


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    repeated: frozenset[str] = frozenset()  # query parameters that came more than once

    @classmethod
    async def read(cls, scope: Scope, receive: Receive) -> Request:
        """Read the whole request."""
        body = bytearray()
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        query, repeated = _pairs(scope["query_string"])
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return cls(scope["method"], scope["path"], query, headers, bytes(body), repeated)

    def form(self) -> dict[str, str]:
        """The fields of a form in the body.

        Raises:
            Refused: it is no form, or a field comes twice.
        """
        fields, repeated = _pairs(self.body)
        if repeated or self.headers.get("content-type", "").partition(";")[0] != FORM:
            raise HTTPError(400, "invalid_request")
        return fields

    def cookie(self, name: str) -> str | None:
        cookies: SimpleCookie = SimpleCookie(self.headers.get("cookie", ""))
        return cookies[name].value if name in cookies else None

    def link(self, changes: Mapping[str, str], *, relative: bool = False) -> str:
        """The URL of this request with other query parameters."""
        host = "" if relative else f"http://{self.headers['host']}"
        return f"{host}{self.path}?{urlencode({**self.query, **changes})}"


def _pairs(encoded: bytes) -> tuple[dict[str, str], frozenset[str]]:
    pairs = parse_qsl(encoded.decode("latin-1"), keep_blank_values=True)
    names = [name for name, _ in pairs]
    return dict(pairs), frozenset(name for name in names if names.count(name) > 1)


@dataclass(frozen=True)
class Response:
    """One HTTP answer, and how it is sent: whole and at once, unless a fault says otherwise."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0  # seconds before anything is sent
    slow_body: float = 0.0  # seconds over which the body is sent
    cut: int | None = None  # bytes of the body after which the connection is closed
    drop: bool = False  # close the connection in place of an answer
    reset: bool = False  # close it with a TCP reset
    raw: bytes | None = None  # sent in place of all that HTTP asks for

    @classmethod
    def json(cls, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        return cls(status, encode(value), {"Content-Type": "application/json", **(headers or {})})


def encode(value: Any) -> bytes:
    """JSON as APIs send it: compact, in UTF-8, integers with all their digits."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


async def deliver(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer, or do to the connection what it asks for."""
    if answer.wait and await _client_disconnected(receive, within=answer.wait):
        return
    transport: asyncio.Transport = scope["state"]["transport"]
    if answer.drop or answer.reset or answer.raw is not None:
        transport.write(answer.raw or b"")
        _close(transport, reset=answer.reset)
        await _client_disconnected(receive)
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": _header_list(answer)})
    if answer.cut is not None:
        await send({"type": "http.response.body", "body": answer.body[: answer.cut], "more_body": True})
        _close(transport)
        await _client_disconnected(receive)
        return
    sent = 0
    while answer.slow_body and sent < len(answer.body):
        piece = answer.body[sent : sent + len(answer.body) // DRIPS + 1]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        sent += len(piece)
        if await _client_disconnected(receive, within=answer.slow_body / DRIPS):
            return
    await send({"type": "http.response.body", "body": answer.body[sent:]})


def _header_list(answer: Response) -> list[tuple[bytes, bytes]]:
    headers = {"content-length": str(len(answer.body))}
    headers.update((name.lower(), value) for name, value in answer.headers.items())
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _close(transport: asyncio.Transport, *, reset: bool = False) -> None:
    if reset:
        no_linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        transport.abort()
    else:
        transport.close()


async def _client_disconnected(receive: Receive, *, within: float | None = None) -> bool:
    """Wait for the client to be gone: the server takes an answer as finished only then."""
    try:
        while (await asyncio.wait_for(receive(), within))["type"] != "http.disconnect":
            pass
    except asyncio.TimeoutError:
        return False
    return True
