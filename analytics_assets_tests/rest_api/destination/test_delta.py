"""Delta tables: writers side by side, new columns, small files, settings that lead nowhere, a local folder."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.destination.delta import load
from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets_tests.fake_api import Endpoint, serve_endpoint
from analytics_assets_tests.support.lakehouse import local_lakehouse
from analytics_assets_tests.support.shop import Shop, load_in_parallel

WRITERS = 10


def test_ten_writers_at_once_lose_no_row(delta_shop: Shop) -> None:
    """Each loads the common rows and one of its own, and no lock orders them."""
    assert delta_shop.lakehouse
    common = [{"id": n, "text": "common"} for n in range(3)]
    with ExitStack() as servers:
        requests = []
        for writer in range(WRITERS):
            rows = [*common, {"id": 100 + writer, "text": "own"}]
            _, url = servers.enter_context(serve_endpoint(Endpoint("/rows", rows)))
            requests.append(delta_shop.request(url))
        assert load_in_parallel(requests, delta_shop.lakehouse.environ) == [""] * WRITERS
    assert delta_shop.ids() == [0, 1, 2, *range(100, 100 + WRITERS)]


def test_unchanged_rows_make_no_version_and_small_files_are_joined(
    delta_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "MAX_SMALL_FILES", 3)
    assert delta_shop.lakehouse
    with serve_endpoint(Endpoint("/rows", [{"id": 0}])) as (sandbox, url):
        for number in range(4):
            sandbox.set_rows("shop", "/rows", [{"id": number}])
            delta_shop.load(url)
        version = delta_shop.lakehouse.table("shop", "rows")
        delta_shop.load(url)
    assert delta_shop.ids() == list(range(4))
    assert len(version.file_uris()) == 1
    assert delta_shop.lakehouse.table("shop", "rows").version() == version.version()


def test_a_local_folder_is_a_lakehouse(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lakehouse = local_lakehouse(tmp_path / "lake")
    for name, value in lakehouse.environ.items():
        monkeypatch.setenv(name, value)
    local = replace(shop, lakehouse=lakehouse, warehouse=replace(shop.warehouse, destination="delta"))
    rows: list[dict[str, Any]] = [{"id": 1, "text": "a"}, {"id": 2, "text": None, "new": {"a": 1}}]
    with serve_endpoint(Endpoint("/rows", rows)) as (_, url):
        report = local.load(url).table
    assert report.total_rows == 2
    assert report.uri.startswith(f"file://{tmp_path}/lake/shop")
    assert local.query("SELECT id, text, new FROM shop.rows ORDER BY id") == [(1, "a", None), (2, None, '{"a":1}')]


def test_a_bucket_that_does_not_exist_is_an_error(delta_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """dlt would create it."""
    variable = "DESTINATION__FILESYSTEM__BUCKET_URL"
    monkeypatch.setenv(variable, "s3://no-such-bucket")
    with serve_endpoint(Endpoint("/rows", [{"id": 1}])) as (server, url):
        with pytest.raises(WarehouseError, match=variable) as caught:
            delta_shop.load(url)
        assert server.requests == []
    assert "lakehouse-secret" not in str(caught.value)
