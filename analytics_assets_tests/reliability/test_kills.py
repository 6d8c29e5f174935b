"""A load killed at any moment, then run again: the right rows, nothing left over, and no reader sees a broken table."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock

from analytics_assets.rest_api.load import LoadRequest
from analytics_assets_tests.fake_api import CursorPagination, Endpoint, FakeServer, TimeFilter, serve_endpoint
from analytics_assets_tests.harness.killed_loads import (
    BETWEEN,
    PHASES,
    KeyPath,
    Outcome,
    look_into_duckdb,
    look_into_postgres,
    reading,
)
from analytics_assets_tests.support.loaders import day
from analytics_assets_tests.support.shop import Shop

PARAMS = {"since": "{start}", "until": "{end}"}
INCREMENTAL = {"cursor_path": "updated", "start_param": "since", "end_param": "until"}
WALK = {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next", "limit": 500}
BEFORE, COUNT = 500, 3000  # rows of the first day, which no later load touches, and of the second
MODES: dict[str, dict[str, Any]] = {
    "full refresh": {"load": {"full_refresh": True}},
    "merge": {"load": {"window": day(2)}},
    "append": {"load": {"window": day(2)}, "write_disposition": "append"},
}
# One row for each day, seen whole: how many rows, how many different ones, and of which version.
LOOK = (
    "SELECT SUM(rows), SUM(ids), MIN(versions), MAX(versions) FROM (SELECT COUNT(*) AS rows, COUNT(DISTINCT id) AS ids,"
    " COUNT(DISTINCT version) AS versions FROM shop.rows GROUP BY substr(updated, 1, 10)) days"
)
WHOLE = (BEFORE + COUNT, BEFORE + COUNT, 1, 1)


def rows_of(version: int) -> list[dict[str, Any]]:
    """All rows that the API has: those of the second day are others each time."""
    first = [{"id": n, "updated": "2026-10-01T00:00:00Z", "version": 0, "tags": [n]} for n in range(BEFORE)]
    second = [
        {"id": BEFORE + n, "updated": f"2026-10-02T{n % 24:02}:00:00Z", "version": version, "tags": [n]}
        for n in range(COUNT)
    ]
    return first + second


def retry_while_locked(ask: Callable[[], Any]) -> Any:
    """The answer, once the reader lets go of the file."""
    while True:
        with contextlib.suppress(duckdb.IOException):
            return ask()


@dataclass
class KillScenario:
    """Loads of one table, killed and run again; counts what it has shown."""

    shop: Shop
    place: KeyPath
    sandbox: FakeServer
    request: LoadRequest
    version: int = 0
    rows_compared: int = 0
    killed: Counter[str] = field(default_factory=Counter)

    def load(self, **kill: Any) -> Outcome:
        return self.place.load(self.request, **kill)

    def new_version(self) -> None:
        self.version += 1
        self.sandbox.set_rows("shop", "/rows", rows_of(self.version))

    def kill_and_repair(self, moment: tuple[str, float]) -> None:
        """The API has new rows; a load of them is killed; the next one brings them."""
        self.new_version()
        killed = self.load(kill=moment)
        self.killed[killed.killed_in or "not any more"] += 1
        again = self.load()
        assert again.error == ""
        assert "waiting for another load" not in again.log
        self.check()

    def check(self) -> None:
        rows = "SELECT id, updated, version, CAST(tags AS VARCHAR) FROM shop.rows ORDER BY id"
        found = retry_while_locked(lambda: self.shop.query(rows))
        expected = [(row["id"], row["updated"], row["version"], str(row["tags"])) for row in rows_of(self.version)]
        assert found == expected
        self.rows_compared += len(found)
        assert retry_while_locked(self.shop.tables) == {"shop.rows"}
        if self.shop.postgres:
            assert self.shop.postgres.schemas() == {"shop"}
        assert list(self.place.temp.iterdir()) == []
        warehouse = self.shop.warehouse
        assert {path.name for path in warehouse.duckdb_path.parent.glob("warehouse*")} <= {"warehouse.duckdb"}
        for file in (warehouse.state_dir / "locks").iterdir():
            assert file.suffix == ".lock"
            with FileLock(file, timeout=0):
                pass

    @property
    def look(self) -> Callable[[], Any]:
        if self.shop.postgres:
            return partial(look_into_postgres, self.shop.postgres.credentials, LOOK)
        return partial(look_into_duckdb, self.shop.warehouse.duckdb_path, LOOK)


@contextmanager
def slaughter(shop: Shop, folder: Path, mode: Mapping[str, Any]) -> Iterator[KillScenario]:
    """A table with both days in it, to be loaded by `mode`."""
    environ = {"DESTINATION__POSTGRES__CREDENTIALS": shop.postgres.credentials} if shop.postgres else {}
    endpoint = Endpoint(
        "/rows", rows_of(0), pagination=CursorPagination(max_limit=500), updated=TimeFilter("updated", PARAMS)
    )
    with serve_endpoint(endpoint) as (sandbox, url):
        keys = {"endpoint": {"paginator": WALK, "incremental": INCREMENTAL}, **mode}
        scene = KillScenario(shop, KeyPath(folder, environ), sandbox, shop.request(url, **keys))
        assert scene.place.load(shop.request(url, **{**keys, "load": {"window": day(1, 2)}})).error == ""
        yield scene


def kill_often(scene: KillScenario, phases: Sequence[str] = (), *, times: int = 1, seed: int) -> int:
    """Kills at a random moment of each phase, that many times over, while a reader looks; gives how often it did."""
    chance = random.Random(seed)
    scene.new_version()
    calm = scene.load()
    assert calm.error == ""
    assert {*PHASES} - {BETWEEN} <= calm.seconds.keys()
    scene.check()
    kills = [phase for _ in range(times) for phase in phases or calm.seconds]
    with reading(scene.look, WHOLE) as reader:
        for phase in kills:
            scene.kill_and_repair((phase, chance.uniform(0, calm.seconds[phase])))
    assert reader.looks.value > len(kills)
    assert reader.broken.value == 0
    return reader.looks.value


BOUNDED = [
    ("shop", "full refresh", ["fetch and convert", "load", BETWEEN]),
    ("shop", "merge", ["prepare", "merge", "look"]),
    ("shop", "append", ["normalize", BETWEEN]),
    ("postgres_shop", "full refresh", ["load", BETWEEN]),
    ("postgres_shop", "append", [BETWEEN]),
]


@pytest.mark.parametrize(("where", "mode", "phases"), BOUNDED)
def test_a_load_that_is_killed_and_run_again(
    request: pytest.FixtureRequest, tmp_path: Path, where: str, mode: str, phases: list[str]
) -> None:
    with slaughter(request.getfixturevalue(where), tmp_path, MODES[mode]) as scene:
        kill_often(scene, phases, seed=7)
        assert scene.killed.total() == len(phases)


@pytest.mark.soak
@pytest.mark.parametrize("where", ["shop", "postgres_shop"])
@pytest.mark.parametrize("mode", MODES)
def test_many_kills(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str, where: str
) -> None:
    with slaughter(request.getfixturevalue(where), tmp_path, MODES[mode]) as scene:
        looks = kill_often(scene, times=6, seed=len(mode))
        with capsys.disabled():
            phases = ", ".join(f"{scene.killed[phase]} in {phase}" for phase in (*PHASES, "not any more"))
            print(
                f"\n{scene.shop.warehouse.destination}, {mode}: {scene.killed.total()} kills survived ({phases}), "
                f"{scene.rows_compared} rows compared, a reader looked {looks} times"
            )
        assert scene.killed.total() - scene.killed["not any more"] >= 30
