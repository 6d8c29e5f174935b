"""Loads into Delta tables that are killed: the table is as before or exactly loaded, and the next load is right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analytics_assets_tests.fake_api import Endpoint, serve_endpoint
from analytics_assets_tests.harness.stopped_loads import AFTER_DELTA_COMMIT, BEFORE_DELTA_COMMIT, stopped_load
from analytics_assets_tests.support.lakehouse import local_lakehouse
from analytics_assets_tests.support.shop import Shop

FIRST = [{"id": n, "text": "first"} for n in range(5)]
SECOND = [{"id": n, "text": "second"} for n in range(3, 9)]
MERGED = [(n, "first" if n < 3 else "second") for n in range(9)]


@pytest.mark.parametrize("place", ["folder", "bucket"])
@pytest.mark.parametrize(
    ("stop", "is_committed"),
    [(BEFORE_DELTA_COMMIT, False), (AFTER_DELTA_COMMIT, True)],
    ids=["before the commit", "after the commit"],
)
def test_a_killed_load_is_whole_or_nothing_and_the_next_one_is_right(
    request: pytest.FixtureRequest, shop: Shop, tmp_path: Path, place: str, stop: tuple[Any, str], is_committed: bool
) -> None:
    lakehouse = local_lakehouse(tmp_path / "lake") if place == "folder" else request.getfixturevalue("lakehouse")
    lake_shop = replace(shop, lakehouse=lakehouse, warehouse=replace(shop.warehouse, destination="delta"))
    rows = "SELECT id, text FROM shop.rows ORDER BY id"
    with serve_endpoint(Endpoint("/rows", FIRST)) as (server, url), pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in lakehouse.environ.items():
            monkeypatch.setenv(name, value)
        lake_shop.load(url)
        server.set_rows("shop", "/rows", SECOND)
        with stopped_load(lake_shop.request(url), lakehouse.environ, stop=stop) as load:
            load.kill()
        assert lake_shop.query(rows) == (MERGED if is_committed else [(n, "first") for n in range(5)])
        lake_shop.load(url)
    assert lake_shop.query(rows) == MERGED
