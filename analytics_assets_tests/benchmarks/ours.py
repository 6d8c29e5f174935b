"""Our load of the benchmark's table: the `rest_api` pipeline alone, without Dagster.

python -m analytics_assets_tests.benchmarks.ours http://127.0.0.1:8765/1000000/0 ours.duckdb
"""

from __future__ import annotations

import argparse
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from analytics_assets.rest_api.config import parse_config
from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets.rest_api.load.table import prepare
from analytics_assets.rest_api.windows import Window
from analytics_assets_tests.benchmarks.records import DAYS, START_MS
from analytics_assets_tests.benchmarks.tables import TABLES

START = datetime.fromtimestamp(START_MS / 1000, timezone.utc)


def attributes(
    url: str, *, table: str = "rows", paginator: str = "offset", limit: int = 100, concurrency: int = 4
) -> dict[str, Any]:
    """The attributes of the YAML file: by offset with a total, or by cursor over a window."""
    endpoint: dict[str, Any] = {"path": f"/v1/{table}"}
    partitions: dict[str, Any] = {}
    if paginator == "offset":
        pages: dict[str, Any] = {"type": "offset", "limit": limit, "total_path": "total"}
    else:
        pages = {
            "type": "cursor",
            "limit": limit,
            "cursor_param": "offset",
            "cursor_path": "next",
            "stop_condition": "hasNext is false",
        }
        endpoint["incremental"] = {
            "cursor_path": "updatedAt",
            "start_param": "updated_at_start",
            "end_param": "updated_at_end",
            "format": "epoch_ms",
        }
        partitions = {"partitions": {"cadence": "daily", "start": START.date().isoformat()}}
    return {
        "client": {"base_url": url, "max_concurrency": concurrency},
        "resource_defaults": {
            "primary_key": "id",
            "write_disposition": "merge",
            "endpoint": {"data_selector": "data", "paginator": pages},
        },
        # Declared, so that the cursor's column is an integer as in the other programs, and not a timestamp.
        "resources": [{"name": "rows", "endpoint": endpoint, "columns": {"updatedAt": {"type": "integer"}}}],
        **partitions,
    }


def load(url: str, database: Path, *, paginator: str = "offset", **read: Any) -> int:
    """Load all rows into `bench.rows`; returns the number of rows loaded."""
    config = parse_config(attributes(url, paginator=paginator, **read))
    request = LoadRequest(
        api="bench",
        client=config.client,
        resource=config.resolved_resources()[0],
        warehouse=Warehouse(duckdb_path=database, state_dir=database.parent / "state"),
        dataset="bench",
        environ=os.environ,
        window=Window(START, START + timedelta(days=DAYS)) if paginator == "cursor" else None,
    )
    with prepare(request) as prepared:
        prepared.run()
        return prepared.statistics.rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("database", type=Path)
    parser.add_argument("--table", choices=TABLES, default="rows")
    parser.add_argument("--paginator", choices=("offset", "cursor"), default="offset")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--concurrency", type=int, default=4)
    options = vars(parser.parse_args())
    print(load(options.pop("url"), options.pop("database"), **options))


if __name__ == "__main__":
    main()
