"""Actions of responses in the HTTP client: which one matches, what is retried, how credentials come first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.config import ErrorHandler, ResponseAction
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.request import Request
from analytics_assets.rest_api.http.response import Headers, Response
from analytics_assets.rest_api.http.response_actions import MAX_SEARCH_BYTES, ResponseActions
from analytics_assets_tests.fake_api import Fault, OAuth2, faults, serve_endpoint
from analytics_assets_tests.support.auth import OAUTH, ROWS, authenticated_client
from analytics_assets_tests.support.clock import Clock

GONE = {"status_code": 404, "action": "ignore"}
BUSY = {"content": "try again later", "action": "retry"}


def action(content: str, body: bytes, status: int = 200) -> ResponseAction | None:
    return ResponseActions([ResponseAction(content=content, action="fail")]).match(Response(status, Headers([]), body))


@pytest.mark.parametrize(
    ("content", "body", "matches"),
    [
        ("Not found", b'{"error": "Not found."}', True),
        ("not found", b'{"error": "Not found."}', False),
        ('"code":17', b'{"code":17}', True),
        ("Ungültig", '{"error": "Ungültig"}'.encode(), True),
        ("Ungültig", rb'{"error": "Ung\u00fcltig"}', True),
        ("x", b"", False),
        ("end", b" " * (MAX_SEARCH_BYTES - 3) + b"end", True),
        ("end", b" " * (MAX_SEARCH_BYTES - 2) + b"end", False),
    ],
)
def test_content_is_text_in_the_first_megabyte_of_the_body(content: str, body: bytes, matches: bool) -> None:
    assert (action(content, body) is not None) == matches


RETRIED = [
    # actions, the fault of every response, requests, the index of the action that the last response matches
    ([{"status_code": 404, "action": "retry"}], faults.status(404), 3, 0),
    ([GONE], faults.status(404), 1, 0),
    ([GONE], faults.status(403), 1, None),
    ([BUSY], faults.error_object(), 3, 0),
    ([BUSY], faults.status(400, body=b'{"message": "try again later"}'), 3, 0),
    ([{**BUSY, "status_code": 403}], faults.error_object(), 1, None),
    ([{**BUSY, "status_code": 200}], faults.error_object(), 3, 0),
    # An action comes before `retry_on_status_codes`, and the first action before the others.
    ([{"status_code": 503, "action": "fail"}], faults.status(503), 1, 0),
    ([{"content": "fault 503", "action": "ignore"}], faults.status(503), 1, 0),
    ([GONE], faults.status(503), 3, None),
    ([GONE, {"content": "fault", "action": "retry"}], faults.status(404), 1, 0),
    ([{"content": "fault", "action": "retry"}, GONE], faults.status(404), 3, 0),
]


@pytest.mark.parametrize(("actions", "fault", "requests", "matched"), RETRIED)
def test_first_action_that_matches_decides_whether_a_response_is_retried(
    clock: Clock, actions: list[dict[str, Any]], fault: Fault, requests: int, matched: int | None
) -> None:
    handler = ErrorHandler.model_validate({"response_actions": actions, "max_retries": 2})
    with serve_endpoint(ROWS) as (sandbox, url):
        sandbox.faults.add(fault, times=None)
        response = HttpClient(url, error_handler=handler).send(Request(url))
        assert len(sandbox.requests) == requests
    assert response.action == (None if matched is None else handler.response_actions[matched])


def test_retried_response_that_is_a_page_in_the_end_is_returned(clock: Clock) -> None:
    handler = ErrorHandler.model_validate({"response_actions": [BUSY]})
    with serve_endpoint(ROWS) as (sandbox, url):
        sandbox.faults.add(faults.error_object(), times=2)
        client = HttpClient(url, error_handler=handler)
        response = client.send(Request(url))
    assert (response.status, response.action, "data" in json.loads(response.body)) == (200, None, True)
    assert (client.metrics.retries, len(clock.waits)) == (2, 2)


@pytest.mark.parametrize(("refreshed_helps", "statuses"), [(True, [401, 200]), (False, [401, 401])])
def test_credentials_are_refreshed_before_an_action_for_401_applies(
    clock: Clock, tmp_path: Path, refreshed_helps: bool, statuses: list[int]
) -> None:
    handler = ErrorHandler.model_validate({"response_actions": [{"status_code": 401, "action": "ignore"}]})
    with authenticated_client(OAUTH, OAuth2("id", "secret"), tmp_path, clock, handler) as (sandbox, client, url):
        sandbox.faults.add(faults.status(401), path="/rows", times=1 if refreshed_helps else None)
        response = client.send(Request(url))
        rows = [record.status for record in sandbox.requests if record.request.path == "/shop/rows"]
    assert rows == statuses
    assert (response.action is None) == refreshed_helps


def test_token_requests_match_no_action(clock: Clock, tmp_path: Path) -> None:
    handler = ErrorHandler.model_validate({"response_actions": [{"content": "access_token", "action": "retry"}]})
    with authenticated_client(OAUTH, OAuth2("id", "secret"), tmp_path, clock, handler) as (sandbox, client, url):
        assert client.send(Request(url)).status == 200
        assert len(sandbox.requests) == 2
