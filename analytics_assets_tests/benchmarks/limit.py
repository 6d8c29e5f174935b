"""The limit: the fastest program for the same load that we could write by hand, for this API and this table only.

It knows what a product cannot know: the columns, the pagination, that no request fails, that no key is repeated.

    python -m analytics_assets_tests.benchmarks.limit http://127.0.0.1:8765/1000000/0 limit.duckdb

Threads with raw sockets put the bytes of pages into Arrow. DuckDB reads them as a stream, decodes the JSON and writes
the rows in one statement while pages are fetched: an INSERT into an empty table, otherwise a MERGE of changed rows.

Alternatives, in microseconds of CPU time per row (pages of 100 rows of 450 bytes; two cores, Python 3.11):

    fetch    raw sockets 0.10; http.client 0.4, urllib3 1.2; processes save nothing, because the interpreter is idle
    decode   DuckDB's from_json on whole pages 0.8 to 1.0, nested values as text, on DuckDB's own threads;
             its read_json over files in memory 1.2 and more; pyarrow.json 2.7 and no text of nested values, after
             msgspec's Raw 0.3 for the records' bytes; msgspec structs and pyarrow.array 4 and more
    batches  5 to 20 pages are best; with 40 pages 0.3 more, with 1,000 0.8, with one 2.0
    write    into DuckDB 1.0, from Arrow, parquet (1.2 and its writing) or decoded JSON alike; uncompressed storage,
             a later checkpoint, insertion order preserved or not, 1 to 4 threads in DuckDB or here: no difference
"""

from __future__ import annotations

import argparse
import itertools
import json
import queue
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa

from analytics_assets_tests.benchmarks.tables import NAMES, TABLES, columns

SCHEMA = pa.schema([("body", pa.string())])
BATCH_BYTES = 450_000  # 10 pages of the table `rows`, which stay in the CPU cache while DuckDB decodes them
QUEUED_BATCHES = 8
RECEIVE_BYTES = 1 << 20


class Connection:
    """One persistent connection, with the part of HTTP that this server needs."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self._socket = socket.create_connection((host, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = f"GET {path}?offset=%d&limit=%d HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        self._buffer = bytearray(RECEIVE_BYTES)
        self._view = memoryview(self._buffer)

    def get(self, offset: int, limit: int) -> bytes:
        return self.send(self._request % (offset, limit))

    def send(self, request: bytes) -> bytes:
        buffer, view, receive = self._buffer, self._view, self._socket.recv_into
        self._socket.sendall(request)
        received = receive(view)
        head = buffer.find(b"\r\n\r\n", 0, received)
        if not buffer.startswith(b"HTTP/1.1 200") or head < 0:
            raise RuntimeError("the response is not 200, or its headers were received in parts")
        at = buffer.find(b"Content-Length: ", 0, head) + 16
        end = head + 4 + int(buffer[at : buffer.find(b"\r", at)])
        if end > len(buffer):
            self._buffer = bytearray(end)
            self._buffer[:received] = view[:received]
            self._view = view = memoryview(self._buffer)
        while received < end:
            received += receive(view[received:])
        return bytes(view[head + 4 : end])


def fetch(url: str, table: str, limit: int, threads: int) -> Iterator[pa.RecordBatch]:
    """Yield all pages in batches, in any order, with `threads` requests in parallel."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 80, f"{parts.path}/v1/{table}")
    first = Connection(*address)
    body = first.get(0, limit)
    total = json.loads(body)["total"]
    yield batch([body])
    pages_per_batch = max(BATCH_BYTES // len(body), 1)
    offsets = iter(range(limit, total, limit))
    lock = threading.Lock()
    batches: queue.Queue[pa.RecordBatch | BaseException | None] = queue.Queue(QUEUED_BATCHES)

    def work() -> None:
        try:
            connection = Connection(*address)
            while True:
                with lock:
                    selected = list(itertools.islice(offsets, pages_per_batch))
                if not selected:
                    break
                batches.put(batch([connection.get(offset, limit) for offset in selected]))
            batches.put(None)
        except BaseException as error:
            batches.put(error)

    for _ in range(threads):
        threading.Thread(target=work, daemon=True).start()
    running = threads
    while running:
        item = batches.get()
        if isinstance(item, BaseException):
            raise item
        if item is None:
            running -= 1
        else:
            yield item


def batch(bodies: list[bytes]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(bodies, pa.string())], schema=SCHEMA)


def load(url: str, database: str, *, table: str = "rows", limit: int = 100, threads: int = 2) -> int:
    """Load all rows of a table of the API into `bench.rows`; returns the number of rows that are there then."""
    structure = json.dumps({"data": [TABLES[table]]})
    fields = ", ".join(f'r."{name}" AS {NAMES.get(name, name)}' for name in TABLES[table])
    names = list(columns(table))
    connection = duckdb.connect(database)
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("CREATE SCHEMA IF NOT EXISTS bench")
    declared = ", ".join(f"{name} {data_type}" for name, data_type in columns(table).items())
    connection.execute(f"CREATE TABLE IF NOT EXISTS bench.rows ({declared})")
    pages = pa.RecordBatchReader.from_batches(SCHEMA, fetch(url, table, limit, threads))
    connection.register("pages", pages)
    records = f"SELECT UNNEST(from_json(body, '{structure}').data) AS r FROM pages"
    rows = f"(SELECT {fields} FROM ({records}))"
    if connection.execute("SELECT 1 FROM bench.rows LIMIT 1").fetchone() is None:
        connection.execute(f"INSERT INTO bench.rows SELECT * FROM {rows}")
    else:
        values = names[1:]
        changed = " OR ".join(f"d.{name} IS DISTINCT FROM s.{name}" for name in values)
        update = ", ".join(f"{name} = s.{name}" for name in values)
        insert = f"INSERT ({', '.join(names)}) VALUES ({', '.join(f's.{name}' for name in names)})"
        connection.execute(
            f"MERGE INTO bench.rows d USING {rows} s ON d.id = s.id "
            f"WHEN MATCHED AND ({changed}) THEN UPDATE SET {update} WHEN NOT MATCHED THEN {insert}"
        )
    count = connection.execute("SELECT COUNT(*) FROM bench.rows").fetchone()
    connection.close()
    return int(count[0]) if count else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("database")
    parser.add_argument("--table", choices=TABLES, default="rows")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    options = vars(parser.parse_args())
    print(load(options.pop("url"), options.pop("database"), **options))


if __name__ == "__main__":
    main()
