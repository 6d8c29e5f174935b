"""Responses that are delayed, cut off or broken on their way to the client."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import struct
from dataclasses import dataclass
from typing import Any

from analytics_assets.sandbox.http import Receive, Response, Scope, Send

PIECES = 10  # into which a slow body is divided


@dataclass(frozen=True)
class FaultyResponse(Response):
    """One HTTP response, and what happens to it.

    Attributes:
        delay: Seconds before anything is sent.
        slow_body: Seconds over which the body is sent, in pieces.
        cut: Bytes of the body after which the connection is closed.
        drop: Close the connection instead of sending the response.
        reset: Reset the TCP connection instead of sending the response.
        raw: Bytes to send instead of an HTTP response.
    """

    delay: float = 0.0
    slow_body: float = 0.0
    cut: int | None = None
    drop: bool = False
    reset: bool = False
    raw: bytes | None = None

    @classmethod
    def of(cls, response: Response, **changes: Any) -> FaultyResponse:
        """A response with these faults."""
        fields = {each.name: getattr(response, each.name) for each in dataclasses.fields(response)}
        return cls(**{**fields, **changes})

    async def send(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.delay and await _client_disconnected(receive, within=self.delay):
            return
        transport: asyncio.Transport = scope["state"]["transport"]
        if self.drop or self.reset or self.raw is not None:
            transport.write(self.raw or b"")
            _close(transport, reset=self.reset)
            await _client_disconnected(receive)
            return
        await self.send_head(send)
        if self.cut is not None:
            await send({"type": "http.response.body", "body": self.body[: self.cut], "more_body": True})
            _close(transport)
            await _client_disconnected(receive)
            return
        sent = 0
        while self.slow_body and sent < len(self.body):
            piece = self.body[sent : sent + len(self.body) // PIECES + 1]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            sent += len(piece)
            if await _client_disconnected(receive, within=self.slow_body / PIECES):
                return
        await send({"type": "http.response.body", "body": self.body[sent:]})


def _close(transport: asyncio.Transport, *, reset: bool = False) -> None:
    if reset:
        no_linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        transport.abort()
    else:
        transport.close()


async def _client_disconnected(receive: Receive, *, within: float | None = None) -> bool:
    """Wait until the client disconnects: only then does uvicorn consider an unfinished response as done."""
    try:
        while (await asyncio.wait_for(receive(), within))["type"] != "http.disconnect":
            pass
    except asyncio.TimeoutError:
        return False
    return True
