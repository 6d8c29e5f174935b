"""How these tests load without Dagster: an API as its YAML describes it, into a DuckDB file of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb

from analytics_assets.rest_api.config import RestApiConfig, parse_config
from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.load.request import LoadRequest, LoadResult
from analytics_assets.rest_api.load.table import load_table
from analytics_assets.rest_api.windows import Window
from analytics_assets_tests.fake_api import Api, Endpoint, FakeServer, OffsetPagination, Row, TimeFilter, serve


@dataclass(frozen=True)
class Loader:
    """Loads resources of one API, and reads their tables."""

    api: str
    environ: Mapping[str, str]
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "warehouse.duckdb"

    def load(
        self, config: RestApiConfig, resource: str, *, window: Window | None = None, full_refresh: bool = False
    ) -> LoadResult:
        [resolved] = [each for each in config.resolved_resources() if each.name == resource]
        request = LoadRequest(
            api=self.api,
            client=config.client,
            resource=resolved,
            warehouse=Warehouse(duckdb_path=self.file, state_dir=self.folder / "state"),
            dataset=self.api,
            environ=self.environ,
            window=window,
            full_refresh=full_refresh,
        )
        return load_table(request)

    def types(self, resource: str) -> dict[str, str]:
        """The table's columns and their types; none if there is no table."""
        return table_types(self.file, self.api, resource)

    def rows(self, resource: str) -> list[dict[str, Any]]:
        """The table's rows in the order of their ids, JSON decoded."""
        return table_rows(self.file, self.api, resource)


@dataclass(frozen=True)
class Orders:
    """An API `shop` with one endpoint, in pages of two; its rows and its description change between loads."""

    sandbox: FakeServer
    loader: Loader
    incremental: Mapping[str, Any] | None
    described: Mapping[str, Any]

    def load(
        self,
        rows: Sequence[Row] | None = None,
        *,
        window: Window | None = None,
        full_refresh: bool = False,
        **described: Any,
    ) -> LoadResult:
        """Loads what the API holds now; `described` are keys of the resource that are now others."""
        if rows is not None:
            self.sandbox.set_rows("shop", "/orders", rows)
        endpoint: dict[str, Any] = {"data_selector": "data", "paginator": {"type": "offset", "limit": 2}}
        if self.incremental:
            endpoint["incremental"] = self.incremental
        resource = {"name": "orders", "primary_key": "id", "endpoint": endpoint, **self.described, **described}
        config = {
            "client": {"base_url": {"env": "SHOP_BASE_URL"}},
            "resources": [resource],
            "partitions": {"cadence": "daily", "start": "2026-10-01"},
        }
        return self.loader.load(parse_config(config), "orders", window=window, full_refresh=full_refresh)

    def rows(self) -> list[dict[str, Any]]:
        return self.loader.rows("orders")

    def types(self) -> dict[str, str]:
        return self.loader.types("orders")


@contextmanager
def orders(
    folder: Path, *, updated: TimeFilter | None = None, incremental: Mapping[str, Any] | None = None, **described: Any
) -> Iterator[Orders]:
    """The API, served; with `updated` it filters by time, as `incremental` says unless told otherwise."""
    sandbox = FakeServer(
        [Api("shop", [Endpoint("/orders", [], pagination=OffsetPagination(max_limit=2), updated=updated)])]
    )
    with serve(sandbox) as url:
        yield Orders(sandbox, Loader("shop", sandbox.variables(url), folder), incremental, described)


def day(first: int, last: int | None = None) -> Window:
    """A day of October 2026, or some."""
    start = datetime(2026, 10, first, tzinfo=timezone.utc)
    return Window(start, datetime(2026, 10, last or first, tzinfo=timezone.utc) + timedelta(days=1))


def table_types(file: Path, dataset: str, table: str) -> dict[str, str]:
    with duckdb.connect(str(file), read_only=True) as connection:
        found = connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = ? AND table_name = ? "
            "AND column_name NOT LIKE '\\_dlt%' ESCAPE '\\'",
            [dataset, table],
        ).fetchall()
    return dict(found)


def table_rows(file: Path, dataset: str, table: str) -> list[dict[str, Any]]:
    types = table_types(file, dataset, table)
    names = ", ".join(f'"{name}"' for name in types)
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.execute(f'SELECT {names} FROM "{dataset}"."{table}" ORDER BY id').fetchall()
    return [
        {
            name: json.loads(value) if types[name] == "JSON" and value else value
            for name, value in zip(types, row, strict=True)
        }
        for row in rows
    ]
