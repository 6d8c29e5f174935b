"""The fake server records requests, serves several clients at once, and stops while a response hangs."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from analytics_assets_tests.fake_api import Endpoint, OffsetPagination, faults, serve_endpoint
from analytics_assets_tests.support.http_client import get

ROWS = [{"id": n} for n in range(100)]


def orders(latency: float = 0.0) -> Endpoint:
    return Endpoint("/orders", ROWS, pagination=OffsetPagination(default_limit=10), latency=latency)


def test_server_stops_while_a_response_hangs(caplog: pytest.LogCaptureFixture) -> None:
    requested = threading.Event()
    with serve_endpoint(orders(latency=3600)) as (server, url):
        server.faults.add(faults.then(requested.set))
        client = socket.create_connection(("127.0.0.1", urlsplit(url).port or 0))
        client.sendall(b"GET /shop/orders HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert requested.wait(30)
    with client:
        assert client.recv(100) == b""
    assert caplog.records == []


def test_requests_are_recorded() -> None:
    with serve_endpoint(orders()) as (server, url):
        get(url, {"limit": "5"}, Accept="application/json")
        get(url, {"size": "5"})
    first, second = server.requests
    assert (first.request.method, first.request.path, first.request.query) == ("GET", "/shop/orders", {"limit": "5"})
    assert first.request.headers["accept"] == "application/json"
    assert (first.status, second.status) == (200, 400)
    assert first.began <= first.ended <= second.began


def test_slow_responses_overlap() -> None:
    with serve_endpoint(orders(latency=0.05)) as (server, url), ThreadPoolExecutor(4) as threads:
        pages = threads.map(lambda offset: get(url, {"offset": str(offset)}).json()["data"], range(0, 100, 10))
        assert [row for page in pages for row in page] == ROWS
    assert any(a.began < b.began < a.ended for a in server.requests for b in server.requests)
