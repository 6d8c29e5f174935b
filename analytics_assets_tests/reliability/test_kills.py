"""A load that is killed in any phase and run again: the right rows, nothing left over, no inconsistent read."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock

from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets_tests.fake_api import CursorPagination, Endpoint, FakeServer, TimeFilter, serve_endpoint
from analytics_assets_tests.harness.killed_loads import (
    BETWEEN_STATEMENTS,
    PHASES,
    LoadRunner,
    Outcome,
    read_duckdb,
    read_postgres,
    read_repeatedly,
)
from analytics_assets_tests.support.loaders import day
from analytics_assets_tests.support.shop import Shop

PARAMS = {"since": "{start}", "until": "{end}"}
INCREMENTAL = {"cursor_path": "updated", "start_param": "since", "end_param": "until"}
PAGINATOR = {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next", "limit": 500}
FIRST_DAY_ROWS, SECOND_DAY_ROWS = 500, 3000  # only those of the second day change from load to load
MODES: dict[str, dict[str, Any]] = {
    "full refresh": {"load": {"full_refresh": True}},
    "merge": {"load": {"window": day(2)}},
    "append": {"load": {"window": day(2)}, "write_disposition": "append"},
}
UPDATED = "CAST(updated AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
# All rows, different rows, and the least and the greatest number of versions of a day.
READ = (
    "SELECT SUM(rows), SUM(ids), MIN(versions), MAX(versions) FROM (SELECT COUNT(*) AS rows, COUNT(DISTINCT id) AS ids,"
    f" COUNT(DISTINCT version) AS versions FROM shop.rows GROUP BY date_trunc('day', {UPDATED})) days"
)
CONSISTENT = (FIRST_DAY_ROWS + SECOND_DAY_ROWS, FIRST_DAY_ROWS + SECOND_DAY_ROWS, 1, 1)
NOT_KILLED = "not killed in time"


def rows_of(version: int) -> list[dict[str, Any]]:
    """All rows of the API, with this version of the second day."""
    first = [{"id": n, "updated": "2026-10-01T00:00:00Z", "version": 0, "tags": [n]} for n in range(FIRST_DAY_ROWS)]
    second = [
        {"id": FIRST_DAY_ROWS + n, "updated": f"2026-10-02T{n % 24:02}:00:00Z", "version": version, "tags": [n]}
        for n in range(SECOND_DAY_ROWS)
    ]
    return first + second


def retry_while_locked(read: Callable[[], Any]) -> Any:
    """Call `read` until the other reader does not have the DuckDB file."""
    while True:
        with contextlib.suppress(duckdb.IOException):
            return read()


@dataclass
class KillScenario:
    """Loads of one table that are killed and run again.

    Attributes:
        version: The version of the API's rows.
        rows_compared: Rows compared so far.
        kills: How often a load was killed in each phase.
    """

    shop: Shop
    runner: LoadRunner
    server: FakeServer
    request: LoadRequest
    version: int = 0
    rows_compared: int = 0
    kills: Counter[str] = field(default_factory=Counter)

    def load(self, **options: Any) -> Outcome:
        return self.runner.load(self.request, **options)

    def change_rows(self) -> None:
        """Give the API a new version of its rows."""
        self.version += 1
        self.server.set_rows("shop", "/rows", rows_of(self.version))

    def kill_and_load_again(self, phase: str, seconds: float) -> None:
        """Kill a load of new rows; the next load must store them."""
        self.change_rows()
        killed = self.load(kill=(phase, seconds))
        self.kills[killed.killed_in or NOT_KILLED] += 1
        again = self.load()
        assert again.error == ""
        assert "waiting for another load" not in again.log
        self.check()

    def check(self) -> None:
        """Compare all rows, and look for temporary tables, files and locks."""
        rows = f"SELECT id, {UPDATED}, version, CAST(tags AS VARCHAR) FROM shop.rows ORDER BY id"
        found = retry_while_locked(lambda: self.shop.query(rows))
        expected = [
            (row["id"], datetime.fromisoformat(row["updated"][:-1]), row["version"], str(row["tags"]))
            for row in rows_of(self.version)
        ]
        assert found == expected
        self.rows_compared += len(found)
        assert retry_while_locked(self.shop.tables) == {"shop.rows"}
        if self.shop.postgres:
            assert self.shop.postgres.schemas() == {"shop"}
        assert list(self.runner.temporary_folder.iterdir()) == []
        warehouse = self.shop.warehouse
        assert {path.name for path in warehouse.duckdb_path.parent.glob("warehouse*")} <= {"warehouse.duckdb"}
        for file in (warehouse.state_dir / "locks").glob("*"):
            assert file.suffix == ".lock"
            with FileLock(file, timeout=0):
                pass

    @property
    def read(self) -> Callable[[], Any]:
        if self.shop.postgres:
            return partial(read_postgres, self.shop.postgres.credentials, READ)
        return partial(read_duckdb, self.shop.warehouse.duckdb_path, READ)


@contextmanager
def kill_scenario(shop: Shop, folder: Path, mode: Mapping[str, Any]) -> Iterator[KillScenario]:
    """A table with both days, to be loaded in this mode."""
    environ = {"DESTINATION__POSTGRES__CREDENTIALS": shop.postgres.credentials} if shop.postgres else {}
    updated = TimeFilter("updated", PARAMS)
    endpoint = Endpoint("/rows", rows_of(0), pagination=CursorPagination(max_limit=500), updated=updated)
    with serve_endpoint(endpoint) as (server, url):
        keys = {"endpoint": {"paginator": PAGINATOR, "incremental": INCREMENTAL}, **mode}
        scenario = KillScenario(shop, LoadRunner(folder, environ), server, shop.request(url, **keys))
        assert scenario.runner.load(shop.request(url, **{**keys, "load": {"window": day(1, 2)}})).error == ""
        yield scenario


def kill_often(scenario: KillScenario, phases: Sequence[str] = (), *, times: int = 1, seed: int) -> int:
    """Kill loads at random times within each phase, while another process reads the table.

    Args:
        scenario: The loads.
        phases: The phases, by default all.
        times: How often in each phase.
        seed: Of the random times.

    Returns:
        How often the table was read.
    """
    chance = random.Random(seed)
    scenario.change_rows()
    undisturbed = scenario.load()
    assert undisturbed.error == ""
    assert {*PHASES} - {BETWEEN_STATEMENTS} <= undisturbed.seconds.keys()
    scenario.check()
    kills = [phase for _ in range(times) for phase in phases or undisturbed.seconds]
    with read_repeatedly(scenario.read, CONSISTENT) as reader:
        for phase in kills:
            scenario.kill_and_load_again(phase, chance.uniform(0, undisturbed.seconds[phase]))
    assert reader.reads.value > len(kills)
    assert reader.inconsistent_reads.value == 0
    return reader.reads.value


@pytest.mark.parametrize(
    ("warehouse", "mode", "phases"),
    [
        ("shop", "full refresh", ["extract", "load", BETWEEN_STATEMENTS]),
        ("shop", "merge", ["prepare", "merge", "report"]),
        ("shop", "append", ["normalize", BETWEEN_STATEMENTS]),
        ("postgres_shop", "full refresh", ["load", BETWEEN_STATEMENTS]),
        ("postgres_shop", "append", [BETWEEN_STATEMENTS]),
    ],
)
def test_killed_load_can_be_run_again(
    request: pytest.FixtureRequest, tmp_path: Path, warehouse: str, mode: str, phases: list[str]
) -> None:
    with kill_scenario(request.getfixturevalue(warehouse), tmp_path, MODES[mode]) as scenario:
        kill_often(scenario, phases, seed=7)
        assert scenario.kills.total() == len(phases)


@pytest.mark.soak
@pytest.mark.parametrize("warehouse", ["shop", "postgres_shop"])
@pytest.mark.parametrize("mode", MODES)
def test_many_killed_loads_can_be_run_again(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str, warehouse: str
) -> None:
    with kill_scenario(request.getfixturevalue(warehouse), tmp_path, MODES[mode]) as scenario:
        reads = kill_often(scenario, times=6, seed=len(mode))
        with capsys.disabled():
            kills = ", ".join(f"{scenario.kills[phase]} in {phase}" for phase in (*PHASES, NOT_KILLED))
            print(
                f"\n{scenario.shop.warehouse.destination}, {mode}: {scenario.kills.total()} kills ({kills}), "
                f"{scenario.rows_compared} rows compared, {reads} consistent reads"
            )
        assert scenario.kills.total() - scenario.kills[NOT_KILLED] >= 30
