"""Around a load: who waits for whom, what is said, what is left behind."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock

from analytics_assets.rest_api.config import Column
from analytics_assets.rest_api.destination.error_translation import translate_error
from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.errors import DataError, ResponseError, RestApiError, WarehouseError
from analytics_assets.rest_api.load import prepare
from analytics_assets_tests.fake_api import CursorPagination, Endpoint, faults, serve_endpoint
from analytics_assets_tests.support.shop import Shop, load_in_parallel

WALK = {"paginator": {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next", "limit": 10}}
ROWS = Endpoint("/rows", [{"id": n, "value": f"text {n}"} for n in range(25)], pagination=CursorPagination())
OPEN = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


class WhenSaid(logging.Handler):
    """Does something once, when the log says something."""

    def __init__(self, text: str, act: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.text, self.act, self.said = text, act, 0

    def emit(self, record: logging.LogRecord) -> None:
        if self.text in record.getMessage():
            self.said += 1
            if self.said == 1:
                self.act()


@contextmanager
def listening(handler: WhenSaid) -> Iterator[None]:
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
def opened_elsewhere(file: Path) -> Iterator[Callable[[], None]]:
    """Another process that has the file open, as a person's shell has; gives a way to end it."""
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


def test_many_processes_load_into_one_file_at_once(shop: Shop) -> None:
    with serve_endpoint(ROWS) as (_, url):
        names = ("rows", "rows", "rows", "orders", "orders", "users")
        requests = [shop.request(url, endpoint=WALK, name=name) for name in names]
        assert load_in_parallel(requests) == [""] * 6
    for table in ("rows", "orders", "users"):
        assert shop.ids(table) == list(range(25))
    assert shop.query("SELECT count(*) FROM shop._dlt_loads WHERE status = 0") == [(6,)]
    assert shop.tables() == {"shop.rows", "shop.orders", "shop.users"}


def test_a_file_that_a_person_has_open_is_waited_for(shop: Shop) -> None:
    with serve_endpoint(ROWS) as (_, url), opened_elsewhere(shop.warehouse.duckdb_path) as close:
        waiting = WhenSaid("warehouse.duckdb is open in another program, ", close)
        with listening(waiting):
            shop.load(url, endpoint=WALK)
    assert waiting.said == 1
    assert shop.ids() == list(range(25))


def test_a_file_that_stays_open_is_an_error_and_nothing_is_lost(shop: Shop) -> None:
    impatient = replace(shop, warehouse=replace(shop.warehouse, lock_seconds=0))
    with serve_endpoint(ROWS) as (sandbox, url):
        shop.load(url, endpoint=WALK)
        sandbox.set_rows("shop", "/rows", [{"id": 0, "value": "new"}])
        problem = r"stayed open in another program, .+ \(PID \d+\): close it there and run again"
        with opened_elsewhere(shop.warehouse.duckdb_path), pytest.raises(WarehouseError, match=problem):
            impatient.load(url, endpoint=WALK)
        with (
            pytest.raises(WarehouseError, match=problem),
            prepare(impatient.request(url)) as load,
            opened_elsewhere(shop.warehouse.duckdb_path),  # when it is clear already what is to be done
        ):
            load.run()
    assert shop.query("SELECT id, value FROM shop.rows WHERE id = 0") == [(0, "text 0")]
    assert shop.tables() == {"shop.rows"}


def test_another_load_is_waited_for(shop: Shop) -> None:
    impatient = replace(shop, warehouse=replace(shop.warehouse, lock_seconds=0))
    with serve_endpoint(ROWS) as (sandbox, url):
        shop.load(url, endpoint=WALK)
        sandbox.requests.clear()
        [lock] = (shop.warehouse.state_dir / "locks").glob("*.lock")
        waiting, problem = (
            WhenSaid("waiting for another load into"),
            r"another load has locked .*warehouse\.duckdb for too long",
        )
        with listening(waiting), FileLock(lock), pytest.raises(WarehouseError, match=problem):
            impatient.load(url, endpoint=WALK)
        assert waiting.said == 1
        assert sandbox.requests == []


