"""The token request, the lifetime of the token, and errors of the token endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.errors import CredentialsError, ResponseError, RestApiError
from analytics_assets_tests.support.clock import Clock
from analytics_assets_tests.support.token_server import (
    CLIENT_ID,
    CLIENT_SECRET,
    OAUTH2,
    REFRESH_TOKEN,
    ROTATING,
    TokenServer,
    access_token,
    assert_no_secret,
    authenticator,
)


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        (OAUTH2, {"grant_type": "client_credentials"}),
        (
            {**OAUTH2, "scope": "read write", "access_token_request_data": {"audience": {"env": "API_TOKEN_URL"}}},
            {"grant_type": "client_credentials", "scope": "read write", "audience": "{API_TOKEN_URL}"},
        ),
        (ROTATING, {"grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN}),
    ],
)
@pytest.mark.parametrize("client_auth", ["body", "basic"])
def test_token_request_fields(
    auth: dict[str, Any], expected: dict[str, str], client_auth: str, server: TokenServer, tmp_path: Path
) -> None:
    signer = authenticator(tmp_path, server.environ, {**auth, "client_auth": client_auth})
    assert access_token(signer) == "acc3ss-1"
    (fields, headers), *others = server.requests
    assert others == []
    in_body = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET} if client_auth == "body" else {}
    assert fields == {name: value.format(**server.environ) for name, value in expected.items()} | in_body
    assert ("Authorization" in headers) == (client_auth == "basic")
    assert headers["Accept"] == "application/json"
    assert {CLIENT_SECRET, "acc3ss-1"} <= signer.secret_values()
    assert "" not in signer.secret_values()


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(
    ("fields", "lifetime"),
    [
        ({"token_type": "bearer", "expires_in": 60}, 60),
        ({"token_type": "BEARER", "expires_in": "60"}, 60),
        ({"expires_in": 59.9}, 60),
        ({"expires_in": "60.0"}, 60),
        ({}, 600),
        ({"expires_in": None}, 600),
        ({"expires_in": 0}, 600),
        ({"expires_in": -1}, 600),
        ({"expires_in": "never"}, 600),
        ({"expires_in": "Infinity"}, 600),
        ({"expires_in": 10**400}, 600),
        ({"expires_in": {"seconds": 60}}, 600),
    ],
)
def test_token_is_refreshed_before_it_expires(
    status: int, fields: dict[str, Any], lifetime: float, server: TokenServer, tmp_path: Path
) -> None:
    server.status, server.token_fields = status, fields
    clock = Clock()
    signer = authenticator(tmp_path, server.environ, {**OAUTH2, "default_token_expiration": 600}, clock=clock)
    assert [access_token(signer), access_token(signer)] == ["acc3ss-1", "acc3ss-1"]
    clock.now += lifetime * 0.89
    assert access_token(signer) == "acc3ss-1"
    clock.now += lifetime * 0.11
    assert access_token(signer) == "acc3ss-2"


@dataclass(frozen=True, kw_only=True)
class ErrorCase:
    status: int
    body: Any
    error: type[RestApiError]
    expected: str


@pytest.mark.parametrize(
    "case",
    [
        ErrorCase(
            status=400,
            body={"error": "invalid_scope"},
            error=CredentialsError,
            expected="returned 400 (invalid_scope). Check API_CLIENT_ID, API_",
        ),
        ErrorCase(
            status=401,
            body={"error": "invalid_client"},
            error=CredentialsError,
            expected="returned 401 (invalid_client). Check API_CLIENT_ID, ",
        ),
        ErrorCase(
            status=200,
            body={"error": "invalid_client"},
            error=CredentialsError,
            expected="returned 200 (invalid_client). Check API_CLIENT_ID, ",
        ),
        ErrorCase(
            status=404,
            body=b"<html>people's data</html>",
            error=CredentialsError,
            expected="(127.0.0.1) returned 404. Check API_TOKEN_URL.",
        ),
        ErrorCase(
            status=404,
            body={"error": "invalid_client"},
            error=CredentialsError,
            expected="returned 404 (invalid_client). Check API_CLIENT_ID, ",
        ),
        ErrorCase(
            status=400,
            body={"error": "people's data"},
            error=CredentialsError,
            expected="(127.0.0.1) returned 400. Check API_CLIENT_ID",
        ),
        ErrorCase(
            status=400,
            body={"error": {"code": "people's data"}},
            error=CredentialsError,
            expected="returned 400. Check API_CLIENT_ID",
        ),
        ErrorCase(status=302, body={}, error=ResponseError, expected="returned 302, without a token. Try again later."),
        ErrorCase(status=429, body={}, error=ResponseError, expected="returned 429, without a token. Try again later."),
        ErrorCase(
            status=503,
            body={"error": "invalid"},
            error=ResponseError,
            expected="returned 503, without a token. Try again later.",
        ),
        ErrorCase(
            status=200, body=b'{"access_token": "acc3ss-', error=ResponseError, expected="returned 200, without a token"
        ),
        ErrorCase(status=200, body=["acc3ss-"], error=ResponseError, expected="returned 200, without a token"),
        ErrorCase(status=200, body={"access_token": 7}, error=ResponseError, expected="returned 200, without a token"),
        ErrorCase(
            status=200,
            body={"access_token": "acc3ss-\n"},
            error=ResponseError,
            expected="returned 200, without a token",
        ),
        ErrorCase(status=200, body={"access_token": ""}, error=ResponseError, expected="returned 200, without a token"),
        ErrorCase(status=200, body=b"[" * 100_000, error=ResponseError, expected="returned 200, without a token"),
        ErrorCase(
            status=0,
            body=None,
            error=ResponseError,
            expected="POST token endpoint failed: ProtocolError. Try again later.",
        ),
    ],
)
def test_error_names_the_endpoint_and_the_fix_without_the_response_text(
    case: ErrorCase, server: TokenServer, tmp_path: Path
) -> None:
    server.prepared.append((case.status, case.body))
    signer = authenticator(tmp_path, server.environ)
    with pytest.raises(case.error) as caught:
        access_token(signer)
    assert case.expected in str(caught.value)
    assert caught.value.__cause__ is None
    assert_no_secret(caught.value)
    assert access_token(signer).startswith("acc3ss-")
