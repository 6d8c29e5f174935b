"""The server: up and down, records, several clients at once."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import urllib3

from analytics_assets.sandbox import Endpoint, OffsetPagination, Sandbox, faults, serve
from analytics_assets_tests.support.http_client import get, serving

ROWS = [{"id": n} for n in range(100)]
ORDERS = Endpoint("/orders", ROWS, pagination=OffsetPagination(default_limit=10))


def test_it_is_gone_after_the_block() -> None:
    before = threading.enumerate()
    with serving(ORDERS) as (_, url):
        assert get(url).status == 200
    assert threading.enumerate() == before
    with pytest.raises(urllib3.exceptions.NewConnectionError):
        get(url)


def test_it_ends_while_an_answer_hangs(caplog: pytest.LogCaptureFixture) -> None:
    asked = threading.Event()
    with serving(ORDERS, latency=3600) as (sandbox, url):
        sandbox.faults.add(faults.then(asked.set))
        client = socket.create_connection(("127.0.0.1", urlsplit(url).port or 0))
        client.sendall(b"GET /shop/orders HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert asked.wait(30)
    with client:
        assert client.recv(100) == b""
    assert caplog.records == []


def test_a_port_in_use_is_an_error() -> None:
    with (
        serving(ORDERS) as (_, url),
        pytest.raises(OSError, match="in use"),
        serve(Sandbox([]), port=urlsplit(url).port or 0),
    ):
        pass


def test_requests_are_recorded_as_they_came() -> None:
    with serving(ORDERS) as (sandbox, url):
        get(url, {"limit": "5"}, Accept="application/json")
        get(url, {"size": "5"})
    first, second = sandbox.requests
    assert (first.request.method, first.request.path, first.request.query) == ("GET", "/shop/orders", {"limit": "5"})
    assert first.request.headers["accept"] == "application/json"
    assert (first.status, second.status) == (200, 400)
    assert first.began <= first.ended <= second.began


def test_slow_apis_answer_several_at_once() -> None:
    with serving(ORDERS, latency=0.05) as (sandbox, url), ThreadPoolExecutor(4) as threads:
        pages = threads.map(lambda offset: get(url, {"offset": str(offset)}).json()["data"], range(0, 100, 10))
        assert [row for page in pages for row in page] == ROWS
    assert any(a.began < b.began < a.ended for a in sandbox.requests for b in sandbox.requests)


def test_it_imports_neither_dagster_nor_dlt() -> None:
    code = "import sys, analytics_assets.sandbox.running; print({'dagster', 'dlt', 'pyarrow'} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