def test_the_file_is_free_while_rows_are_fetched(shop: Shop) -> None:
    seen: list[bytes] = []
    look = "import duckdb, sys; print(duckdb.connect(sys.argv[1]).sql('FROM shop.rows').count('id').fetchall())"
    command = [sys.executable, "-c", look, str(shop.warehouse.duckdb_path)]
    with serve_endpoint(ROWS) as (sandbox, url):
        shop.load(url, endpoint=WALK)
        sandbox.faults.add(faults.then(lambda: seen.append(subprocess.check_output(command))), page=2)
        shop.load(url, endpoint=WALK)
    assert seen == [b"[(25,)]\n"]


def test_a_declared_scale_that_differs_from_the_stored_one_is_refused(any_shop: Shop) -> None:
    narrow, wide = ({"price": Column(data_type="decimal", precision=10, scale=scale)} for scale in (2, 4))
    with serve_endpoint(Endpoint("/rows", [{"id": 1, "price": "1.25"}])) as (sandbox, url):
        any_shop.load(url, columns=narrow)
        sandbox.set_rows("shop", "/rows", [{"id": 1, "price": "1.2345"}])
        with pytest.raises(
            WarehouseError, match=r"'price' of shop\.rows is decimal\(10, 2\) in the warehouse and decimal\(10, 4\)"
        ):
            any_shop.load(url, columns=wide)
        any_shop.load(url)  # undeclared, the stored type counts
        any_shop.load(url, columns=wide, load={"full_refresh": True})
    assert any_shop.query("SELECT price FROM shop.rows") == [(Decimal("1.2345"),)]


def test_integers_without_end_keep_their_digits(any_shop: Shop) -> None:
    with serve_endpoint(Endpoint("/rows", [{"id": 1, "n": 2**70}])) as (sandbox, url):
        any_shop.load(url)
        sandbox.set_rows("shop", "/rows", [{"id": 1, "n": 2**70}, {"id": 2, "n": 1.75}])
        any_shop.load(url)
        assert any_shop.query("SELECT n, n__v_double FROM shop.rows ORDER BY id") == [(2**70, None), (None, 1.75)]
        with pytest.raises(WarehouseError, match=r"decimal\(38, 0\) in the warehouse and decimal\(38, 9\)"):
            any_shop.load(url, columns={"n": Column(data_type="decimal")})


def test_a_declared_type_that_differs_from_the_stored_one_is_refused_before_anything_is_fetched(any_shop: Shop) -> None:
    columns = {"value": Column(data_type="bigint")}
    with serve_endpoint(ROWS) as (sandbox, url):
        any_shop.load(url, endpoint=WALK)
        sandbox.requests.clear()
        with pytest.raises(
            WarehouseError, match=r"'value' of shop\.rows is text in the warehouse and bigint in this load"
        ):
            any_shop.load(url, endpoint=WALK, columns=columns)
        assert sandbox.requests == []
        sandbox.set_rows("shop", "/rows", [{"id": n, "value": n} for n in range(3)])
        any_shop.load(url, endpoint=WALK, columns=columns, load={"full_refresh": True})
    assert any_shop.query("SELECT id, value FROM shop.rows ORDER BY id") == [(0, 0), (1, 1), (2, 2)]


def test_a_table_that_changes_while_rows_are_fetched(any_shop: Shop) -> None:
    with serve_endpoint(ROWS) as (_, url):
        any_shop.load(url, endpoint=WALK)
        with prepare(any_shop.request(url, endpoint=WALK)) as load:
            any_shop.query("ALTER TABLE shop.rows DROP COLUMN value")
            any_shop.query("ALTER TABLE shop.rows ADD COLUMN value BIGINT")
            with pytest.raises(Exception, match="If another run has just changed the table, run again") as caught:
                load.run()
    assert isinstance(translate_error(caught.value, dataset="shop", table="rows"), WarehouseError)
    assert any_shop.query("SELECT count(*), count(value) FROM shop.rows") == [(25, 0)]


