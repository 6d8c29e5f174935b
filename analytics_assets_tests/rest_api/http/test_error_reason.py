"""The API's own reason for an error status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.http.error_reason import MAX_REASON_CHARS, error_reason
from analytics_assets.rest_api.http.request import Request
from analytics_assets.rest_api.http.response import Headers, Response
from analytics_assets.rest_api.redaction import redactor
from analytics_assets_tests.fake_api import ApiKey, faults
from analytics_assets_tests.support.auth import QUERY_KEY, authenticated_client
from analytics_assets_tests.support.auth import SECRET as API_KEY
from analytics_assets_tests.support.clock import Clock

SECRET = "s3cret k=y"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param({"error": "Unknown field 'x'."}, "Unknown field 'x'", id="error"),
        pytest.param({"message": "Bad\n  request\t\x1b[31m"}, "Bad request [31m", id="message-on-one-line"),
        pytest.param({"Message": "No route"}, "No route", id="names-in-any-case"),
        pytest.param({"detail": "Not found."}, "Not found", id="django"),
        pytest.param({"non_field_errors": ["a before b"]}, "a before b", id="django-non-field-errors"),
        pytest.param({"type": "about:blank", "title": "Denied", "detail": "No scope", "status": 403},
                     "Denied; No scope", id="problem-json"),
        pytest.param({"error": {"message": "Big", "code": 400, "errors": [{"message": "Big", "reason": "max"}]}},
                     "Big; max", id="google"),
        pytest.param({"error": "invalid_grant", "error_description": "Token revoked"},
                     "invalid_grant; Token revoked", id="oauth2"),
        pytest.param({"errors": [{"title": "Invalid", "detail": "page[size] is 100 at most"}, {"message": "m"}]},
                     "Invalid; page[size] is 100 at most; m", id="json-api"),
        pytest.param({"errors": ["one", "two", "one"]}, "one; two", id="list-of-strings"),
        pytest.param({"errors": {"email": ["is invalid"], "from": "is in the future", "n": 1, "o": {"p": "q"}}},
                     "email: is invalid; from: is in the future", id="rails"),
        pytest.param({"detail": [{"loc": ["query", "limit"], "msg": "must be below 100", "input": "private"}]},
                     "must be below 100", id="fastapi"),
        pytest.param({"errorMessages": ["Bad JQL"], "errors": {}}, "Bad JQL", id="jira"),
        pytest.param([{"message": "Session expired", "errorCode": "INVALID_SESSION_ID"}],
                     "Session expired", id="salesforce"),
        pytest.param({"reason": "quota", "message": None, "error": True, "errors": 3}, "quota", id="text-only"),
        pytest.param({"message": "m" * 500}, "m" * 199 + "…", id="cut"),
        pytest.param({"message": "m" * 200}, "m" * 200, id="not-cut"),
        pytest.param({"data": [{"name": "Zoë", "error_of": "private"}], "id": "private"}, None, id="other-keys"),
        pytest.param({"error": {"user": "private"}}, None, id="unknown-object"),
        pytest.param({"message": "  "}, None, id="blank"),
        pytest.param("a JSON string", None, id="bare-text"),
        pytest.param(None, None, id="null"),
    ],
)  # fmt: skip
def test_reason_is_the_text_under_known_names(content: Any, reason: str | None) -> None:
    assert error_reason(json.dumps(content).encode()) == reason


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html><title>Bad gateway</title></html>", id="html"),
        pytest.param(b"message=private", id="form"),
        pytest.param(b'{"message": "cut', id="incomplete"),
        pytest.param(b'{"message": "\xff"}', id="not-utf-8"),
        pytest.param(b'{"message":' * 100_000, id="nested-too-deep-to-parse"),
        pytest.param(b'{"error":' * 90 + b'"private"' + b"}" * 90, id="nested-too-deep-to-read"),
        pytest.param(b'{"message": "m", "data": "' + b"x" * 100_000 + b'"}', id="too-long"),
    ],
)
def test_body_without_json_reason_gives_none(body: bytes) -> None:
    assert error_reason(body) is None


def test_reason_is_printable_text_whatever_was_escaped() -> None:
    assert error_reason(b'\xef\xbb\xbf{"message": "half \\ud800 pair \\u0000"}') == "half pair"


def test_client_masks_its_credentials_in_the_reason(clock: Clock, tmp_path: Path) -> None:
    with authenticated_client(QUERY_KEY, ApiKey(API_KEY, name="key"), tmp_path, clock) as (sandbox, client, url):
        sandbox.faults.add(faults.status(403))
        assert client.error_reason(client.send(Request(url))) == "fault 403"
        denied = json.dumps({"message": f"key {API_KEY} may not read this"}).encode()
        assert client.error_reason(Response(403, Headers([]), denied)) == "key *** may not read this"


@pytest.mark.parametrize("position", range(MAX_REASON_CHARS + 5))
def test_no_part_of_a_secret_remains_where_the_reason_is_cut(position: int) -> None:
    body = json.dumps({"error": f"{'m' * position}{SECRET} "}).encode()
    reason = error_reason(body, redactor([SECRET]))
    assert reason is not None
    assert "s3" not in reason
    assert len(reason) <= MAX_REASON_CHARS
