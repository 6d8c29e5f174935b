"""Loads of an API `shop` without Dagster, into a warehouse of the test's own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb

from analytics_assets.rest_api.config import Client, ResolvedResource
from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.load.request import LoadRequest, LoadResult
from analytics_assets.rest_api.load.table import load_table
from analytics_assets_tests.support.postgres import Postgres
from analytics_assets_tests.support.processes import FORK_SERVER

if TYPE_CHECKING:
    from analytics_assets_tests.support.lakehouse import Lakehouse


@dataclass
class Shop:
    """Loads resources of the API `shop`, and reads their tables.

    Attributes:
        postgres: The server with the tables, if they are in PostgreSQL.
        lakehouse: The bucket with the tables, if they are Delta tables.
    """

    warehouse: Warehouse
    dataset: str = "shop"
    postgres: Postgres | None = None
    lakehouse: Lakehouse | None = None

    def request(
        self,
        url: str,
        *,
        client: Mapping[str, Any] | None = None,
        endpoint: Mapping[str, Any] | None = None,
        load: Mapping[str, Any] | None = None,
        **resource: Any,
    ) -> LoadRequest:
        """A load of the endpoint at `url`.

        Args:
            url: The URL of the endpoint.
            client: Keys of the YAML's `client`.
            endpoint: Keys of the resource's `endpoint`.
            load: Fields of the request.
            **resource: Other keys of the resource.
        """
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
        """Load the endpoint at `url`; the arguments are those of `request`."""
        return load_table(self.request(url, **keys))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that a statement returns, if any."""
        if self.postgres:
            return self.postgres.query(sql)
        if self.lakehouse:
            return self.lakehouse.query(sql, self.dataset)
        with duckdb.connect(str(self.warehouse.duckdb_path)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = connection.execute(sql)
            return found.fetchall() if found.description else []

    def ids(self, table: str = "rows") -> list[Any]:
        """The ids in a table, in their order."""
        return [row_id for (row_id,) in self.query(f"SELECT id FROM {self.dataset}.{table} ORDER BY id")]

    def load_ids(self) -> list[str]:
        """The loads that dlt has recorded, in their order."""
        if self.lakehouse:
            return [load_id for load_id, _ in self.lakehouse.loads(self.dataset)]
        return [row[0] for row in self.query(f"SELECT load_id FROM {self.dataset}._dlt_loads ORDER BY inserted_at")]

    def tables(self) -> set[str]:
        """All tables but dlt's own, as `dataset.table`."""
        if self.lakehouse:
            return {f"{self.dataset}.{name}" for name in self.lakehouse.tables(self.dataset)}
        if not self.postgres and not self.warehouse.duckdb_path.exists():
            return set()
        found = self.query(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        return {name for (name,) in found if "._dlt_" not in name}

    def reject(self, value: str) -> None:
        """Replace the table shop.rows by one whose column `value` accepts all values but this."""
        for sql in (
            f"CREATE TABLE shop.other (id BIGINT, value VARCHAR CHECK (value <> '{value}'), _dlt_load_id VARCHAR)",
            "INSERT INTO shop.other SELECT id, value, _dlt_load_id FROM shop.rows",
            "DROP TABLE shop.rows",
            "ALTER TABLE shop.other RENAME TO rows",
        ):
            self.query(sql)


def load_in_parallel(requests: Sequence[LoadRequest], environ: Mapping[str, str] | None = None) -> list[str]:
    """Run each load in a process of its own, all at the same time.

    Returns:
        The error of each load, "" if it succeeded.
    """
    load = partial(_load, environ=dict(environ or {}))
    with ProcessPoolExecutor(len(requests), mp_context=FORK_SERVER) as processes:
        return list(processes.map(load, requests))


def _load(request: LoadRequest, environ: Mapping[str, str]) -> str:
    os.environ.update(environ)
    try:
        load_table(request)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