@pytest.mark.parametrize(
    ("sql", "full_refresh"),
    [
        ("DROP TABLE shop.rows", False),
        ("DROP SCHEMA shop CASCADE", True),
        ("ALTER TABLE shop.rows DROP COLUMN value", False),
    ],
)
def test_what_somebody_dropped_is_made_again(any_shop: Shop, sql: str, full_refresh: bool) -> None:
    with serve_endpoint(ROWS) as (_, url):
        any_shop.load(url, endpoint=WALK)
        any_shop.query(sql)
        any_shop.load(url, endpoint=WALK, load={"full_refresh": full_refresh})
    found = any_shop.query("SELECT id, value FROM shop.rows ORDER BY id")
    assert found == [(n, f"text {n}") for n in range(25)]


@pytest.mark.parametrize(
    ("fault", "problem", "keys"),
    [
        (None, "", {}),
        (faults.status(500), "answered 500", {}),
        (None, "is null or missing", {"primary_key": ("nothing",)}),
        (None, "failed with ConstraintException", {}),
    ],
)
def test_the_working_folder_is_gone_afterwards(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any, problem: str, keys: dict[str, Any]
) -> None:
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    before = Path.cwd(), {*Path.cwd().iterdir()}, {*Path.home().iterdir()}
    with serve_endpoint(ROWS) as (sandbox, url):
        if "Constraint" in problem:
            shop.load(url, endpoint=WALK)
            shop.reject("new")
            sandbox.set_rows("shop", "/rows", [{"id": 1, "value": "new"}])
        if fault:
            sandbox.faults.add(fault, page=2, times=None)
        if problem:
            with pytest.raises((DataError, ResponseError, WarehouseError), match=problem):
                shop.load(url, endpoint={**WALK, "error_handler": {"backoff_factor": 0}}, **keys)
        else:
            shop.load(url, endpoint=WALK)
    assert list(temp.iterdir()) == []
    assert (Path.cwd(), {*Path.cwd().iterdir()}, {*Path.home().iterdir()}) == before


FAILING = [  # SQL that fails in DuckDB, and the words of it that are repeated
    ("SELECT CAST('secret' AS BIGINT)", None),
    ("INSERT INTO t VALUES ('secret')", None),
    ("INSERT INTO t VALUES (NULL)", None),
    ("SELECT 9223372036854775807 + 'secret'.length()", None),
    ("SELECT strptime('secret', '%Y')", None),
    ("SELECT secret FROM t", None),
    ("SELECT 'secret", None),
    ("SELECT error('secret')", None),
    ("SELECT CAST('{\"secret\"' AS JSON)", None),
    ("FROM nowhere", "Catalog Error: Table with name nowhere does not exist!"),
    ("FROM read_parquet('/nowhere/f.parquet')", "IO Error: No files found"),
]


@pytest.mark.parametrize(("sql", "words"), FAILING)
def test_a_database_that_fails_is_not_quoted_where_it_may_quote_data(sql: str, words: str | None) -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (x VARCHAR NOT NULL CHECK (x <> 'secret'))")
        with pytest.raises(duckdb.Error) as caught:
            connection.execute(sql).fetchall()
    told = str(translate_error(caught.value, dataset="shop", table="rows"))
    assert told.startswith(f"loading shop.rows failed with {type(caught.value).__name__}")
    assert told.endswith(". The table was not changed")
    assert "secret" not in told
    assert words is None or words in told


@pytest.mark.parametrize("where", ["cause", "context"])
def test_our_own_error_is_found_behind_those_of_dlt(where: str) -> None:
    ours = DataError("what was wrong")
    outer = RuntimeError("Pipeline execution failed")
    setattr(outer, f"__{where}__", ours)
    assert translate_error(outer, dataset="shop", table="rows") is ours


