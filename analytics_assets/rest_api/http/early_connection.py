"""Connections that are opened before their requests are due."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

import pycurl

from analytics_assets.rest_api.http.response import Response

MAX_WAIT_SECONDS = 30.0  # servers close connections that are not used for long


class EarlyConnection:
    """A connection that a thread opens now, for a request that is sent when it is due, or never."""

    def __init__(self, transfer: Callable[[Callable[..., int]], Response | None]) -> None:
        """Start the thread.

        Args:
            transfer: Opens the connection, and then calls its argument: libcurl's callback before it sends a request.
                Returns None if the server sent nothing.
        """
        self._decided = threading.Event()
        self._is_due = False
        self._response: Future[Response | None] = Future()
        threading.Thread(target=self._run, args=(transfer,), name="early_connection", daemon=True).start()

    def send(self) -> Response | None:
        """Send the request; None if the connection cannot be used, for example because the server has closed it.

        Raises:
            TransportError: There is no complete response.
            ResponseError: The body is too long.
        """
        self._is_due = True
        self._decided.set()
        return self._response.result()

    def close(self) -> None:
        """Close the connection without a request."""
        self._decided.set()

    def _run(self, transfer: Callable[[Callable[..., int]], Response | None]) -> None:
        try:
            self._response.set_result(transfer(self._wait))
        except Exception as error:  # re-raised by `send`
            self._response.set_exception(error)

    def _wait(self, *_addresses: object) -> int:
        self._decided.wait(MAX_WAIT_SECONDS)
        return pycurl.PREREQFUNC_OK if self._is_due else pycurl.PREREQFUNC_ABORT
