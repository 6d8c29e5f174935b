"""Fixtures for all tests: a project folder, a PostgreSQL server, a clock, and an API to load without Dagster."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import Scheduling, WorkStealingScheduling

from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets_tests.support.clock import Clock
from analytics_assets_tests.support.postgres import Postgres, run_postgres
from analytics_assets_tests.support.project import MainJob, Project
from analytics_assets_tests.support.shop import Shop

if TYPE_CHECKING:
    from analytics_assets_tests.support.lakehouse import Lakehouse, S3Server


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    """With `-n`, each worker gets successive tests, so that most fixtures of modules are built once."""
    return WorkStealingScheduling(config, log)


@pytest.fixture(autouse=True)
def dlt_log_level() -> Iterator[None]:
    """dlt sets the level of its logger only once in a process. Tests that choose it do not affect others."""
    logger = logging.getLogger("dlt")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty working directory."""
    return Project(tmp_path / "project")


@pytest.fixture(scope="session")
def main_job(tmp_path_factory: pytest.TempPathFactory) -> MainJob:
    """A project after its main job. Tests that change it work on a copy."""
    return MainJob.run(tmp_path_factory.mktemp("main_job"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the HTTP client: waits take no time."""
    clock = Clock()
    clock.install(monkeypatch)
    return clock


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with run_postgres(tmp_path_factory.mktemp("postgres")) as postgres:
        yield postgres


@pytest.fixture
def postgres(postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    """An empty PostgreSQL server, set as dlt's destination."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", postgres_server.credentials)
    yield postgres_server
    for schema in postgres_server.schemas():
        postgres_server.query(f'DROP SCHEMA "{schema}" CASCADE')
    postgres_server.query("DROP TABLE IF EXISTS analytics_assets_tokens, analytics_assets_rate_limits")


@pytest.fixture
def token_database(postgres: Postgres) -> str:
    """A connection string whose tables are in the schema `tokens`."""
    postgres.query("CREATE SCHEMA tokens")
    return f"{postgres.credentials}?options=-csearch_path%3Dtokens"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """An API to load into a DuckDB file."""
    return Shop(Warehouse(duckdb_path=tmp_path / "warehouse.duckdb", state_dir=tmp_path / "state", lock_seconds=60))


@pytest.fixture
def postgres_shop(shop: Shop, postgres: Postgres) -> Shop:
    """An API to load into PostgreSQL."""
    return replace(shop, postgres=postgres, warehouse=replace(shop.warehouse, destination="postgres"))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    from analytics_assets_tests.support.lakehouse import run_s3  # moto and boto3 take a second to import

    with run_s3() as server:
        yield server


@pytest.fixture
def lakehouse(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Lakehouse:
    """An empty bucket, set as dlt's destination."""
    lakehouse = s3_server.new_bucket()
    for name, value in lakehouse.environ.items():
        monkeypatch.setenv(name, value)
    return lakehouse


@pytest.fixture
def delta_shop(shop: Shop, lakehouse: Lakehouse) -> Shop:
    """An API to load into Delta tables on S3."""
    return replace(shop, lakehouse=lakehouse, warehouse=replace(shop.warehouse, destination="delta"))


@pytest.fixture(params=["duckdb", "postgres"])
def any_shop(request: pytest.FixtureRequest) -> Shop:
    """An API to load into each database."""
    return build_shop(request)


@pytest.fixture(params=["duckdb", "postgres", "delta"])
def every_shop(request: pytest.FixtureRequest) -> Shop:
    """An API to load into each destination."""
    return build_shop(request)


def build_shop(request: pytest.FixtureRequest) -> Shop:
    """The shop of the destination that the fixture's parameter names."""
    fixture: Shop = request.getfixturevalue("shop" if request.param == "duckdb" else f"{request.param}_shop")
    return fixture
