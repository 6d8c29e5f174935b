"""An API `shop` with parents and children, loaded into the warehouse of a test as its YAML describes it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.rest_api.config import parse_config
from analytics_assets.rest_api.load.request import LoadRequest, LoadResult
from analytics_assets.rest_api.load.table import load_table
from analytics_assets.rest_api.windows import Window
from analytics_assets_tests.fake_api import (
    Api,
    CursorPagination,
    Endpoint,
    FakeServer,
    Pagination,
    Row,
    TimeFilter,
    serve,
)
from analytics_assets_tests.support.shop import Shop

CURSOR = {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next"}
PAGES = CursorPagination(default_limit=3)
UPDATED = TimeFilter("updated_at", {"since": "{start}", "until": "{end}"})
INCREMENTAL = {"cursor_path": "updated_at", "start_param": "since", "end_param": "until"}
PARTITIONS = {"cadence": "daily", "start": "2026-10-01"}


@dataclass
class ChildApi:
    """The API, and the resources that its YAML describes.

    Attributes:
        resources: The resources.
        environ: Environment variables of a load.
        concurrency: Requests at once.
    """

    shop: Shop
    server: FakeServer
    url: str
    resources: Sequence[Mapping[str, Any]] = ()
    environ: dict[str, str] = field(default_factory=dict)
    concurrency: int = 4

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the YAML file."""
        return {
            "client": {"base_url": f"{self.url}/shop", "max_concurrency": self.concurrency},
            "resource_defaults": {
                "primary_key": "id",
                "endpoint": {"data_selector": "data", "paginator": CURSOR, "error_handler": {"backoff_factor": 0}},
            },
            "resources": list(self.resources),
            "partitions": PARTITIONS,
        }

    def request(self, name: str, *, window: Window | None = None, full_refresh: bool = False) -> LoadRequest:
        config = parse_config(self.attributes)
        [resource] = [each for each in config.resolved_resources() if each.name == name]
        return LoadRequest(
            api="shop",
            client=config.client,
            resource=resource,
            warehouse=self.shop.warehouse,
            dataset=self.shop.dataset,
            environ={**os.environ, **self.environ},
            window=window,
            full_refresh=full_refresh,
        )

    def load(self, *names: str, window: Window | None = None, full_refresh: bool = False) -> LoadResult:
        """Load resources one after the other; returns the result of the last one."""
        for name in names:
            result = load_table(self.request(name, window=window, full_refresh=full_refresh))
        return result

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Some columns of a table, in their order."""
        names = ", ".join(columns)
        return self.shop.query(f"SELECT {names} FROM {self.shop.dataset}.{table} ORDER BY {names}")

    def paths(self) -> list[str]:
        """The paths of the requests so far, sorted."""
        return sorted(record.request.path.removeprefix("/shop") for record in self.server.requests)

    def set_rows(self, path: str, rows: Sequence[Row]) -> None:
        """Give an endpoint other rows."""
        self.server.set_rows("shop", path, rows)


@contextmanager
def child_api(
    shop: Shop,
    endpoints: Mapping[str, Any],
    resources: Sequence[Any],
    *,
    child_pages: Pagination = PAGES,
    **keys: Any,
) -> Iterator[ChildApi]:
    """Serve endpoints, each with its rows, in pages of three; those whose rows have `updated_at` filter by it.

    Args:
        shop: The warehouse.
        endpoints: Rows by path.
        resources: The resources of the YAML file.
        child_pages: The pagination of other endpoints than `/projects`.
        **keys: Attributes of the result.
    """
    served = [
        Endpoint(
            path,
            rows,
            pagination=PAGES if path == "/projects" else child_pages,
            updated=UPDATED if any("updated_at" in row for row in rows) else None,
            params=frozenset({"region", "kind"}),
        )
        for path, rows in endpoints.items()
    ]
    server = FakeServer([Api("shop", served)])
    with serve(server) as url:
        yield ChildApi(shop, server, url, resources, **keys)


def tasks_of(project: int, *numbers: int) -> list[Row]:
    """Tasks of a project: their ids are unique within the project only."""
    return [{"id": number, "title": f"task {number} of {project}"} for number in numbers]
