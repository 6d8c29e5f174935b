"""Many processes that load into one place at the same time: none fails, each table is exact, and who waits says so."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.components.resources import WarehouseResource
from analytics_assets.components.settings import Settings
from analytics_assets.rest_api.errors import BusyError
from analytics_assets.rest_api.load import LoadRequest, prepare
from analytics_assets_tests.fake_api import CursorPagination, Endpoint, TimeFilter, serve_endpoint
from analytics_assets_tests.harness.killed_loads import FORKED
from analytics_assets_tests.support.loaders import day
from analytics_assets_tests.support.shop import Shop, load_in_parallel

WINDOWED = {
    "paginator": {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next", "limit": 100},
    "incremental": {"cursor_path": "updated", "start_param": "since", "end_param": "until"},
}
WHOLE = {"paginator": WINDOWED["paginator"]}
ROWS = [{"id": n, "updated": f"2026-10-0{n % 5 + 1}T{n % 24:02}:00:00Z", "nested": {"n": n}} for n in range(600)]
TEN: list[tuple[str, dict[str, Any]]] = [
    *(("rows", {"load": {"window": window}}) for window in (day(1, 3), day(2, 4), day(3), day(5), day(1, 5))),
    *(("orders", {"load": {"window": window}, "write_disposition": "append"}) for window in (day(1, 2), day(2, 5))),
    ("orders", {"load": {"window": day(2)}, "write_disposition": "append"}),
    *(("users", {"endpoint": WHOLE, "load": {"full_refresh": full_refresh}}) for full_refresh in (False, True)),
]


def ten(shop: Shop, url: str) -> list[LoadRequest]:
    """Ten loads: windows that overlap and that do not, of one resource and of others.

    On PostgreSQL each is on a machine of its own, as far as locks go; a DuckDB file belongs to one machine.
    """
    requests = [shop.request(url, **{"endpoint": WINDOWED, **keys}, name=name) for name, keys in TEN]
    if not shop.postgres:
        return requests
    folder = shop.warehouse.state_dir
    return [
        replace(request, warehouse=replace(request.warehouse, state_dir=folder / str(number)))
        for number, request in enumerate(requests)
    ]


def variables(shop: Shop) -> dict[str, str]:
    return {"DESTINATION__POSTGRES__CREDENTIALS": shop.postgres.credentials} if shop.postgres else {}


@contextmanager
def api() -> Iterator[str]:
    updated = TimeFilter("updated", {"since": "{start}", "until": "{end}"})
    with serve_endpoint(Endpoint("/rows", ROWS, pagination=CursorPagination(), updated=updated)) as (_, url):
        yield url


def test_ten_processes(any_shop: Shop) -> None:
    with api() as url:
        assert load_in_parallel(ten(any_shop, url), variables(any_shop)) == [""] * 10
    for table in ("rows", "orders", "users"):
        found = any_shop.query(f"SELECT id, updated, CAST(nested AS VARCHAR) FROM shop.{table} ORDER BY id")
        assert [(n, updated, text.replace(" ", "")) for n, updated, text in found] == [
            (row["id"], row["updated"], f'{{"n":{row["id"]}}}') for row in ROWS
        ]
    assert any_shop.tables() == {"shop.rows", "shop.orders", "shop.users"}


@pytest.mark.soak
def test_ten_processes_many_times(any_shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    rounds = 10
    with api() as url:
        for _ in range(rounds):
            assert load_in_parallel(ten(any_shop, url), variables(any_shop)) == [""] * 10
            for table in ("rows", "orders", "users"):
                assert any_shop.ids(table) == [row["id"] for row in ROWS]
    with capsys.disabled():
        print(f"\n{any_shop.warehouse.destination}: {rounds * 10} loads, ten at once, {rounds * 3 * len(ROWS)} rows")


def hold(request: LoadRequest, environ: dict[str, str], held: Any, end: Any) -> None:
    """Stays in the load step of a load until told to end."""
    os.environ.update(environ)
    with prepare(request) as load, load.pipeline._locked_client():
        held.set()
        end.wait()


@contextmanager
def holding(request: LoadRequest, environ: dict[str, str]) -> Iterator[Any]:
    held, end = FORKED.Event(), FORKED.Event()
    process = FORKED.Process(target=hold, args=(request, environ, held, end))
    process.start()
    assert held.wait(30)
    try:
        yield process
    finally:
        process.kill()
        process.join()


@pytest.mark.parametrize(("where", "machines"), [("shop", "one"), ("postgres_shop", "one"), ("postgres_shop", "many")])
def test_who_is_waited_for_is_said_and_in_the_error(
    request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture, where: str, machines: str
) -> None:
    any_shop: Shop = request.getfixturevalue(where)
    caplog.set_level(logging.INFO, "analytics_assets")
    impatient = replace(any_shop, warehouse=replace(any_shop.warehouse, lock_seconds=0.5))
    if machines == "many":
        impatient = replace(impatient, warehouse=replace(impatient.warehouse, state_dir=tmp_path / "another state"))
    with api() as url:
        any_shop.load(url, endpoint=WHOLE)
        with holding(any_shop.request(url, name="orders"), variables(any_shop)) as process:
            by = rf"process {process.pid} since 2\d+-\d+-\d+ \d+:\d+:\d+Z, loading shop\.orde"
            with pytest.raises(BusyError, match=rf"another load has locked .+ for too long: {by}.*\. Run again later$"):
                impatient.load(url, endpoint=WHOLE)
            assert len([line for line in caplog.messages if "waiting for another load into" in line]) == 1
            caplog.clear()
            process.kill()
            process.join()
        # What the dead process said of itself is still there; its lock is not.
        with prepare(impatient.request(url, endpoint=WHOLE)) as load:
            load.run()
    assert not [line for line in caplog.messages if "waiting" in line]
    assert any_shop.ids() == [row["id"] for row in ROWS]


def test_how_long_is_waited_is_a_setting() -> None:
    assert (
        WarehouseResource.from_settings(Settings.from_environ({"ANALYTICS_LOCK_SECONDS": "7"})).warehouse().lock_seconds
        == 7
    )
