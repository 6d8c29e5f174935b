"""Memory depends on the width of rows, not on the number of rows that are loaded or changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from analytics_assets.rest_api.arrow.converter import BATCH_BYTES
from analytics_assets.rest_api.destination import duplicate_keys
from analytics_assets.rest_api.destination.duckdb import memory
from analytics_assets.rest_api.destination.duckdb.merge_sql import DuckDbMergeSql
from analytics_assets.rest_api.destination.merge_sql import TargetTable
from analytics_assets.rest_api.destination.parquet_files import ORDINAL
from analytics_assets.rest_api.destination.plan import Plan
from analytics_assets.rest_api.destination.postgres.merge_sql import PostgresMergeSql
from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets.rest_api.load.table import prepare
from analytics_assets_tests.fake_api import CursorPagination, Endpoint, OffsetPagination, serve_endpoint
from analytics_assets_tests.support.shop import Shop
from analytics_assets_tests.support.wide_rows import (
    ENDPOINT,
    FEW,
    MANY,
    count_and_versions,
    wide_endpoint,
    wide_rows,
)

CHANGED_ROWS = 200_000
TEXT_COLUMNS = [f"c{number}" for number in range(10)]
PLAN = Plan("t", "merge", ("id",), cursor="version", cursor_format="epoch_s")
TABLE = TargetTable(
    name="t",
    columns={
        name: {"name": name, "data_type": "text" if name in TEXT_COLUMNS else "bigint"}
        for name in ("id", "version", *TEXT_COLUMNS)
    },
    types={},
    quote=lambda name: f'"{name}"',
)


def delete_and_insert(source: str) -> Iterable[str]:
    return DuckDbMergeSql(PLAN, TABLE).write_rows([source], table_is_empty=False)


def standard_merge(source: str) -> Iterable[str]:
    merge = PostgresMergeSql(PLAN, TABLE)
    return [merge._merge(merge._newest(source))]


def change_all(file: Path, memory: str, write_rows: Callable[[str], Iterable[str]]) -> list[tuple[Any, ...]]:
    """Number and versions of a table's rows after a load changed all of them under a memory limit."""
    values = ", ".join(f"'value of {text} ' || (i * 7919 % 100003) || ' and more' AS {text}" for text in TEXT_COLUMNS)
    parquet = file.with_suffix(".parquet")
    loaded = f"SELECT * REPLACE (2 AS version), id AS {ORDINAL} FROM t"
    with duckdb.connect(file, config={"threads": 2}) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT i AS id, 1 AS version, {values} FROM range({CHANGED_ROWS}) r(i)")
        connection.execute(f"COPY ({loaded}) TO '{parquet}' (ROW_GROUP_SIZE 10000)")
        connection.execute("CHECKPOINT")
        connection.execute(f"SET memory_limit = '{memory}'")
        connection.execute("BEGIN")
        for statement in write_rows(f"read_parquet('{parquet}')"):
            connection.execute(statement)
        connection.execute("COMMIT")
        return connection.execute("SELECT COUNT(*), MIN(version), MAX(version) FROM t").fetchall()


def test_changed_rows_are_not_held_in_memory(tmp_path: Path) -> None:
    assert change_all(tmp_path / "w.duckdb", "80MB", delete_and_insert) == [(CHANGED_ROWS, 2, 2)]
    with pytest.raises(duckdb.OutOfMemoryException):  # DuckDB's own MERGE holds the changed rows in memory
        change_all(tmp_path / "merge.duckdb", "80MB", standard_merge)


@pytest.mark.parametrize("more", [512, 0])
def test_load_that_exceeds_its_memory_limit_is_repeated_with_more(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    monkeypatch.setattr(memory, "LONG_VALUES_MEGABYTES", more)
    monkeypatch.setattr(memory, "MEGABYTES", 3)
    monkeypatch.setattr(memory, "MEGABYTES_PER_COLUMN", 0)
    with serve_endpoint(wide_endpoint()) as (server, url):
        shop.load(url, endpoint=ENDPOINT)
        assert count_and_versions(shop) == (FEW, 0, 0)
        server.set_rows("shop", "/rows", wide_rows(MANY, 1))
        shop.load(url, endpoint=ENDPOINT)
    assert count_and_versions(shop) == (MANY, 1, 1)


def test_keys_that_exceed_the_memory_limit_fail_the_load(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicate_keys, "MEMORY", "1MB")
    monkeypatch.setattr(duplicate_keys, "ROWS_IN_MEMORY", 0)
    many = Endpoint("/rows", wide_rows(MANY, 0), pagination=OffsetPagination(max_limit=1000))
    with serve_endpoint(many) as (_, url):
        with pytest.raises(WarehouseError, match=r"shop\.rows failed with OutOfMemoryException"):
            shop.load(url, endpoint={"paginator": {"type": "offset", "limit": 1000}})
        assert shop.tables() == set()


def test_size_of_batches_is_limited(shop: Shop) -> None:
    long = [{"id": number, "text": "x" * 100_000} for number in range(400)]
    with serve_endpoint(Endpoint("/rows", long, pagination=CursorPagination(max_limit=10))) as (_, url):
        endpoint = {"paginator": {**ENDPOINT["paginator"], "limit": 10}}
        with prepare(shop.request(url, endpoint=endpoint)) as load:
            tables = list(load.read_tables())
    assert sum(table.num_rows for table in tables) == len(long)
    assert max(table.nbytes for table in tables) < BATCH_BYTES + 2_000_000