@pytest.mark.parametrize("destination", ["filesystem", "dummy", "snowflake", "nonsense"])
def test_an_unsupported_destination_is_refused_before_any_request(shop: Shop, destination: str) -> None:
    unsupported = replace(shop, warehouse=replace(shop.warehouse, destination=destination))
    with serve_endpoint(ROWS) as (sandbox, url):
        with pytest.raises(
            WarehouseError,
            match=rf"'{destination}' is not supported: .* duckdb and postgres\. Set ANALYTICS_DESTINATION",
        ):
            unsupported.load(url, endpoint=WALK)
        assert sandbox.requests == []


def test_a_missing_driver_is_named_with_its_extra(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if re.search(r"impl\.postgres|\.postgres\.destination$", name)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    without_driver = replace(shop, warehouse=replace(shop.warehouse, destination="postgres"))
    with serve_endpoint(ROWS) as (sandbox, url):
        with pytest.raises(WarehouseError, match=r"'psycopg2', .* pip install 'analytics_assets\[postgres\]'"):
            without_driver.load(url, endpoint=WALK)
        assert sandbox.requests == []


def make_text(folder: Path) -> Warehouse:
    (folder / "text.duckdb").write_text("no database, but a text of many characters" * 1000)
    return Warehouse(duckdb_path=folder / "text.duckdb", state_dir=folder / "state")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (make_text, r"cannot open the DuckDB file .*text\.duckdb: .*not a valid DuckDB"),
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
def test_a_warehouse_that_cannot_be_opened(
    shop: Shop, tmp_path: Path, make: Callable[[Path], Warehouse], problem: str
) -> None:
    with serve_endpoint(ROWS) as (sandbox, url):
        with pytest.raises(WarehouseError, match=problem):
            replace(shop, warehouse=make(tmp_path)).load(url, endpoint=WALK)
        assert sandbox.requests == []


def test_a_file_that_this_process_has_open_otherwise(shop: Shop) -> None:
    with serve_endpoint(ROWS) as (_, url):
        shop.load(url, endpoint=WALK)
        reader = duckdb.connect(str(shop.warehouse.duckdb_path), read_only=True)
        with reader, pytest.raises(WarehouseError, match="cannot open the DuckDB file"):
            shop.load(url, endpoint=WALK)


@pytest.mark.parametrize(
    ("file", "dataset"), [("shop.duckdb", "shop"), ("SHOP.db", "shop"), ("dev_shop.db", "dev_shop")]
)
def test_a_file_named_as_its_dataset_is_refused(file: str, dataset: str) -> None:
    warehouse = Warehouse(duckdb_path=Path(file), dataset_prefix=dataset.removesuffix("shop"))
    with pytest.raises(WarehouseError, match="share a name, which DuckDB finds ambiguous"):
        warehouse.dataset("shop", sandbox=False)
    assert warehouse.dataset("shop", sandbox=True) == f"{dataset}_sandbox"
    assert replace(warehouse, destination="postgres").dataset("shop", sandbox=False) == dataset


def test_the_prefix_of_a_dataset_is_kept_as_it_is(any_shop: Shop) -> None:
    prefixed = replace(any_shop, dataset="Dev-1.x_shop")
    with serve_endpoint(ROWS) as (_, url):
        for full_refresh in (False, True, False):
            report = prefixed.load(url, endpoint=WALK, load={"full_refresh": full_refresh}).table
            assert (report.name, report.total_rows) == ("Dev-1.x_shop.rows", 25)
    assert len(any_shop.tables()) == 1


def test_errors_are_ours(any_shop: Shop) -> None:
    """Whatever fails in a load, the one who asked for it gets one kind of error."""
    with serve_endpoint(Endpoint("/rows", [{"id": n} for n in range(3)])) as (sandbox, url):
        for kind in (faults.status(404), faults.close(), faults.html()):
            sandbox.faults.add(kind, times=None)
            with pytest.raises(RestApiError) as caught:
                any_shop.load(url)
            assert caught.value.__suppress_context__
            sandbox.faults.clear()
