"""The token endpoint."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from analytics_assets_tests.support.token_server import TokenServer


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[TokenServer]:
    """The token endpoint. EVERY_STORE runs a test with tokens in files, and again in a table."""
    with TokenServer() as running:
        if getattr(request, "param", "folder") == "table":
            running.store = {"ANALYTICS_TOKEN_STORE": request.getfixturevalue("token_database")}
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield running
        running.shutdown()
