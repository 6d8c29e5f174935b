"""The measured programs: the limit, ours, ours in Dagster, and the peers."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from analytics_assets_tests.benchmarks import ours
from analytics_assets_tests.benchmarks.compare import Layout, Loaded
from analytics_assets_tests.benchmarks.environments import environment
from analytics_assets_tests.benchmarks.measure import Command

ROOT = Path(__file__).parents[2]
PEERS = Path(__file__).parent / "peers"
DAGSTER = (str(Path(sys.executable).with_name("dagster")), "job", "execute", "-m", "analytics_assets.definitions", "-j")
# No telemetry, and this project on the path.
QUIET = {"PYTHONPATH": str(ROOT), "RUNTIME__DLTHUB_TELEMETRY": "false"}


@dataclass(frozen=True)
class ReadSettings:
    """How a table is read.

    Attributes:
        paginator: By offset with a total, or by cursor over the 30 days.
        limit: Rows per page.
        concurrency: Requests in parallel.
        table: The name of the table in the API; the peers read `rows` only.
    """

    paginator: Literal["offset", "cursor"] = "offset"
    limit: int = 100
    concurrency: int = 4
    table: str = "rows"


@dataclass(frozen=True)
class Program:
    """A loader of the benchmark table: its command, and how it stores rows."""

    name: str
    command: Callable[[str, Path, ReadSettings], Command]
    layout: Layout = "text"
    snake_case: bool = True
    decimals: int | None = None

    def loaded(self, database: Path, table: str = "rows") -> Loaded:
        return Loaded(self.name, database, self.layout, self.snake_case, self.decimals, table)


def _limit(url: str, database: Path, read: ReadSettings) -> Command:
    args = [sys.executable, "-m", "analytics_assets_tests.benchmarks.limit", url, str(database)]
    threads = read.concurrency if read.concurrency != ReadSettings.concurrency else 2  # the fastest without latency
    args += ["--table", read.table, "--limit", str(read.limit), "--threads", str(threads)]
    return Command(args, database.parent, QUIET)


def _ours(url: str, database: Path, read: ReadSettings) -> Command:
    args = [sys.executable, "-m", "analytics_assets_tests.benchmarks.ours", url, str(database)]
    args += ["--table", read.table, "--paginator", read.paginator]
    args += ["--limit", str(read.limit), "--concurrency", str(read.concurrency)]
    return Command(args, database.parent, QUIET)


def dagster(
    job: str, folder: Path, env: Mapping[str, str] | None = None, tags: Mapping[str, str] | None = None
) -> Command:
    """`dagster job execute` of one of our jobs, with a DAGSTER_HOME in the folder."""
    home = folder / "dagster_home"
    if not home.exists():
        home.mkdir(parents=True)
        (home / "dagster.yaml").write_text((ROOT / ".dagster" / "dagster.yaml").read_text())
    options = ["--tags", json.dumps(dict(tags))] if tags else []
    return Command([*DAGSTER, job, *options], folder, {**QUIET, "DAGSTER_HOME": str(home), **(env or {})})


def _dagster(url: str, database: Path, read: ReadSettings) -> Command:
    definition = database.parent / "defs" / "bench" / "defs.yaml"
    definition.parent.mkdir(parents=True, exist_ok=True)
    attributes = ours.attributes(url, **asdict(read))
    definition.write_text(json.dumps({"type": "analytics_assets.components.RestApi", "attributes": attributes}))
    variables = {"ANALYTICS_DEFS_DIR": str(definition.parents[1]), "ANALYTICS_DUCKDB_PATH": str(database)}
    return dagster("bench_snapshot", database.parent, variables)


def _peer(file: str, bin_folder: Path, *extra: str) -> Callable[[str, Path, ReadSettings], Command]:
    """A program of the folder `peers`, which reads by offset."""

    def command(url: str, database: Path, read: ReadSettings) -> Command:
        args = [str(bin_folder / "python"), str(PEERS / file), url, str(database), str(read.limit)]
        return Command([*args, *extra], database.parent, {"RUNTIME__DLTHUB_TELEMETRY": "false"})

    return command


def _singer(bin_folder: Path, url: str, database: Path, read: ReadSettings) -> Command:
    config = database.with_suffix(".target.json")
    config.write_text(json.dumps({"path": str(database), "default_target_schema": "bench"}))
    tap = [str(bin_folder / "python"), str(PEERS / "singer_tap.py"), url, str(read.limit)]
    target = [str(bin_folder / "target-duckdb"), "--config", str(config)]
    return Command(["bash", "-c", f"set -o pipefail; {shlex.join(tap)} | {shlex.join(target)}"], database.parent)


LIMIT = Program("limit", _limit)
OURS = Program("ours", _ours)
OURS_IN_DAGSTER = Program("ours, dagster job execute", _dagster)
# dlt with nested values as JSON: the reference for contents. It runs in our own environment.
REFERENCE = Program("plain dlt, max_table_nesting=0", _peer("dlt_plain.py", Path(sys.executable).parent, "0"))


def _dlt_plain(bin_folder: Path) -> Program:
    return Program("plain dlt", _peer("dlt_plain.py", bin_folder, ""), layout="flat")


def _dlt_tuned(bin_folder: Path) -> Program:
    return Program("tuned dlt", _peer("dlt_tuned.py", bin_folder))


def _airbyte(bin_folder: Path) -> Program:
    peer = _peer("airbyte_cache.py", bin_folder)
    return Program("PyAirbyte", peer, layout="json", snake_case=False, decimals=9)  # it stores DECIMAL(38, 9)


def _singer_sdk(bin_folder: Path) -> Program:
    return Program("Singer SDK + target-duckdb", partial(_singer, bin_folder), layout="json", snake_case=False)


@dataclass(frozen=True)
class Peer:
    """Another loader.

    Attributes:
        packages: Requirements to install.
        program: The program, by the bin folder of its environment.
    """

    packages: tuple[str, ...]
    program: Callable[[Path], Program]

    def install(self, name: str) -> Program:
        return self.program(environment(name, self.packages))


PEERS_BY_NAME = {
    "dlt_plain": Peer(("dlt[duckdb]==1.31.0",), _dlt_plain),
    "dlt_tuned": Peer(("dlt[duckdb,parquet]==1.31.0",), _dlt_tuned),
    "airbyte": Peer(("airbyte==0.71.3", "airbyte-cdk==7.39.1"), _airbyte),
    "singer": Peer(("singer-sdk==0.54.9", "target-duckdb==0.8.0"), _singer_sdk),
}
