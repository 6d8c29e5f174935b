"""What probing finds: errors that have no proposal, children, totals, rate limits; and no secret or value in it."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.probe.session import MAX_REQUESTS
from analytics_assets.rest_api.probe.steps.timestamps import detect_format
from analytics_assets_tests.fake_api import (
    Api,
    Bearer,
    CursorPagination,
    Endpoint,
    FakeServer,
    OffsetPagination,
    PageNumberPagination,
    TimeFilter,
    faults,
    serve,
)
from analytics_assets_tests.support.probing import Described

SECRET = "canary-secret-4711"
VALUE = "canary value of a record"
ROWS = [{"id": n, "name": f"{VALUE} {n}", "updated_at": f"2026-10-{n % 28 + 1:02}T10:00:00Z"} for n in range(130)]
BEARER = {"auth": {"type": "bearer", "token": {"env": "SHOP_API_TOKEN"}}}
OFFSET = {"path": "/rows", "data_selector": "data", "paginator": {"type": "offset", "limit": 50}}
PAGES = OffsetPagination(max_limit=50, total_path="total")


def server(*, path: str = "/rows", **endpoint: Any) -> FakeServer:
    keys: dict[str, Any] = {"rows": ROWS, "pagination": PAGES, **endpoint}
    return FakeServer([Api("shop", [Endpoint(path, **keys)], auth=Bearer(SECRET))])


def described(environ: dict[str, str], folder: Path, **keys: Any) -> Described:
    resource = {"primary_key": "id", **keys, "endpoint": {**OFFSET, **keys.get("endpoint", {})}}
    return Described(resource, environ, folder, BEARER)


def test_total_and_estimate(tmp_path: Path) -> None:
    api = server()
    with serve(api) as url:
        found = described(api.variables(url), tmp_path).probe()
    assert (found.status, found.rows, found.total) == (200, 50, 130)
    assert found.body == "{total: int, data: list[50]}"
    assert found.estimate
    assert (found.estimate.rows, found.estimate.requests) == (130, 4)
    assert {column.name: column.data_type for column in found.columns} == {
        "id": "bigint",
        "name": "text",
        "updated_at": "text",
    }
    assert [column.proposed for column in found.columns if column.proposed] == [
        {"data_type": "timestamp", "format": "iso8601"}
    ]


@pytest.mark.parametrize("keys", [{}, {"endpoint": {"data_selector": "x"}}, {"primary_key": "name_"}], ids=str)
def test_findings_contain_no_value_of_a_record_and_no_secret(keys: dict[str, Any], tmp_path: Path) -> None:
    api = server()
    with serve(api) as url:
        found = described(api.variables(url), tmp_path, **keys).probe()
    text = json.dumps({**asdict(found), "sample": None}, default=str)
    assert SECRET not in text
    assert VALUE not in text
    assert VALUE in str(found.sample)


def test_rejected_credentials_are_named_and_not_shown(tmp_path: Path) -> None:
    api = server()
    with serve(api) as url:
        environ = {**api.variables(url), "SHOP_API_TOKEN": "another-canary"}
        found = described(environ, tmp_path).probe()
    [problem] = found.problems
    assert found.status == 401
    assert "with the bearer token of SHOP_API_TOKEN in the header `Authorization`" in problem.message
    assert "Check SHOP_API_TOKEN" in problem.message
    assert "another-canary" not in str(found)


def test_unset_credentials_are_a_problem_without_a_request(tmp_path: Path) -> None:
    [problem] = described({"SHOP_BASE_URL": "http://127.0.0.1:9"}, tmp_path).probe().problems
    assert "SHOP_API_TOKEN" in problem.message


def test_unreachable_host_names_the_variable(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        environ = {"SHOP_BASE_URL": f"http://127.0.0.1:{unused.getsockname()[1]}", "SHOP_API_TOKEN": SECRET}
        handler = {"error_handler": {"max_retries": 0}}
        [problem] = described(environ, tmp_path, endpoint=handler).probe().problems
    assert "Check SHOP_BASE_URL" in problem.message


def test_unknown_path_stops_after_few_requests(tmp_path: Path) -> None:
    api = server(path="/something/else")
    with serve(api) as url:
        found = described(api.variables(url), tmp_path).probe()
    [problem] = found.problems
    assert problem.fix is None
    assert "Check SHOP_BASE_URL and the path" in problem.message
    assert len(api.requests) == found.requests <= 10


def test_website_in_place_of_the_api(tmp_path: Path) -> None:
    api = server()
    with serve(api) as url:
        api.faults.add(faults.html(), times=None)
        [problem] = described(api.variables(url), tmp_path).probe().problems
    assert "the response is not JSON: it may be that of a website" in problem.message


def test_window_that_is_ignored_without_a_proposal(tmp_path: Path) -> None:
    updated = TimeFilter("updated_at", {"since": "{start}", "until": "{end}"}, ignored=True)
    api = server(updated=updated)
    incremental = {"cursor_path": "updated_at", "start_param": "since", "end_param": "until"}
    with serve(api) as url:
        found = described(api.variables(url), tmp_path, endpoint={"incremental": incremental}).probe()
    [problem] = found.problems
    assert "the API ignores the parameters" in problem.message
    assert found.window.startswith("not honoured")
    assert found.requests <= MAX_REQUESTS


def test_window_that_is_honoured(tmp_path: Path) -> None:
    api = server(updated=TimeFilter("updated_at", {"since": "{start}", "until": "{end}"}))
    incremental = {"cursor_path": "updated_at", "start_param": "since", "end_param": "until"}
    with serve(api) as url:
        found = described(api.variables(url), tmp_path, endpoint={"incremental": incremental}).probe()
    assert found.problems == []
    assert found.window.startswith("honoured")
    assert found.cursor == "updated_at: iso8601, in all 100 rows"
    assert found.requests == 3


def test_child_is_probed_with_rows_of_its_parent(tmp_path: Path) -> None:
    endpoints = [
        Endpoint("/projects", [{"id": "empty"}, {"id": "a"}], pagination=PAGES),
        Endpoint("/projects/empty/rows", [], pagination=PAGES),
        Endpoint("/projects/a/rows", ROWS, pagination=PAGES),
    ]
    api = FakeServer([Api("shop", endpoints, auth=Bearer(SECRET))])
    projects = {"name": "projects", "primary_key": "id", "endpoint": {**OFFSET, "path": "/projects"}}
    child = {"primary_key": "uuid", "endpoint": {**OFFSET, "path": "/projects/{resources.projects.id}/rows"}}
    with serve(api) as url:
        found = Described(child, api.variables(url), tmp_path, BEARER, (projects,)).probe()
    assert found.parent == "row 2 of projects"
    assert found.rows == 50
    assert found.fix == {"primary_key": "id"}
    assert "{resources.projects.id}" in found.request


def test_parent_without_rows(tmp_path: Path) -> None:
    api = FakeServer([Api("shop", [Endpoint("/projects", [], pagination=PAGES)], auth=Bearer(SECRET))])
    projects = {"name": "projects", "primary_key": "id", "endpoint": {**OFFSET, "path": "/projects"}}
    child = {"primary_key": "id", "endpoint": {**OFFSET, "path": "/projects/{resources.projects.id}/rows"}}
    with serve(api) as url:
        [problem] = Described(child, api.variables(url), tmp_path, BEARER, (projects,)).probe().problems
    assert "the parent 'projects' has no rows" in problem.message


@pytest.mark.parametrize(
    ("paginator", "api", "end"),
    [
        ({"type": "cursor", "cursor_param": "cursor", "cursor_path": "next"}, CursorPagination(default_limit=50),
         "when `next` is null, empty or missing"),
        ({"type": "page_number", "start_from_page": 1, "total_path": "pages"},
         PageNumberPagination(default_limit=50, base=1, pages_path="pages"), "when the pages of `pages` are read"),
        ({"type": "offset", "limit": 50, "has_more_path": "more"},
         OffsetPagination(max_limit=50, has_more_path="more"), "when `more` is false"),
    ],
)  # fmt: skip
def test_how_a_read_will_end(paginator: dict[str, Any], api: Any, end: str, tmp_path: Path) -> None:
    running = server(pagination=api)
    with serve(running) as url:
        found = described(running.variables(url), tmp_path, endpoint={"paginator": paginator}).probe()
    assert found.problems == []
    assert found.end == end


@pytest.mark.parametrize(
    ("values", "format"),
    [
        (["2026-10-01"], "date"),
        (["2026-10-01T10:00:00Z", "2026-10-01T10:00:00.123+02:00"], "iso8601"),
        ([1790812800], "epoch_s"),
        ([1790812800000], "epoch_ms"),
        (["1790812800"], "epoch_s"),
        (["13/10/2026", "01/10/2026"], "%d/%m/%Y"),
        (["10/13/2026"], "%m/%d/%Y"),
        (["Thu, 01 Oct 2026 10:00:00 GMT"], "%a, %d %b %Y %H:%M:%S %Z"),
        ([12, 13], None),
        (["yesterday"], None),
    ],
)
def test_format_of_times(values: list[Any], format: str | None) -> None:
    assert detect_format(values) == format


def test_values_of_the_environment_are_part_of_requests_and_not_of_findings(tmp_path: Path) -> None:
    api = server(path="/tenants/canary-tenant/rows")
    keys = {"path": "/tenants/{tenant}/rows", "values": {"tenant": {"env": "SHOP_TENANT"}}}
    with serve(api) as url:
        environ = {**api.variables(url), "SHOP_TENANT": "canary-tenant"}
        found = described(environ, tmp_path, endpoint=keys).probe()
    assert found.problems == []
    assert found.rows == 50
    assert "canary-tenant" not in str(found)
