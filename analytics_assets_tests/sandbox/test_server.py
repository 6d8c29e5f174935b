"""The server of the sandbox starts and stops at once, and imports little."""

from __future__ import annotations

import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest
import urllib3

from analytics_assets import sandbox
from analytics_assets.sandbox import Api, Endpoint, OffsetPagination, Sandbox
from analytics_assets_tests.support.http_client import get

ROWS = [{"id": n} for n in range(100)]
SHOP = Api("shop", [Endpoint("/orders", ROWS, pagination=OffsetPagination(default_limit=10))])


def test_server_stops_with_the_block() -> None:
    before = threading.enumerate()
    with sandbox.serve(Sandbox([SHOP])) as url:
        assert get(f"{url}/shop/orders").json() == {"data": ROWS[:10]}
    assert threading.enumerate() == before
    with pytest.raises(urllib3.exceptions.NewConnectionError):
        get(url)


def test_port_in_use_is_an_error() -> None:
    with (
        sandbox.serve(Sandbox([])) as url,
        pytest.raises(OSError, match="in use"),
        sandbox.serve(Sandbox([]), port=urlsplit(url).port or 0),
    ):
        pass


def test_sandbox_imports_neither_dagster_nor_dlt() -> None:
    code = "import sys, analytics_assets.sandbox.embedded; print({'dagster', 'dlt', 'pyarrow'} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
