"""Locks: loads wait for each other and for other programs, and name the process that they wait for."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets.rest_api.load.table import prepare
from analytics_assets_tests.fake_api import faults, serve_endpoint
from analytics_assets_tests.rest_api.destination.endpoints import ENDPOINT, ROWS
from analytics_assets_tests.support.shop import Shop, load_in_parallel

OPEN = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


class LogTrigger(logging.Handler):
    """Counts the log messages with a text, and runs an action on the first one."""

    def __init__(self, text: str, action: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.text, self.action, self.count = text, action, 0

    def emit(self, record: logging.LogRecord) -> None:
        if self.text in record.getMessage():
            self.count += 1
            if self.count == 1:
                self.action()


@contextmanager
def attached(handler: LogTrigger) -> Iterator[None]:
    """The handler receives this package's messages from INFO on while the block runs."""
    log = logging.getLogger("analytics_assets")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


@contextmanager
def opened_by_another_process(file: Path) -> Iterator[Callable[[], None]]:
    """Another process has the file open, as a person's shell would. Yields a function that ends it."""
    process = subprocess.Popen([sys.executable, "-c", OPEN, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None

    def close() -> None:
        process.communicate()

    assert process.stdout.readline() == b"open\n"
    try:
        yield close
    finally:
        if process.poll() is None:
            close()


def test_parallel_processes_load_into_one_file(shop: Shop) -> None:
    with serve_endpoint(ROWS) as (_, url):
        names = ("rows", "rows", "rows", "orders", "orders", "users")
        requests = [shop.request(url, endpoint=ENDPOINT, name=name) for name in names]
        assert load_in_parallel(requests) == [""] * 6
    for table in ("rows", "orders", "users"):
        assert shop.ids(table) == list(range(25))
    assert shop.query("SELECT count(*) FROM shop._dlt_loads WHERE status = 0") == [(6,)]
    assert shop.tables() == {"shop.rows", "shop.orders", "shop.users"}


def test_load_waits_for_a_file_that_another_program_has_open(shop: Shop) -> None:
    with serve_endpoint(ROWS) as (_, url), opened_by_another_process(shop.warehouse.duckdb_path) as close:
        waiting = LogTrigger("warehouse.duckdb is open in another program, ", close)
        with attached(waiting):
            shop.load(url, endpoint=ENDPOINT)
    assert waiting.count == 1
    assert shop.ids() == list(range(25))


def test_file_that_stays_open_fails_the_load_and_nothing_changes(shop: Shop) -> None:
    impatient = replace(shop, warehouse=replace(shop.warehouse, lock_seconds=0))
    with serve_endpoint(ROWS) as (sandbox, url):
        shop.load(url, endpoint=ENDPOINT)
        sandbox.set_rows("shop", "/rows", [{"id": 0, "value": "new"}])
        problem = r"stayed open in another program, .+ \(PID \d+\): close it there and run again"
        with opened_by_another_process(shop.warehouse.duckdb_path), pytest.raises(WarehouseError, match=problem):
            impatient.load(url, endpoint=ENDPOINT)
        with (
            pytest.raises(WarehouseError, match=problem),
            prepare(impatient.request(url)) as load,
            opened_by_another_process(shop.warehouse.duckdb_path),  # after the stored columns were read
        ):
            load.run()
    assert shop.query("SELECT id, value FROM shop.rows WHERE id = 0") == [(0, "text 0")]
    assert shop.tables() == {"shop.rows"}


def test_lock_holder_is_logged_and_named_in_error(shop: Shop) -> None:
    impatient = replace(shop, warehouse=replace(shop.warehouse, lock_seconds=0))
    with serve_endpoint(ROWS) as (sandbox, url):
        shop.load(url, endpoint=ENDPOINT)
        sandbox.requests.clear()
        [lock] = (shop.warehouse.state_dir / "locks").glob("*.lock")
        waiting, problem = (
            LogTrigger("waiting for another load into"),
            r"another load has locked .*warehouse\.duckdb for too long",
        )
        with attached(waiting), FileLock(lock), pytest.raises(WarehouseError, match=problem):
            impatient.load(url, endpoint=ENDPOINT)
        assert waiting.count == 1
        assert sandbox.requests == []


def test_file_is_not_locked_during_extraction(shop: Shop) -> None:
    counts: list[bytes] = []
    count = "import duckdb, sys; print(duckdb.connect(sys.argv[1]).sql('FROM shop.rows').count('id').fetchall())"
    command = [sys.executable, "-c", count, str(shop.warehouse.duckdb_path)]
    with serve_endpoint(ROWS) as (sandbox, url):
        shop.load(url, endpoint=ENDPOINT)
        sandbox.faults.add(faults.then(lambda: counts.append(subprocess.check_output(command))), page=2)
        shop.load(url, endpoint=ENDPOINT)
    assert counts == [b"[(25,)]\n"]


def create_text_file(folder: Path) -> Warehouse:
    (folder / "text.duckdb").write_text("no database, but a text of many characters" * 1000)
    return Warehouse(duckdb_path=folder / "text.duckdb", state_dir=folder / "state")


@pytest.mark.parametrize(
    ("create", "problem"),
    [
        (create_text_file, r"cannot open the DuckDB file .*text\.duckdb: .*not a valid DuckDB"),
        (
            lambda folder: Warehouse(duckdb_path=folder / "no" / "w.duckdb", state_dir=folder),
            "No such file or directory",
        ),
        (lambda folder: Warehouse(duckdb_path=folder, state_dir=folder), "cannot open the DuckDB file"),
        (
            lambda folder: Warehouse(duckdb_path=folder / "w.duckdb", state_dir=Path(__file__)),
            r"cannot keep locks in .*/locks: Not a directory. Set ANALYTICS_STATE_DIR",
        ),
    ],
)
def test_unusable_warehouse_fails_before_any_request(
    shop: Shop, tmp_path: Path, create: Callable[[Path], Warehouse], problem: str
) -> None:
    with serve_endpoint(ROWS) as (sandbox, url):
        with pytest.raises(WarehouseError, match=problem):
            replace(shop, warehouse=create(tmp_path)).load(url, endpoint=ENDPOINT)
        assert sandbox.requests == []


def test_file_open_read_only_in_this_process_fails_the_load(shop: Shop) -> None:
    with serve_endpoint(ROWS) as (_, url):
        shop.load(url, endpoint=ENDPOINT)
        reader = duckdb.connect(str(shop.warehouse.duckdb_path), read_only=True)
        with reader, pytest.raises(WarehouseError, match="cannot open the DuckDB file"):
            shop.load(url, endpoint=ENDPOINT)
