"""What some tests need from the machine."""

from __future__ import annotations

import os
import random
import socket

import pytest

# Below the ports that Linux gives to outgoing connections (32768 and more), so that no other test takes them meanwhile.
PORTS = range(20_000, 32_000)


def require_or_skip(found: bool, what: str) -> None:
    """Skip a test on a machine that lacks `what`. With REQUIRE_ALL, as in CI, the test fails."""
    if found:
        return
    if os.environ.get("REQUIRE_ALL"):
        pytest.fail(f"{what} is missing, and REQUIRE_ALL is set")
    pytest.skip(f"{what} is missing")


def free_port() -> int:
    """A port on the loopback interface on which nothing listens."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
