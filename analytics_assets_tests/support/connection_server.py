"""An HTTP server that shows its connections: when they open and close, and what is sent over each."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

TIMEOUT_SECONDS = 30.0


@dataclass
class Connection:
    """One connection of a client.

    Attributes:
        requests: The targets of the requests.
        is_open: Whether the client has not closed it.
    """

    socket: socket.socket
    requests: list[str] = field(default_factory=list)
    is_open: bool = True


class ConnectionServer:
    """Responds to GET and POST with status 200.

    Attributes:
        connections: All connections so far.
        most_open: The greatest number of connections that were open at the same time.
    """

    def __init__(self, respond: Callable[[str], bytes]) -> None:
        """
        Args:
            respond: Returns the body of the response to a target. It may wait for connections.
        """
        self._respond = respond
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections: list[Connection] = []
        self.most_open = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def requests(self) -> list[str]:
        """The targets of all requests."""
        return [target for connection in self.connections for target in connection.requests]

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until the connections are as described.

        Raises:
            TimeoutError: They never were.
        """
        with self._changed:
            if not self._changed.wait_for(condition, TIMEOUT_SECONDS):
                raise TimeoutError(f"{len(self.connections)} connections, requests: {self.requests}")

    def wait_for_connections(self, count: int) -> None:
        """Wait until so many connections have been opened."""
        self.wait(lambda: len(self.connections) >= count)

    def close_connections(self) -> None:
        """Close all connections on the side of the server."""
        for connection in self.connections:
            connection.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)  # `accept` returns
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            connection = Connection(accepted)
            with self._changed:
                self.connections.append(connection)
                self.most_open = max(self.most_open, sum(each.is_open for each in self.connections))
                self._changed.notify_all()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        with connection.socket, connection.socket.makefile("rb") as lines:
            while line := lines.readline():
                length, target = 0, line.split()[1].decode()
                while (header := lines.readline()) not in (b"\r\n", b""):
                    if header.lower().startswith(b"content-length:"):
                        length = int(header.split(b":")[1])
                lines.read(length)
                with self._changed:
                    connection.requests.append(target)
                    self._changed.notify_all()
                body = self._respond(target)
                connection.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        with self._changed:
            connection.is_open = False
            self._changed.notify_all()


@contextmanager
def serve_connections(respond: Callable[[str], bytes] = lambda _: b"{}") -> Iterator[ConnectionServer]:
    """A server while the block runs."""
    server = ConnectionServer(respond)
    try:
        yield server
    finally:
        server.close()
