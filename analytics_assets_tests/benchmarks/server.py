"""The API of the benchmarks: a server that needs a few microseconds per request, much less than any client.

`GET /<rows>/<latency in ms>/v1/rows?offset=&limit=&updated_at_start=&updated_at_end=` returns a page of a table with
that number of rows, after that latency; `offset` counts within the window. The response suits every kind of paginator:
`{"data": [...], "total": 1000, "next": "100", "hasNext": true}`. `/v1/wide_rows` and `/v1/long_rows` have other rows.
Pages of `/v1/rows` are cached, up to a limit. The others are larger than any cache, and are made for each request.

    python -m analytics_assets_tests.benchmarks.server --port 8765
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs

from analytics_assets_tests.benchmarks import records
from analytics_assets_tests.benchmarks.tables import TABLES

ROOT = Path(__file__).parents[2]
CACHED = b"/v1/rows"
MAX_CACHED_BYTES = 600_000_000
MAX_CACHED_TARGETS = 200_000
DEFAULT_LIMIT, MAX_LIMIT = 100, 1_000
CHILDREN = 10  # of each row
Response = tuple[tuple[bytes, bytes, bytes], float]


class Pages:
    """The responses by request target, with their latency in seconds."""

    def __init__(self) -> None:
        self._responses: dict[bytes, Response] = {}
        self._pages: dict[tuple[int, int, int], bytes] = {}
        self._cached_bytes = 0

    def response(self, target: bytes) -> Response:
        response = self._responses.get(target)
        if response is None:
            response = self._build(target.decode())
            if self._may_cache(target) and len(self._responses) < MAX_CACHED_TARGETS:
                self._responses[target] = response
        return response

    def _may_cache(self, target: bytes) -> bool:
        return CACHED in target and self._cached_bytes < MAX_CACHED_BYTES

    def _build(self, target: str) -> Response:
        path, _, query = target.partition("?")
        try:
            _, size, latency, *resource = path.split("/")
            rows, seconds = int(size), float(latency) / 1000
            params = {name: int(values[0]) for name, values in parse_qs(query).items()}
        except ValueError:
            rows, seconds, resource, params = 0, 0.0, [], {}
        if len(resource) == 4 and resource[:2] == ["v1", "rows"] and resource[2].isdecimal():
            return self._children(int(resource[2]), rows), seconds
        version, table = resource if len(resource) == 2 else ("", "")
        if version != "v1" or table not in TABLES:
            return (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b"", b""), seconds
        start, end = params.get("updated_at_start"), params.get("updated_at_end")
        low = 0 if start is None else records.first_row(start, rows)
        high = rows if end is None else max(records.first_row(end, rows), low)
        limit = min(params.get("limit", DEFAULT_LIMIT), MAX_LIMIT)
        offset = params.get("offset", 0)
        first = min(low + offset, high)
        count = min(limit, high - first)
        more = first + count < high
        page = self._page(first, count, rows) if table == "rows" else records.page(first, count, rows, table)
        following = b'"%d"' % (offset + count) if more else b"null"
        tail = b'],"total":%d,"next":%s,"hasNext":%s}' % (high - low, following, b"true" if more else b"false")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
            len(page) + len(tail) + 9
        )
        return (head + b'{"data":[', page, tail), seconds

    def _children(self, parent: int, rows: int) -> tuple[bytes, bytes, bytes]:
        page = records.page((parent - 1) * CHILDREN, CHILDREN, rows * CHILDREN)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (len(page) + 11)
        return head + b'{"data":[', page, b"]}"

    def _page(self, first: int, count: int, rows: int) -> bytes:
        key = (first, count, rows)
        page = self._pages.get(key)
        if page is None:
            page = records.page(first, count, rows) if count else b""
            if self._cached_bytes < MAX_CACHED_BYTES:
                self._pages[key] = page
                self._cached_bytes += len(page)
        return page


class Connection(asyncio.Protocol):
    def __init__(self, pages: Pages, loop: asyncio.AbstractEventLoop) -> None:
        self._pages, self._loop = pages, loop
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._received.endswith(b"\r\n\r\n") or b"\r\n\r\n" in self._received:
            request, _, self._received = self._received.partition(b"\r\n\r\n")
            parts, latency = self._pages.response(request.split(b" ", 2)[1])
            if latency:
                self._loop.call_later(latency, self._transport.writelines, parts)
            else:
                self._transport.writelines(parts)


async def _serve(port: int) -> None:
    loop, pages = asyncio.get_running_loop(), Pages()
    records.templates("rows")  # in advance, not in the first request
    server = await loop.create_server(lambda: Connection(pages, loop), "127.0.0.1", port, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


@contextmanager
def serving() -> Iterator[str]:
    """Start a server in a process of its own; yields its URL, to which `/<rows>/<latency>` must be added."""
    command = [sys.executable, "-m", "analytics_assets_tests.benchmarks.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    port = parser.parse_args().port
    try:
        import uvloop
    except ImportError:
        run = asyncio.run
    else:
        run = uvloop.run
    with contextlib.suppress(KeyboardInterrupt):
        run(_serve(port))


if __name__ == "__main__":
    main()
