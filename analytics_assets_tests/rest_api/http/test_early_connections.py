"""Connections that are opened before their requests are due: nothing is sent on them, and none is required."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from analytics_assets.rest_api.errors import ResponseError, UnavailableError
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.request import Request
from analytics_assets_tests.support.clock import Clock
from analytics_assets_tests.support.connection_server import ConnectionServer, serve_connections


def requests(server: ConnectionServer, count: int, method: str = "GET") -> list[Request]:
    body = None if method == "GET" else b"{}"
    return [Request(f"{server.url}/rows", method, {"page": str(page)}, body=body) for page in range(count)]


def is_closed(server: ConnectionServer) -> bool:
    return not any(connection.is_open for connection in server.connections)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_each_request_is_sent_over_its_connection_when_it_is_due(method: str) -> None:
    with serve_connections() as server:
        client = HttpClient(server.url)
        client.open_early(requests(server, 3, method))
        server.wait_for_connections(3)
        assert server.requests == []
        with ThreadPoolExecutor(3) as threads:
            assert [response.status for response in threads.map(client.send, requests(server, 3, method))] == [200] * 3
        assert sorted(connection.requests for connection in server.connections) == [
            [f"/rows?page={page}"] for page in range(3)
        ]
        assert client.metrics.requests == 3
        client.close()


def test_connections_are_used_again_after_their_request() -> None:
    with serve_connections() as server:
        client = HttpClient(server.url)
        client.open_early(requests(server, 1))
        for request in requests(server, 3):
            client.send(request)
        assert [connection.requests for connection in server.connections] == [[f"/rows?page={n}" for n in range(3)]]
        client.close()


@pytest.mark.parametrize("close", [HttpClient.close_early, HttpClient.close])
def test_connections_without_a_request_are_closed(close: Callable[[HttpClient], None]) -> None:
    with serve_connections() as server:
        client = HttpClient(server.url)
        client.open_early(requests(server, 3))
        server.wait_for_connections(3)
        close(client)
        server.wait(lambda: is_closed(server))
        assert server.requests == []


def test_a_server_may_close_connections_that_are_not_used() -> None:
    with serve_connections() as server:
        client = HttpClient(server.url)
        client.open_early(requests(server, 2))
        server.wait_for_connections(2)
        server.close_connections()
        server.wait(lambda: is_closed(server))
        assert [client.send(request).status for request in requests(server, 2)] == [200, 200]
        assert client.metrics.requests == 2
        assert client.metrics.retries == 0
        client.close()


def test_a_server_that_cannot_be_reached_is_the_error_of_the_request(clock: Clock) -> None:
    with serve_connections() as server:
        pass
    client = HttpClient(server.url)
    client.open_early(requests(server, 1))
    with pytest.raises(UnavailableError, match="failed after 4 attempts: the connection was refused"):
        client.send(requests(server, 1)[0])


def test_a_body_that_is_too_long_is_the_error_of_the_request() -> None:
    with serve_connections(lambda _: b"0" * 101) as server:
        client = HttpClient(server.url, max_page_bytes=100)
        client.open_early(requests(server, 1))
        with pytest.raises(ResponseError, match="longer than 100 bytes"):
            client.send(requests(server, 1)[0])


def test_other_requests_replace_connections_of_requests_that_are_not_sent() -> None:
    """For example if the credentials were refreshed meanwhile, or if pages are shorter than expected."""
    with serve_connections() as server:
        client = HttpClient(server.url)
        client.open_early(requests(server, 3))
        client.send(Request(f"{server.url}/first"))
        server.wait_for_connections(4)
        for request in requests(server, 3):
            client.send(Request(request.url, headers={"Authorization": "refreshed"}, params=request.params))
        assert len(server.requests) == 4
        assert [connection.requests for connection in server.connections if connection.requests] == [server.requests]
        client.close_early()
        server.wait(lambda: sum(connection.is_open for connection in server.connections) == 1)
        client.close()


def test_no_connection_is_opened_beside_idle_ones() -> None:
    with serve_connections() as server:
        client = HttpClient(server.url)
        client.send(requests(server, 1)[0])
        client.open_early(requests(server, 3))
        client.send(requests(server, 1)[0])
        assert len(server.connections) == 1
        client.close()
