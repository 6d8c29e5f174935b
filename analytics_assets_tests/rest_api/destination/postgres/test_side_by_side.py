"""Loads into one dataset of PostgreSQL run side by side: they wait only while another one writes to their table."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from analytics_assets.rest_api.destination.postgres.destination import PostgresTableClient
from analytics_assets.rest_api.errors import BusyError
from analytics_assets.rest_api.load.table import prepare
from analytics_assets_tests.fake_api import Api, Endpoint, FakeServer, TimeFilter, serve, serve_endpoint
from analytics_assets_tests.harness.stopped_loads import StoppedLoad, stopped_load
from analytics_assets_tests.support.loaders import day
from analytics_assets_tests.support.shop import Shop, load_in_parallel

COPY = (PostgresTableClient, "_copy")
KEYS = 300
VERSIONS = 10
UPDATED = TimeFilter("updated", {"since": "{start}", "until": "{end}"})
INCREMENTAL = {"incremental": {"cursor_path": "updated", "start_param": "since", "end_param": "until"}}


def version_rows(version: int) -> list[dict[str, Any]]:
    """All keys as one of ten loads reads them: each is the newest version of other keys, and has a field of its own."""
    return [
        {
            "id": key,
            "updated": f"2026-10-02T{(version - key) % VERSIONS:02}:00:00Z",
            "value": version,
            f"field_{version}": key,
        }
        for key in range(KEYS)
    ]


def newest_rows() -> list[dict[str, Any]]:
    versions = [version_rows(version) for version in range(VERSIONS)]
    return [max((rows[key] for rows in versions), key=lambda row: str(row["updated"])) for key in range(KEYS)]


@pytest.fixture
def environ(postgres_shop: Shop) -> dict[str, str]:
    assert postgres_shop.postgres is not None
    return {"DESTINATION__POSTGRES__CREDENTIALS": postgres_shop.postgres.credentials}


@contextlib.contextmanager
def stopped(shop: Shop, rows: list[dict[str, Any]], environ: dict[str, str], **keys: Any) -> Iterator[StoppedLoad]:
    """A load into shop.rows that has read these rows, and stops before it copies them."""
    with (
        serve_endpoint(Endpoint("/rows", rows, updated=UPDATED)) as (_, url),
        stopped_load(shop.request(url, **keys), environ, stop=COPY) as load,
    ):
        yield load


def load_rows(shop: Shop, rows: list[dict[str, Any]], **keys: Any) -> None:
    """Load these rows into shop.rows."""
    with serve_endpoint(Endpoint("/rows", rows, updated=UPDATED)) as (_, url):
        shop.load(url, **keys)


def table(shop: Shop, columns: list[str]) -> list[tuple[Any, ...]]:
    return shop.query(f"SELECT {', '.join(columns)} FROM {shop.dataset}.rows ORDER BY id, updated")


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_loads_of_one_table_end_while_another_copies_its_rows(
    postgres_shop: Shop, environ: dict[str, str], isolation: str
) -> None:
    postgres_shop.query(f"ALTER DATABASE postgres SET default_transaction_isolation = '{isolation}'")
    try:
        with stopped(postgres_shop, [{"id": 1, "v": "a"}, {"id": 2, "v": "a"}], environ) as slow:
            load_rows(postgres_shop, [{"id": 2, "v": "b"}, {"id": 3, "v": "b"}])
            load_rows(postgres_shop, [{"id": 9}], name="orders")
            assert postgres_shop.query("SELECT id, v FROM shop.rows ORDER BY id") == [(2, "b"), (3, "b")]
            assert slow.resume() == ""
    finally:
        postgres_shop.query("ALTER DATABASE postgres RESET default_transaction_isolation")
    # Without a cursor, the load that writes last wins.
    assert postgres_shop.query("SELECT id, v FROM shop.rows ORDER BY id") == [(1, "a"), (2, "a"), (3, "b")]


def test_only_loads_of_the_same_table_wait_while_one_writes(postgres_shop: Shop, environ: dict[str, str]) -> None:
    impatient = replace(postgres_shop, warehouse=replace(postgres_shop.warehouse, lock_seconds=0))
    with serve_endpoint(Endpoint("/rows", [{"id": 1}])) as (_, url):
        postgres_shop.load(url)
        with stopped_load(postgres_shop.request(url), environ):
            impatient.load(url, name="orders")
            with prepare(impatient.request(url)) as load:  # reading the table takes no lock
                assert list(load.stored_columns) == ["id", "_dlt_load_id"]
                with pytest.raises(Exception, match=r"another load has locked shop\.rows in PostgreSQL for too long"):
                    load.run()
        impatient.load(url)  # the other load was killed: its lock is free
    assert postgres_shop.ids() == postgres_shop.ids("orders") == [1]


@pytest.mark.parametrize("full_refresh", [False, True])
def test_ten_loads_of_the_same_keys_give_the_table_of_a_serial_load(
    postgres_shop: Shop, environ: dict[str, str], full_refresh: bool
) -> None:
    """Windows that overlap, new columns, and a full refresh beside them. The table is new."""
    served = {f"/v{version}": version_rows(version) for version in range(VERSIONS)}
    serial = replace(postgres_shop, dataset="serial")
    endpoints = [Endpoint(path, rows, updated=UPDATED) for path, rows in served.items()]
    api = Api("shop", [*endpoints, Endpoint("/all", newest_rows())])
    with serve(FakeServer([api])) as url:
        keys: dict[str, Any] = {"name": "rows", "endpoint": INCREMENTAL}
        loads: list[tuple[str, dict[str, Any]]] = [
            (f"{url}/shop/v{version}", {"window": day(1 + version % 2, 3 + version % 3)}) for version in range(VERSIONS)
        ]
        if full_refresh:
            loads.append((f"{url}/shop/all", {"full_refresh": True}))
        requests = [postgres_shop.request(path, load=load, **keys) for path, load in loads]
        assert load_in_parallel(requests, environ) == [""] * len(loads)
        for path, load in loads:
            serial.load(path, load=load, **keys)
    columns = ["id", "updated", "value", *(f"field_{version}" for version in range(VERSIONS))]
    found = table(postgres_shop, columns)
    assert found == table(serial, columns)
    assert [value for _, _, value, *_ in found] == [row["value"] for row in newest_rows()]


def test_ten_loads_create_a_dataset_at_once(postgres_shop: Shop, environ: dict[str, str]) -> None:
    with serve_endpoint(Endpoint("/rows", [{"id": 1}])) as (_, url):
        requests = [postgres_shop.request(url, name=f"table_{number % 5}") for number in range(10)]
        assert load_in_parallel(requests, environ) == [""] * 10
    assert postgres_shop.tables() == {f"shop.table_{number}" for number in range(5)}
    assert [postgres_shop.ids(f"table_{number}") for number in range(5)] == [[1]] * 5
    assert postgres_shop.query("SELECT count(*) FROM shop._dlt_loads WHERE status = 0") == [(10,)]
    repeated = "SELECT version_hash FROM shop._dlt_version GROUP BY version_hash HAVING count(*) > 1"
    assert postgres_shop.query(repeated) == []


def test_column_that_another_load_adds_is_null_in_newer_rows(postgres_shop: Shop, environ: dict[str, str]) -> None:
    load_rows(postgres_shop, [{"id": 1, "v": 0}])
    with stopped(postgres_shop, [{"id": 1, "v": 2}], environ) as slow:
        load_rows(postgres_shop, [{"id": 1, "v": 1, "new": "x"}, {"id": 2, "v": 1, "new": "x"}])
        assert slow.resume() == ""
    assert postgres_shop.query("SELECT id, v, new FROM shop.rows ORDER BY id") == [(1, 2, None), (2, 1, "x")]


def test_widening_beside_a_load_makes_it_read_again(postgres_shop: Shop, environ: dict[str, str]) -> None:
    load_rows(postgres_shop, [{"id": 1, "n": 1}])
    with stopped(postgres_shop, [{"id": 2, "n": 2}], environ) as slow:
        load_rows(postgres_shop, [{"id": 1, "n": 1.5}])
        error = slow.resume()
    assert error.startswith("BusyError: column 'n' of shop.rows is double in the warehouse and bigint in this load")
    assert postgres_shop.query("SELECT id, n FROM shop.rows") == [(1, 1.5)]
    load_rows(postgres_shop, [{"id": 2, "n": 2}])
    assert postgres_shop.query("SELECT id, n FROM shop.rows ORDER BY id") == [(1, 1.5), (2, 2.0)]


def test_load_widens_a_column_that_another_load_has_widened(postgres_shop: Shop, environ: dict[str, str]) -> None:
    load_rows(postgres_shop, [{"id": 1, "n": 1}])
    with stopped(postgres_shop, [{"id": 2, "n": 2.5}], environ) as slow:
        load_rows(postgres_shop, [{"id": 1, "n": 1.5}])
        assert slow.resume() == ""
    assert postgres_shop.query("SELECT id, n FROM shop.rows ORDER BY id") == [(1, 1.5), (2, 2.5)]


def test_full_refresh_beside_a_load_keeps_the_rows_of_both(postgres_shop: Shop, environ: dict[str, str]) -> None:
    load_rows(postgres_shop, [{"id": 1, "v": "old", "gone": 1}])
    with stopped(postgres_shop, [{"id": 2, "v": "window", "gone": 2}], environ) as slow:
        load_rows(postgres_shop, [{"id": 1, "v": "refreshed"}], load={"full_refresh": True})
        assert slow.resume() == ""
    found = postgres_shop.query("SELECT id, v, gone FROM shop.rows ORDER BY id")
    assert found == [(1, "refreshed", None), (2, "window", 2)]


def test_append_windows_side_by_side_keep_all_rows(postgres_shop: Shop, environ: dict[str, str]) -> None:
    rows = [{"id": n, "updated": f"2026-10-0{n % 3 + 1}T00:00:00Z"} for n in range(30)]
    keys: dict[str, Any] = {"endpoint": INCREMENTAL, "write_disposition": "append"}
    with stopped(postgres_shop, rows, environ, load={"window": day(1, 3)}, **keys) as slow:
        load_rows(postgres_shop, rows, load={"window": day(2, 4)}, **keys)
        assert slow.resume() == ""
    assert postgres_shop.ids() == list(range(30))


def test_failed_load_of_a_new_table_leaves_no_table(postgres_shop: Shop) -> None:
    with pytest.raises(Exception, match="failed with"):
        load_rows(postgres_shop, [{"id": 1, "text": "nul \0"}])
    assert postgres_shop.tables() == set()


def test_session_that_keeps_the_table_open_fails_a_full_refresh(postgres_shop: Shop, environ: dict[str, str]) -> None:
    load_rows(postgres_shop, [{"id": 1}])
    impatient = replace(postgres_shop, warehouse=replace(postgres_shop.warehouse, lock_seconds=0.2))
    with contextlib.closing(psycopg2.connect(*environ.values())) as reader:
        reader.cursor().execute("SELECT * FROM shop.rows")
        load_rows(impatient, [{"id": 2}])  # a merge does not wait for readers
        with pytest.raises(BusyError, match=r"another session has locked shop\.rows in PostgreSQL for too long"):
            load_rows(impatient, [{"id": 3}], load={"full_refresh": True})
    assert postgres_shop.ids() == [1, 2]


def test_load_writes_no_local_state(postgres_shop: Shop, tmp_path: Path) -> None:
    load_rows(postgres_shop, [{"id": 1}])
    assert not postgres_shop.warehouse.state_dir.exists()
    assert list(tmp_path.iterdir()) == []
