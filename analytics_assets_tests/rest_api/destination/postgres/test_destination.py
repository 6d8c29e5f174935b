"""Loads into a real PostgreSQL: every mode, every type, parallel processes, several machines."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analytics_assets.components.resources import ApiCredentials
from analytics_assets.rest_api.auth.secret_reader import references
from analytics_assets.rest_api.config import Client, Column
from analytics_assets.rest_api.destination.parquet_files import read_batches
from analytics_assets.rest_api.errors import CredentialsError, WarehouseError
from analytics_assets.rest_api.windows import Window
from analytics_assets_tests.fake_api import CursorPagination, Endpoint, TimeFilter, serve_endpoint
from analytics_assets_tests.support.postgres import PASSWORD
from analytics_assets_tests.support.shop import Shop, load_in_parallel

ENDPOINT = {"paginator": {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next", "limit": 10}}
ALL_TYPES: dict[str, Column] = {
    "at": Column(data_type="timestamp", format="iso8601"),
    "day": Column(data_type="date"),
    "price": Column(data_type="decimal", precision=20, scale=4),
    "never": Column(data_type="json"),
}
ROWS: list[dict[str, Any]] = [
    {"id": 1, "text": "", "at": "2026-10-01T12:00:00.123456+02:00", "day": "0001-01-01", "price": "12.3400"},
    {"id": 2, "text": "\\.", "nested": {"ü": [1, None, {"x": "\\n\n"}], "big": 2**70}, "flag": False, "double": 1e300},
    {"id": 3, "text": "\t\\N\n\\.\n\"'\r\n,;\u2028🂡", "nested": [], "flag": True, "double": -0.1, "int": -(2**63)},
    {"id": 4, "text": None, "nested": None, "int": 2**63 - 1, "huge": 10**37, "never": "5", "at": None},
    {"id": 5, "text": "NULL", "nested": {}, "huge": -1, "day": "9999-12-31", "price": -0.0001, "never": None},
]
NAMES = ("id", "text", "at", "day", "price", "nested", "flag", "double", "int", "huge", "never")
EXACT: list[tuple[Any, ...]] = [
    (1, "", datetime(2026, 10, 1, 10, 0, 0, 123456, timezone.utc), date(1, 1, 1), Decimal("12.3400"), *[None] * 6),
    (2, "\\.", None, None, None, {"ü": [1, None, {"x": "\\n\n"}], "big": 2**70}, False, 1e300, None, None, None),
    (3, ROWS[2]["text"], None, None, None, [], True, -0.1, -(2**63), None, None),
    (4, None, None, None, None, None, None, None, 2**63 - 1, Decimal(10**37), "5"),
    (5, "NULL", None, date(9999, 12, 31), Decimal("-0.0001"), {}, None, None, None, Decimal(-1), None),
]


def test_batches_do_not_cross_row_groups(tmp_path: Path) -> None:
    """Row groups are bounded in bytes: batches of several would not fit into memory if values are long."""
    table = pa.table({"id": range(30)})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=10)
    assert [batch.num_rows for batch in read_batches(pq.ParquetFile(tmp_path / "rows.parquet"), 20)] == [10, 10, 10]


def test_last_of_equal_rows_wins(postgres_shop: Shop) -> None:
    rows = [{"id": n % 50, "v": n} for n in range(2_000)]
    with serve_endpoint(Endpoint("/rows", rows)) as (_, url):
        for _ in range(2):
            postgres_shop.load(url)
            assert postgres_shop.query("SELECT id, v FROM shop.rows ORDER BY v") == [
                (n % 50, n) for n in range(1950, 2000)
            ]


def test_every_value_is_loaded_exactly(postgres_shop: Shop) -> None:
    names = ", ".join(f'"{name}"' for name in NAMES)
    with serve_endpoint(Endpoint("/rows", ROWS)) as (_, url):
        for full_refresh in (False, False, True):
            load = postgres_shop.load(url, columns=ALL_TYPES, load={"full_refresh": full_refresh})
            assert postgres_shop.query(f"SELECT {names} FROM shop.rows ORDER BY id") == EXACT
    assert load.table.total_rows == 5
    assert {name: load.table.columns[name].data_type for name in NAMES} == {
        "id": "bigint",
        "text": "text",
        "at": "timestamp",
        "day": "date",
        "price": "decimal",
        "nested": "json",
        "flag": "bool",
        "double": "double",
        "int": "bigint",
        "huge": "decimal",
        "never": "json",
    }
    assert postgres_shop.query("SELECT nested -> 'big' FROM shop.rows WHERE id = 2") == [(2**70,)]


def test_value_that_postgres_cannot_store_fails_the_load(postgres_shop: Shop) -> None:
    with serve_endpoint(Endpoint("/rows", [{"id": 1, "text": "a"}])) as (sandbox, url):
        postgres_shop.load(url)
        sandbox.set_rows("shop", "/rows", [{"id": 1, "text": "b"}, {"id": 2, "text": "nul \0 secret"}])
        with pytest.raises(
            WarehouseError, match=r"^loading shop\.rows failed with .*\. The table was not changed"
        ) as caught:
            postgres_shop.load(url)
    assert "secret" not in str(caught.value)
    assert postgres_shop.query("SELECT id, text FROM shop.rows") == [(1, "a")]
    assert postgres_shop.postgres is not None
    assert postgres_shop.postgres.schemas() == {"shop"}


def day(number: int) -> Window:
    return Window(datetime(2026, 10, number, tzinfo=timezone.utc), datetime(2026, 10, number + 1, tzinfo=timezone.utc))


@pytest.mark.parametrize("disposition", ["merge", "append"])
@pytest.mark.parametrize("offset", ["Z", ""])  # without: UTC too, whatever the server's time zone is
def test_windows_can_be_replayed_in_any_order(postgres_shop: Shop, disposition: str, offset: str) -> None:
    rows = [{"id": n, "at": f"2026-10-0{n % 3 + 1}T{n % 24:02}:30:00{offset}", "value": "old"} for n in range(60)]
    updated = TimeFilter("at", {"since": "{start}", "until": "{end}"}, ignored=True)
    keys = {
        "write_disposition": disposition,
        "endpoint": {**ENDPOINT, "incremental": {"cursor_path": "at", "start_param": "since", "end_param": "until"}},
    }
    with serve_endpoint(Endpoint("/rows", rows, pagination=CursorPagination(), updated=updated)) as (sandbox, url):
        for number in (2, 1, 3, 2):
            postgres_shop.load(url, **keys, load={"window": day(number)})
        assert postgres_shop.ids() == list(range(60))
        sandbox.set_rows("shop", "/rows", [{**row, "value": "new"} for row in rows])
        postgres_shop.load(url, **keys, load={"window": day(3)})
        changed = [n for n in range(60) if n % 3 + 1 == 3]
        assert postgres_shop.query("SELECT id FROM shop.rows WHERE value = 'new' ORDER BY id") == [
            (n,) for n in changed
        ]
        postgres_shop.load(url, **keys, load={"full_refresh": True})
    assert postgres_shop.query("SELECT id, value FROM shop.rows ORDER BY id") == [(n, "new") for n in range(60)]


def test_snapshot_is_replaced(postgres_shop: Shop) -> None:
    with serve_endpoint(Endpoint("/rows", [{"id": n} for n in range(25)], pagination=CursorPagination())) as (
        sandbox,
        url,
    ):
        for rows in (range(25), range(20, 30), range(0)):
            sandbox.set_rows("shop", "/rows", [{"id": n} for n in rows])
            postgres_shop.load(url, endpoint=ENDPOINT, write_disposition="replace")
            assert postgres_shop.ids() == list(rows)


def test_full_refresh_of_a_table_with_a_view_fails(postgres_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD__RAISE_ON_MAX_RETRIES", "1")
    with serve_endpoint(Endpoint("/rows", [{"id": 1}])) as (_, url):
        postgres_shop.load(url)
        postgres_shop.query("CREATE VIEW shop.seen AS SELECT id FROM shop.rows")
        postgres_shop.load(url)
        with pytest.raises(WarehouseError, match="because other objects depend on it"):
            postgres_shop.load(url, load={"full_refresh": True})
    assert postgres_shop.ids() == [1]


def test_long_names_are_shortened_or_refused(postgres_shop: Shop) -> None:
    long = [f"{'x' * 80}{letter}" for letter in "abc"]
    rows: list[dict[str, Any]] = [{"id": n, **dict.fromkeys(long, n)} for n in range(3)]
    rows[2][long[0]] = "changes its type"
    table = "a" * 60
    with serve_endpoint(Endpoint(f"/{table}", rows)) as (_, url):
        for full_refresh in (False, True, False):
            load = postgres_shop.load(url, load={"full_refresh": full_refresh})
            found = postgres_shop.query(f"SELECT * FROM shop.{table} ORDER BY id")
            assert [set(row[:-1]) for row in found] == [{0, None}, {1, None}, {2, None, "changes its type"}]
        with pytest.raises(WarehouseError, match="has more than the 63 characters that postgres takes"):
            postgres_shop.load(url, primary_key=(long[1],))
    assert load.table.total_rows == 3
    assert postgres_shop.postgres is not None
    assert postgres_shop.postgres.schemas() == {"shop"}
    assert max(map(len, load.table.columns)) == 63


def test_too_long_dataset_name_is_refused(postgres_shop: Shop) -> None:
    with (
        serve_endpoint(Endpoint("/rows", [{"id": 1}])) as (_, url),
        pytest.raises(WarehouseError, match="has more than the 63 characters that postgres takes"),
    ):
        replace(postgres_shop, dataset="d" * 64).load(url)


def test_many_processes_load_in_parallel(postgres_shop: Shop, tmp_path: Path) -> None:
    assert postgres_shop.postgres is not None
    environ = {"DESTINATION__POSTGRES__CREDENTIALS": postgres_shop.postgres.credentials}
    rows = [{"id": n, "nested": {"n": n}} for n in range(50)]
    with serve_endpoint(Endpoint("/rows", rows, pagination=CursorPagination())) as (_, url):
        requests = [
            # With a state folder each, they share no lock files: as on different machines.
            replace(
                postgres_shop.request(url, endpoint=ENDPOINT, name=name),
                warehouse=replace(postgres_shop.warehouse, state_dir=tmp_path / f"machine {number}"),
            )
            for number, name in enumerate(("rows", "rows", "rows", "orders", "orders", "users"))
        ]
        assert load_in_parallel(requests, environ) == [""] * 6
    for table in ("rows", "orders", "users"):
        assert postgres_shop.ids(table) == list(range(50))
    assert postgres_shop.query("SELECT count(*) FROM shop._dlt_loads WHERE status = 0") == [(6,)]
    assert postgres_shop.tables() == {"shop.rows", "shop.orders", "shop.users"}
    assert postgres_shop.postgres.schemas() == {"shop"}


def test_lock_is_shared_by_all_machines(postgres_shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    assert postgres_shop.postgres is not None
    impatient = replace(postgres_shop, warehouse=replace(postgres_shop.warehouse, lock_seconds=0))
    caplog.set_level(logging.INFO, "analytics_assets")
    with serve_endpoint(Endpoint("/rows", [{"id": 1}])) as (_, url):
        with contextlib.closing(psycopg2.connect(postgres_shop.postgres.credentials)) as connection:
            connection.cursor().execute("SELECT pg_advisory_lock(hashtextextended('shop.rows', 0))")
            with pytest.raises(
                WarehouseError,
                match=r"has locked shop\.rows in PostgreSQL for too long: .+ on the server itself\. Run",
            ):
                impatient.load(url)
        assert "waiting for another load into shop.rows in PostgreSQL" in caplog.text
        impatient.load(url)
    assert impatient.ids() == [1]


def test_unreachable_server_fails_before_any_request(
    postgres_shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", f"postgresql://me:{PASSWORD}@127.0.0.1:1/db")
    with serve_endpoint(Endpoint("/rows", [{"id": 1}])) as (sandbox, url):
        with pytest.raises(
            WarehouseError, match=r"^loading shop\.rows failed with OperationalError: .*127\.0\.0\.1"
        ) as caught:
            postgres_shop.load(url)
        monkeypatch.delenv("DESTINATION__POSTGRES__CREDENTIALS")
        with pytest.raises(WarehouseError, match="credentials"):
            postgres_shop.load(url)
    assert sandbox.requests == []
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "password", [f"x@{PASSWORD}", f"x/{PASSWORD}", f"x#{PASSWORD}", f"{PASSWORD}%zz", f"x?{PASSWORD}"]
)
def test_password_that_is_not_encoded_is_not_shown(
    password: str, postgres_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", f"postgresql://me:{password}@127.0.0.1:1/db")
    with serve_endpoint(Endpoint("/rows", [{"id": 1}])) as (_, url), pytest.raises(WarehouseError) as caught:
        postgres_shop.load(url)
    assert PASSWORD not in str(caught.value)


def test_invented_data_is_not_loaded_into_postgres(postgres_shop: Shop) -> None:
    credentials = ApiCredentials(api="shop", variables=["SHOP_BASE_URL"], sandbox=True)
    client = Client.model_validate({"base_url": {"env": "SHOP_BASE_URL"}})
    with pytest.raises(CredentialsError, match="is loaded into DuckDB only, not into postgres"):
        credentials.environment(list(references(client)), run_tags={}, warehouse=postgres_shop.warehouse)
