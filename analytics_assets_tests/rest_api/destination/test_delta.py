"""Delta tables: writers side by side, small files, a local folder, buckets that cannot be opened, appended rows."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.destination.delta import load
from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets_tests.fake_api import Endpoint, TimeFilter, serve_endpoint
from analytics_assets_tests.support.lakehouse import S3Server, local_lakehouse
from analytics_assets_tests.support.loaders import day
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


@pytest.mark.parametrize("problem", ["no such bucket", "unreachable endpoint", "wrong credentials"])
def test_a_bucket_that_cannot_be_opened_is_an_error_that_names_variables(
    delta_shop: Shop, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    """dlt would create a bucket that does not exist. Nothing is requested from the API."""
    variables = "DESTINATION__FILESYSTEM__"
    with ExitStack() as stack:
        names = ["BUCKET_URL"]
        if problem == "no such bucket":
            monkeypatch.setenv(f"{variables}BUCKET_URL", "s3://no-such-bucket")
        elif problem == "unreachable endpoint":
            names = ["CREDENTIALS__ENDPOINT_URL", "CREDENTIALS__REGION_NAME"]
            port = stack.enter_context(closed_port())
            monkeypatch.setenv(f"{variables}CREDENTIALS__ENDPOINT_URL", f"http://127.0.0.1:{port}")
        else:
            names = ["CREDENTIALS__AWS_ACCESS_KEY_ID", "CREDENTIALS__AWS_SECRET_ACCESS_KEY"]
            monkeypatch.setenv(f"{variables}CREDENTIALS__AWS_ACCESS_KEY_ID", "unknown-key")
            stack.enter_context(s3_server.check_credentials())
        server, url = stack.enter_context(serve_endpoint(Endpoint("/rows", [{"id": 1}])))
        with pytest.raises(WarehouseError) as caught:
            delta_shop.load(url)
        assert server.requests == []
    text = str(caught.value)
    assert all(f"{variables}{name}" in text for name in names)
    assert "lakehouse-secret" not in text
    assert "unknown-key" not in text


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses connections. No other program can take it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


DAYS = [{"id": day, "updated": f"2026-10-0{day}T12:00:00Z", "text": "old"} for day in (1, 2, 3)]
INCREMENTAL = {"cursor_path": "updated", "start_param": "since", "end_param": "until"}
UPDATED = TimeFilter("updated", {"since": "{start}", "until": "{end}"})


@pytest.mark.parametrize("primary_key", [(), ("id",)], ids=["without a key", "with a key"])
def test_a_replayed_window_of_appended_rows_is_replaced(delta_shop: Shop, primary_key: tuple[str, ...]) -> None:
    keys = {"primary_key": primary_key, "write_disposition": "append", "endpoint": {"incremental": INCREMENTAL}}
    with serve_endpoint(Endpoint("/rows", DAYS, updated=UPDATED)) as (server, url):
        for window in (day(1, 2), day(3)):
            delta_shop.load(url, **keys, load={"window": window})
        new = {"id": 4, "updated": "2026-10-02T13:00:00Z", "text": "new"}
        server.set_rows("shop", "/rows", [DAYS[0], new])
        delta_shop.load(url, **keys, load={"window": day(2, 3)})
    assert delta_shop.query("SELECT id, text FROM shop.rows ORDER BY id") == [(1, "old"), (4, "new")]


def test_rows_without_a_key_are_appended(delta_shop: Shop) -> None:
    with serve_endpoint(Endpoint("/rows", [{"id": 1}, {"id": 1}])) as (_, url):
        for _ in range(2):
            delta_shop.load(url, primary_key=(), write_disposition="append")
    assert delta_shop.ids() == [1, 1, 1, 1]
