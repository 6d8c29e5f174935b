"""The WARNING line of each retry: cause, attempt and wait; no query, no secret."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from analytics_assets.rest_api.config import ErrorHandler
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.request import Request
from analytics_assets_tests.fake_api import ApiKey, OAuth2, faults, serve_endpoint
from analytics_assets_tests.support.auth import OAUTH, QUERY_KEY, ROWS, SECRET, authenticated_client
from analytics_assets_tests.support.clock import Clock
from analytics_assets_tests.support.shop import Shop

CLIENT_LOG = "analytics_assets.rest_api.http.client"


def warnings(caplog: pytest.LogCaptureFixture, logger: str = CLIENT_LOG) -> list[str]:
    return [text for name, level, text in caplog.record_tuples if (name, level) == (logger, logging.WARNING)]


def test_each_retry_is_a_warning_with_cause_attempt_and_wait(
    clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with authenticated_client(QUERY_KEY, ApiKey(SECRET, name="key"), tmp_path, clock) as (sandbox, client, url):
        lines_before_wait: list[int] = []
        clock.during_wait = lambda: lines_before_wait.append(len(warnings(caplog)))
        sandbox.faults.add(faults.status(503))
        sandbox.faults.add(faults.status(429, headers={"Retry-After": "7"}))
        sandbox.faults.add(faults.cut())
        assert client.send(Request(url, params={"q": "pr1vate"})).status == 200
    backoffs = [f"{clock.waits[0]:.1f}", "7.0", f"{clock.waits[-1]:.1f}"]
    assert warnings(caplog) == [
        f"GET {url}: HTTP 503. Retry 1 of 3 in {backoffs[0]} s",
        f"GET {url}: HTTP 429 with Retry-After. Retry 2 of 3 in {backoffs[1]} s",
        f"GET {url}: the connection was closed before the response was complete. Retry 3 of 3 in {backoffs[2]} s",
    ]
    assert lines_before_wait[0] == 1  # the line is there while people wait
    assert not re.search(re.escape(SECRET) + "|pr1vate|key=|q=", caplog.text)


def test_retry_of_a_token_request_is_logged_without_its_secrets(
    clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with authenticated_client(OAUTH, OAuth2("id", SECRET), tmp_path, clock) as (sandbox, client, url):
        sandbox.faults.add(faults.status(503), path="/oauth/token")
        assert client.send(Request(url)).status == 200
        token_url = url.replace("/rows", "/oauth/token")
    [line] = warnings(caplog)
    assert line == f"POST {token_url}: HTTP 503. Retry 1 of 3 in {clock.waits[0]:.1f} s"
    assert SECRET not in caplog.text


def test_secret_in_the_path_is_masked(clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    once = ErrorHandler(retry_on_status_codes=frozenset({404}), max_retries=1)
    with authenticated_client(QUERY_KEY, ApiKey("t0ken", name="key"), tmp_path, clock) as (_, signed, url):
        client = HttpClient(url, error_handler=once)
        client.auth = signed.auth
        client.send(Request(client.url("bot-t0ken")))
    [line] = warnings(caplog)
    assert line.startswith(f"GET {url}/bot-***: HTTP 404. Retry 1 of 1 in ")


def test_request_that_succeeds_or_is_not_retried_logs_nothing(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with serve_endpoint(ROWS) as (sandbox, url):
        sandbox.faults.add(faults.status(400))
        client = HttpClient(url)
        assert [client.send(Request(url)).status for _ in range(2)] == [400, 200]
    assert warnings(caplog) == []


def test_retries_of_a_load_name_the_resource_in_the_log_of_the_load(
    clock: Clock, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    with serve_endpoint(ROWS) as (sandbox, url):
        sandbox.faults.add(faults.status(503))
        shop.load(url, load={"log": logging.getLogger("run")})
    lines = [line for line in warnings(caplog, "run") if "Retry" in line]
    assert lines == [f"shop/rows: GET {url}: HTTP 503. Retry 1 of 3 in 0.0 s"]
