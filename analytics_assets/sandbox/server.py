"""Runs a sandbox on a socket: uvicorn's HTTP protocol in a thread, started and stopped without waiting."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.server import ServerState

from analytics_assets.sandbox.app import Sandbox

BACKLOG = 512


@contextmanager
def serve(sandbox: Sandbox, *, port: int = 0, protocol: Any = AutoHTTPProtocol) -> Iterator[str]:
    """Serve on the loopback interface while the block runs.

    Args:
        sandbox: The APIs.
        port: 0 takes a free port.
        protocol: The class of uvicorn's HTTP protocol.

    Yields:
        The server's URL.

    Raises:
        OSError: The port is in use.
    """
    config = Config(sandbox, log_config=None, access_log=False, ws="none", lifespan="off")
    config.load()
    listener = _listen(port)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=_run, args=(loop, config, protocol, listener, stop), name="sandbox", daemon=True)
    thread.start()  # the socket listens already: early requests wait until the loop runs
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def _listen(port: int) -> socket.socket:
    """A listening socket. Its protocol is explicit, or asyncio would not disable Nagle's delay of 40 ms a response."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _run(
    loop: asyncio.AbstractEventLoop, config: Config, protocol: Any, listener: socket.socket, stop: asyncio.Event
) -> None:
    asyncio.set_event_loop(loop)
    loop.run_until_complete(_accept(config, protocol, listener, stop))
    loop.close()


async def _accept(config: Config, protocol: Any, listener: socket.socket, stop: asyncio.Event) -> None:
    state = ServerState()

    def connect() -> asyncio.Protocol:
        connection: asyncio.Protocol = protocol(config=config, server_state=state, app_state={})
        return connection

    server = await asyncio.get_running_loop().create_server(connect, sock=listener)
    await stop.wait()
    server.close()
    for connection in tuple(state.connections):
        connection.transport.abort()
    await asyncio.gather(*state.tasks)  # each notices that its client has disconnected
