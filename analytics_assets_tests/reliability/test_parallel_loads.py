"""Many processes load into one warehouse at once: no lock errors, exact tables, and the log names the lock holder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.components.resources import WarehouseResource
from analytics_assets.components.settings import Settings
from analytics_assets.rest_api.errors import BusyError
from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets_tests.fake_api import CursorPagination, Endpoint, TimeFilter, serve_endpoint
from analytics_assets_tests.harness.stopped_loads import stopped_load
from analytics_assets_tests.support.loaders import day
from analytics_assets_tests.support.shop import Shop, load_in_parallel

PAGINATOR = {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next", "limit": 100}
INCREMENTAL = {"cursor_path": "updated", "start_param": "since", "end_param": "until"}
ROWS = [{"id": n, "updated": f"2026-10-0{n % 5 + 1}T{n % 24:02}:00:00Z", "nested": {"n": n}} for n in range(600)]
# Resource and keys of each load: windows that overlap or not, of one resource and of others.
TEN_LOADS: list[tuple[str, dict[str, Any]]] = [
    *(("rows", {"load": {"window": window}}) for window in (day(1, 3), day(2, 4), day(3), day(5), day(1, 5))),
    *(("orders", {"load": {"window": window}, "write_disposition": "append"}) for window in (day(1, 2), day(2, 5))),
    ("orders", {"load": {"window": day(2)}, "write_disposition": "append"}),
    ("users", {"endpoint": {"paginator": PAGINATOR}, "load": {"full_refresh": False}}),
    ("users", {"endpoint": {"paginator": PAGINATOR}, "load": {"full_refresh": True}}),
]


def ten_requests(shop: Shop, url: str) -> list[LoadRequest]:
    """The ten loads. On PostgreSQL each has locks of its own, as on ten machines."""
    windowed = {"endpoint": {"paginator": PAGINATOR, "incremental": INCREMENTAL}}
    requests = [shop.request(url, **{**windowed, **keys}, name=name) for name, keys in TEN_LOADS]
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
def serve_rows() -> Iterator[str]:
    updated = TimeFilter("updated", {"since": "{start}", "until": "{end}"})
    with serve_endpoint(Endpoint("/rows", ROWS, pagination=CursorPagination(), updated=updated)) as (_, url):
        yield url


def test_ten_parallel_loads_store_exact_tables(any_shop: Shop) -> None:
    with serve_rows() as url:
        assert load_in_parallel(ten_requests(any_shop, url), variables(any_shop)) == [""] * 10
    for table in ("rows", "orders", "users"):
        updated = "CAST(updated AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
        found = any_shop.query(f"SELECT id, {updated}, CAST(nested AS VARCHAR) FROM shop.{table} ORDER BY id")
        assert [(row_id, time, text.replace(" ", "")) for row_id, time, text in found] == [
            (row["id"], datetime.fromisoformat(str(row["updated"])[:-1]), f'{{"n":{row["id"]}}}') for row in ROWS
        ]
    assert any_shop.tables() == {"shop.rows", "shop.orders", "shop.users"}


@pytest.mark.soak
def test_a_hundred_parallel_loads_store_exact_tables(any_shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    rounds = 10
    with serve_rows() as url:
        for _ in range(rounds):
            assert load_in_parallel(ten_requests(any_shop, url), variables(any_shop)) == [""] * 10
            for table in ("rows", "orders", "users"):
                assert any_shop.ids(table) == [row["id"] for row in ROWS]
    with capsys.disabled():
        print(f"\n{any_shop.warehouse.destination}: {rounds * 10} loads, 10 in parallel, {rounds * 3 * len(ROWS)} rows")


@pytest.mark.parametrize(
    ("warehouse", "machines"), [("shop", "one"), ("postgres_shop", "one"), ("postgres_shop", "many")]
)
def test_lock_holder_is_logged_and_named_in_the_error(
    request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture, warehouse: str, machines: str
) -> None:
    shop: Shop = request.getfixturevalue(warehouse)
    caplog.set_level(logging.INFO, "analytics_assets")
    impatient = replace(shop, warehouse=replace(shop.warehouse, lock_seconds=0.5))
    if machines == "many":
        impatient = replace(impatient, warehouse=replace(impatient.warehouse, state_dir=tmp_path / "another state"))
    endpoint = {"paginator": PAGINATOR}
    with serve_rows() as url:
        shop.load(url, endpoint=endpoint)
        with stopped_load(shop.request(url, endpoint=endpoint), variables(shop)) as other:
            holder = rf"process {other.process.pid} since 2\d+-\d+-\d+ \d+:\d+:\d+Z, loading shop\.rows"
            with pytest.raises(BusyError, match=rf"another load has locked .+ for too long: {holder}.*\. Run again"):
                impatient.load(url, endpoint=endpoint)
            assert len([line for line in caplog.messages if "waiting for another load into" in line]) == 1
            caplog.clear()
            other.kill()
        # The dead process has left its description, but not its lock.
        impatient.load(url, endpoint=endpoint)
    assert not [line for line in caplog.messages if "waiting" in line]
    assert shop.ids() == [row["id"] for row in ROWS]


def test_lock_timeout_is_a_setting() -> None:
    settings = Settings.from_environ({"ANALYTICS_LOCK_SECONDS": "7"})
    assert WarehouseResource.from_settings(settings).warehouse().lock_seconds == 7
