"""Connections that are opened while the first page is read: as many as pages are requested at once, where they are."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from analytics_assets.rest_api.config import parse_config
from analytics_assets.rest_api.windows import Window
from analytics_assets_tests.support.connection_server import ConnectionServer, serve_connections
from analytics_assets_tests.support.loaders import Loader

START = datetime(2026, 10, 1, tzinfo=timezone.utc)
WINDOW = Window(START, START + timedelta(days=1))
ROWS, PAGE = 96, 4
TIMES = [int((START + timedelta(minutes=15 * n)).timestamp() * 1000) for n in range(ROWS)]
OFFSET = {"type": "offset", "limit": PAGE, "total_path": "total"}
CURSOR = {"type": "cursor", "limit": PAGE, "cursor_param": "offset", "cursor_path": "next"}
INCREMENTAL = {"cursor_path": "at", "start_param": "since", "end_param": "until", "format": "epoch_ms"}


def page(target: str, *, size: int = PAGE) -> bytes:
    """A page of rows, by offset or page number within the window."""
    query = dict(parse_qsl(urlsplit(target).query))
    since, until = int(query.get("since", TIMES[0])), int(query.get("until", TIMES[-1] + 1))
    rows = [{"id": n, "at": at} for n, at in enumerate(TIMES) if since <= at < until]
    first = int(query["page"]) * size - size if "page" in query else int(query.get("offset", 0))
    following = str(first + size) if first + size < len(rows) else None
    return json.dumps({"data": rows[first : first + size], "total": len(rows), "next": following}).encode()


def load(server: ConnectionServer, folder: Path, paginator: dict[str, Any], *, window: bool, **client: Any) -> int:
    """Load the rows; returns their number."""
    endpoint: dict[str, Any] = {"path": "/rows", "data_selector": "data", "paginator": paginator}
    if window:
        endpoint["incremental"] = INCREMENTAL
    described: dict[str, Any] = {"base_url": server.url, **client}
    config = parse_config(
        {
            "client": described,
            "resources": [{"name": "rows", "primary_key": "id", "endpoint": endpoint}],
            "partitions": {"cadence": "daily", "start": "2026-10-01"},
        }
    )
    loader = Loader("shop", {}, folder)
    loader.load(config, "rows", window=WINDOW if window else None)
    return len({row["id"] for row in loader.rows("rows")})


@pytest.mark.parametrize(
    ("paginator", "window"),
    [
        (OFFSET, False),
        ({"type": "offset", "limit": PAGE, "total_rows_path": "total"}, False),
        (OFFSET, True),
        ({"type": "page_number", "start_from_page": 1, "total_rows_path": "total"}, False),
        (CURSOR, True),
    ],
    ids=["offset", "offset with a total of rows", "offset in a window", "page_number", "cursor in a window"],
)
def test_connections_open_while_the_first_page_is_read(tmp_path: Path, paginator: dict[str, Any], window: bool) -> None:
    def respond(target: str) -> bytes:
        if len(server.requests) == 1:
            server.wait_for_connections(8)
            assert len(server.requests) == 1
        return page(target)

    with serve_connections(respond) as server:
        assert load(server, tmp_path, paginator, window=window, max_concurrency=8) == ROWS
        assert len(server.connections) == server.most_open == 8
        assert all(connection.requests for connection in server.connections)


@pytest.mark.parametrize(
    ("paginator", "window", "client"),
    [
        (OFFSET, False, {"max_concurrency": 1}),
        (OFFSET, False, {"max_requests_per_second": 1000}),
        ({"type": "offset", "limit": PAGE}, False, {}),
        (CURSOR, False, {}),
        ({"type": "single_page"}, False, {}),
    ],
    ids=["one at a time", "limited rate", "offset without a total", "cursor without a window", "single page"],
)
def test_no_connection_is_opened_if_pages_follow_from_each_other(
    tmp_path: Path, paginator: dict[str, Any], window: bool, client: dict[str, Any]
) -> None:
    connections: list[int] = []

    def respond(target: str) -> bytes:
        connections.append(len(server.connections))
        return page(target, size=ROWS if paginator["type"] == "single_page" else PAGE)

    with serve_connections(respond) as server:
        assert load(server, tmp_path, paginator, window=window, **client) == ROWS
        assert connections[0] == 1
        assert len(server.connections) <= 4


def test_connections_of_expected_pages_are_replaced_if_the_first_page_is_shorter(tmp_path: Path) -> None:
    """The offsets of the pages are other ones than expected."""

    def respond(target: str) -> bytes:
        if len(server.requests) == 1:
            server.wait_for_connections(4)
        return page(target, size=PAGE // 2)

    with serve_connections(respond) as server:
        assert load(server, tmp_path, OFFSET, window=False, max_concurrency=4) == ROWS
        assert len(server.requests) == ROWS / (PAGE // 2)


def test_connections_of_a_read_with_one_page_are_closed(tmp_path: Path) -> None:
    def respond(target: str) -> bytes:
        server.wait_for_connections(8)
        return page(target, size=ROWS)

    with serve_connections(respond) as server:
        assert load(server, tmp_path, OFFSET, window=False, max_concurrency=8) == ROWS
        server.wait(lambda: not any(connection.is_open for connection in server.connections))
        assert len(server.requests) == 1
