"""What a load does with `response_actions`: reads without rows, errors in the body, pages that are refused."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.sources.rest_api import rest_api_source

from analytics_assets.rest_api.config import parse_config
from analytics_assets.rest_api.errors import ResponseError, UnavailableError
from analytics_assets.rest_api.windows import Window
from analytics_assets_tests.fake_api import (
    CursorPagination,
    Endpoint,
    FakeServer,
    Fault,
    PageNumberPagination,
    TimeFilter,
    faults,
    serve_endpoint,
)
from analytics_assets_tests.support.loaders import Loader
from analytics_assets_tests.support.shop import Shop

START = datetime(2026, 10, 1, tzinfo=timezone.utc)
MONTH = Window(START, START + timedelta(days=30))
ROWS = [{"id": n, "at": (START + timedelta(hours=n)).strftime("%Y-%m-%dT%H:%M:%SZ")} for n in range(60)]
FILTER = {"cursor_path": "at", "start_param": "since", "end_param": "until"}
PAGES = {"type": "page_number", "start_from_page": 1}
CURSOR = {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next"}
GONE = {"status_code": 404, "action": "ignore"}


@pytest.fixture
def api() -> Iterator[tuple[FakeServer, str]]:
    """60 rows in pages of 20, filtered by time on request."""
    updated = TimeFilter("at", {"since": "{start}", "until": "{end}"})
    pagination = PageNumberPagination(default_limit=20, base=1, end_on_404=True)
    with serve_endpoint(Endpoint("/rows", ROWS, pagination=pagination, updated=updated)) as served:
        yield served


def endpoint(*actions: Mapping[str, Any], **keys: Any) -> dict[str, Any]:
    """An endpoint with these actions, and without waits."""
    handler = {"response_actions": list(actions), "max_retries": 1, "backoff_factor": 0}
    return {"paginator": {**PAGES, "end_on_404": True}, "error_handler": handler, **keys}


def test_ignored_window_has_no_rows_and_is_logged_and_counted(
    api: tuple[FakeServer, str], shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    server, url = api
    described, load = endpoint(GONE, incremental=FILTER), {"window": MONTH, "log": logging.getLogger("run")}
    assert shop.load(url, endpoint=described, load=load).statistics.ignored_reads == 0
    server.faults.add(faults.status(404))
    result = shop.load(url, endpoint=described, load=load)
    assert (result.rows, result.statistics.pages, result.statistics.ignored_reads) == (0, 0, 1)
    assert shop.ids() == list(range(60))
    assert "shop/rows: 1 of 1 reads are without rows: `response_actions` ignores them (404: 1)" in caplog.messages


@pytest.mark.parametrize(
    ("keys", "load"),
    [({}, {}), ({"write_disposition": "replace"}, {}), ({}, {"full_refresh": True})],
    ids=["merge", "replace", "full_refresh"],
)
def test_ignored_read_of_all_rows_fails_and_the_table_is_unchanged(
    api: tuple[FakeServer, str], shop: Shop, keys: dict[str, Any], load: dict[str, Any]
) -> None:
    server, url = api
    shop.load(url, endpoint=endpoint(GONE))
    server.faults.add(faults.status(404))
    with pytest.raises(ResponseError, match=r"ignores the responses to all reads \(404: 1\)"):
        shop.load(url, endpoint=endpoint(GONE), load=load, **keys)
    assert shop.ids() == list(range(60))


REFUSED: list[tuple[dict[str, Any], Fault, int, type[ResponseError], str]] = [
    # action, fault, its page, error
    (
        {"status_code": 403, "action": "ignore"},
        faults.status(403),
        2,
        ResponseError,
        r"page 2: the API returned 403 \(fault 403\)\. `response_actions` ignores status_code 403 for the first page",
    ),
    (
        {"status_code": 404, "content": "fault", "action": "fail", "message": "The account has no orders."},
        faults.status(404),
        1,
        ResponseError,
        r"page 1: the API returned 404 \(fault 404\)\. The account has no orders\.",
    ),
    # `fail` comes before `end_on_404`.
    (
        {"status_code": 404, "content": "fault", "action": "fail"},
        faults.status(404),
        3,
        ResponseError,
        r"page 3: the API returned 404 .*fails the load for status_code 404 and content 'fault'",
    ),
    (
        {"content": '"code": 17', "action": "fail"},
        faults.error_object(),
        1,
        ResponseError,
        r"page 1: the API returned 200\. `response_actions` fails the load for content '\"code\": 17'",
    ),
    (
        {"content": "try again later", "action": "retry"},
        faults.error_object(),
        2,
        UnavailableError,
        r"page 2: the API returned 200, after all retries for content 'try again later' of `response_actions`",
    ),
    (
        {"status_code": 403, "action": "retry"},
        faults.status(403),
        1,
        UnavailableError,
        r"page 1: the API returned 403 \(fault 403\), after all retries for status_code 403",
    ),
    (
        {"content": '"at"', "action": "ignore"},
        faults.slow(0),
        1,
        ResponseError,
        r"page 1: `response_actions` ignores a response with 20 records: change the action's `content`",
    ),
]


@pytest.mark.parametrize(("action", "fault", "page", "error", "message"), REFUSED)
def test_response_that_is_not_ignored_fails_the_load_with_the_action(
    api: tuple[FakeServer, str],
    shop: Shop,
    action: dict[str, Any],
    fault: Fault,
    page: int,
    error: type[ResponseError],
    message: str,
) -> None:
    server, url = api
    server.faults.add(fault, page=page, times=None)
    with pytest.raises(ResponseError, match=f"^GET {url}, {message}") as caught:
        shop.load(url, endpoint=endpoint(action))
    assert type(caught.value) is error
    assert not shop.tables()


def test_404_past_the_last_page_ends_the_read_although_404_is_ignored_on_the_first(
    api: tuple[FakeServer, str], shop: Shop
) -> None:
    server, url = api
    result = shop.load(url, endpoint=endpoint(GONE))
    assert shop.ids() == list(range(60))
    assert (server.requests[-1].status, result.statistics.ignored_reads) == (404, 0)


def test_error_in_the_body_is_retried_until_the_page_arrives(api: tuple[FakeServer, str], shop: Shop) -> None:
    server, url = api
    server.faults.add(faults.error_object(), page=2)
    result = shop.load(url, endpoint=endpoint({"content": "try again later", "action": "retry"}))
    assert (shop.ids(), result.metrics.retries) == (list(range(60)), 1)


def test_single_object_is_ignored_by_its_content(api: tuple[FakeServer, str], shop: Shop) -> None:
    server, url = api
    server.faults.add(faults.body(b'{"data": {"message": "no such user"}}'))
    action = {"content": "no such user", "action": "ignore"}
    described = endpoint(action, paginator={"type": "single_page"}, incremental=FILTER)
    assert shop.load(url, endpoint=described, load={"window": MONTH}).statistics.ignored_reads == 1


def test_ignored_slice_is_read_again_with_its_window(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """An ignored slice may hide rows: the window as a whole decides."""
    updated = TimeFilter("at", {"since": "{start}", "until": "{end}"})
    pages = CursorPagination(default_limit=5)
    described = endpoint(GONE, paginator=CURSOR, incremental=FILTER)
    with serve_endpoint(Endpoint("/rows", ROWS, pagination=pages, updated=updated)) as (server, url):
        fault = server.faults.add(faults.status(404), page=1, nth=2)
        load = {"window": Window(START, START + timedelta(hours=60)), "log": logging.getLogger("run")}
        result = shop.load(url, endpoint=described, load=load)
    assert (fault.fired, result.request.use_slices) == (1, False)
    assert (shop.ids(), result.statistics.ignored_reads) == (list(range(60)), 0)
    assert any("ignores the response to a part of the window" in line for line in caplog.messages)


@pytest.mark.parametrize(("fault", "rows"), [(None, 60), (faults.status(404), 0), (faults.error_object(), 0)])
def test_rows_are_those_of_dlt(shop: Shop, tmp_path: Path, fault: Fault | None, rows: int) -> None:
    """The same keys and the same server; dlt reads all, we read a window that has all."""
    actions = [GONE, {"status_code": 200, "content": "try again later", "action": "ignore"}]
    described: dict[str, Any] = {
        "data_selector": "data",
        "paginator": {"type": "page_number", "base_page": 1, "total_path": None},
        "response_actions": actions,
    }
    pipeline = dlt.pipeline(
        "response_actions",
        pipelines_dir=str(tmp_path),
        destination=dlt.destinations.duckdb(str(tmp_path / "dlt.duckdb")),
        dataset_name="shop",
    )
    updated = TimeFilter("at", {"since": "{start}", "until": "{end}"})
    pages = PageNumberPagination(default_limit=20, base=1)
    with serve_endpoint(Endpoint("/rows", ROWS, pagination=pages, updated=updated)) as (server, url):
        if fault:
            server.faults.add(fault, page=1, times=None)
        client: Any = {"base_url": url.rpartition("/")[0]}
        try:
            columns = {"id": {"data_type": "bigint"}}
            resource: Any = {"name": "rows", "primary_key": "id", "columns": columns, "endpoint": described}
            pipeline.run(rest_api_source({"client": client, "resources": [deepcopy(resource)]}))  # dlt changes it
            with pipeline.sql_client() as sql:
                found = sql.execute_sql("SELECT id FROM rows ORDER BY id") if rows else []
        finally:
            pipeline.deactivate()
        ours = {**resource, "endpoint": {**described, "incremental": FILTER}}
        partitions = {"cadence": "daily", "start": "2026-10-01"}
        config = parse_config({"client": client, "resources": [ours], "partitions": partitions})
        loader = Loader("shop", {}, tmp_path)
        assert loader.load(config, "rows", window=MONTH).rows == rows
    assert [row["id"] for row in loader.rows("rows")] == [row[0] for row in found or []] == list(range(rows))
