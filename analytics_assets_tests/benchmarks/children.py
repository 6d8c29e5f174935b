"""Children: the rows of 1,000 parents, one page each, at 100 ms: ours, a program of threads by hand, plain dlt.

    python -m analytics_assets_tests.benchmarks.children ours http://127.0.0.1:8765/1000/100 ours.duckdb

Each program writes `bench.children`. Ours reads the parents from `bench.rows`, which `parents` has loaded before; the
others request them first, in one page.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa

from analytics_assets_tests.benchmarks.bench import Bench
from analytics_assets_tests.benchmarks.limit import Connection
from analytics_assets_tests.benchmarks.measure import Command, measure, ratio
from analytics_assets_tests.benchmarks.programs import QUIET
from analytics_assets_tests.benchmarks.tables import NAMES, ROWS

PARENTS, LATENCY_MS, CONCURRENCY = 1_000, 100, 16
MODULE = "analytics_assets_tests.benchmarks.children"
COLUMNS = "_rows_id, id, name, email, stage, amount, visits, active, note, city, source"
SINGLE_PAGE = {"data_selector": "data", "paginator": {"type": "single_page"}}
CHILDREN = {
    "name": "children",
    "primary_key": "id",
    "include_from_parent": ["id"],
    "endpoint": {"path": "/v1/rows/{resources.rows.id}/children", **SINGLE_PAGE},
}


def config(url: str) -> dict[str, Any]:
    """The API, as we and dlt describe it. The parents are one page without latency."""
    parents = {"path": "/v1/rows", "params": {"limit": PARENTS}, **SINGLE_PAGE}
    return {
        "client": {"base_url": url, "max_concurrency": CONCURRENCY},
        "resources": [{"name": "rows", "primary_key": "id", "endpoint": parents}, CHILDREN],
    }


def ours(url: str, database: str, resource: str = "children") -> None:
    from analytics_assets.rest_api.config import parse_config
    from analytics_assets.rest_api.destination.warehouse import Warehouse
    from analytics_assets.rest_api.load.request import LoadRequest
    from analytics_assets.rest_api.load.table import load_table

    parsed, file = parse_config(config(url)), Path(database)
    [described] = [each for each in parsed.resolved_resources() if each.name == resource]
    warehouse = Warehouse(duckdb_path=file, state_dir=file.parent / "state")
    load_table(LoadRequest("bench", parsed.client, described, warehouse, "bench", os.environ))


def parents(url: str, database: str) -> None:
    ours(url, database, "rows")


def by_hand(url: str, database: str) -> None:
    """Threads with raw sockets; DuckDB decodes all bodies in one statement."""
    parts, local = urlsplit(url), threading.local()
    address = parts.hostname or "", parts.port or 80
    listed = json.loads(Connection(*address, f"{parts.path}/v1/rows").get(0, PARENTS))["data"]

    def read(parent: int) -> tuple[int, str]:
        if not hasattr(local, "connection"):
            local.connection = Connection(*address, "")
        path = f"{parts.path}/v1/rows/{parent}/children"
        return parent, local.connection.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).decode()

    with ThreadPoolExecutor(CONCURRENCY) as threads:
        bodies = list(threads.map(read, [row["id"] for row in listed]))
    structure = json.dumps({"data": [ROWS]})
    fields = ", ".join(f'r."{name}" AS {NAMES.get(name, name)}' for name in ROWS)
    with duckdb.connect(database) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS bench")
        ids, texts = zip(*bodies, strict=True)
        connection.register("bodies", pa.table({"parent": ids, "body": texts}))
        records = f"SELECT parent, UNNEST(from_json(body, '{structure}').data) AS r FROM bodies"
        connection.execute(f"CREATE TABLE bench.children AS SELECT parent AS _rows_id, {fields} FROM ({records})")


def plain_dlt(url: str, database: str) -> None:
    import dlt
    from dlt.sources.rest_api import rest_api_source

    described = config(url)
    del described["client"]["max_concurrency"]
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(Path(database).with_suffix(".pipelines")),
        destination=dlt.destinations.duckdb(database),
        dataset_name="bench",
    )
    pipeline.run(rest_api_source(described, max_table_nesting=0))  # type: ignore[arg-type]


PROGRAMS = {"parents": parents, "ours": ours, "by_hand": by_hand, "plain_dlt": plain_dlt}


def children(bench: Bench) -> None:
    """The time of a load of children, compared with a program by hand and with plain dlt (one round)."""
    walls: dict[str, list[float]] = {}
    for name in ("by_hand", "ours", "plain_dlt"):
        for _ in range(1 if name == "plain_dlt" else bench.rounds):
            database = bench.emptied(f"children_{name}") / "warehouse.duckdb"
            if name == "ours":
                measure(command("parents", bench, database))
            walls.setdefault(name, []).append(measure(command(name, bench, database)).wall)
            if name != "by_hand":
                compare_children(bench.folder / "children_by_hand" / "warehouse.duckdb", database)
    hand, wall = ratio(walls["ours"], walls["by_hand"]), statistics.median(walls["ours"])
    bench.add_finding(
        f"The children of {PARENTS:,} parents, one page each, from an API with {LATENCY_MS} ms latency, take "
        f"{hand.median:.2f} times as long as with a program written by hand for them.",
        f"{wall:.2f} s against {statistics.median(walls['by_hand']):.2f} s; ratio {hand}; "
        f"{CONCURRENCY} requests in parallel; plain dlt, one request after the other, {walls['plain_dlt'][0]:.1f} s",
    )


def command(
    name: str, bench: Bench, database: Path, *, parents: int = PARENTS, latency_ms: int = LATENCY_MS
) -> Command:
    """The command of a program."""
    url = bench.url(parents, 0 if name == "parents" else latency_ms)
    return Command([sys.executable, "-m", MODULE, name, url, str(database)], database.parent, QUIET)


def compare_children(expected: Path, found: Path) -> None:
    """Compare the rows of two databases.

    Raises:
        ValueError: They differ.
    """
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{expected}' AS a (READ_ONLY); ATTACH '{found}' AS b (READ_ONLY)")
        first, second = (f"SELECT {COLUMNS} FROM {name}.bench.children" for name in "ab")
        for one, other in ((first, second), (second, first)):
            if connection.execute(f"{one} EXCEPT ALL {other}").fetchall():
                raise ValueError(f"{found} has other rows than {expected}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("program", choices=PROGRAMS)
    parser.add_argument("url")
    parser.add_argument("database")
    options = parser.parse_args()
    PROGRAMS[options.program](options.url, options.database)


if __name__ == "__main__":
    main()
