"""The client's configuration with all secrets read: values, errors that name key and variable, and no value shown."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from analytics_assets.rest_api.auth.credentials import ResolvedClient, resolve_secrets
from analytics_assets.rest_api.config import Client, SecretRef, Value
from analytics_assets.rest_api.errors import CredentialsError, ResponseError
from analytics_assets.rest_api.load.table import load_table
from analytics_assets_tests.fake_api import Api, Endpoint, Exchange, FakeServer, Response, serve
from analytics_assets_tests.support.shop import Shop

OAUTH2 = {
    "type": "oauth2",
    "client_id": {"env": "ID"},
    "client_secret": {"env": "SECRET"},
    "refresh_token": {"env": "REFRESH"},
    "token_url": {"env": "URL"},
    "scope": {"env": "SCOPE"},
    "access_token_request_data": {"audience": {"env": "AUDIENCE"}, "resource": "all"},
}
ENVIRON = {
    "BASE": "https://api.example.com/v2",
    "TENANT": "v4lue-tenant",
    "TRACE": "v4lue-trace",
    "ID": "v4lue-id",
    "SECRET": "v4lue-secret",
    "REFRESH": "v4lue-refresh",
    "URL": "https://auth.example.com/token",
    "SCOPE": "v4lue-scope",
    "AUDIENCE": "v4lue-audience",
}


def resolve(environ: dict[str, str], auth: dict[str, Any] | None = None) -> ResolvedClient:
    client = Client.model_validate(
        {
            "base_url": {"env": "BASE"},
            "auth": auth or [],
            "headers": {"Accept": "application/json", "X-Tenant": {"env": "TENANT"}},
        }
    )
    endpoint_headers: dict[str, Value] = {"X-Trace": SecretRef(env="TRACE"), "X-Page": "1"}
    return resolve_secrets(client, endpoint_headers, api="shop", environ=environ)


def test_all_values_are_read_and_none_is_shown() -> None:
    resolved = resolve(ENVIRON, OAUTH2)
    assert resolved.base_url == "https://api.example.com/v2"
    assert resolved.headers == {"Accept": "application/json", "X-Tenant": "v4lue-tenant"}
    assert resolved.endpoint_headers == {"X-Trace": "v4lue-trace", "X-Page": "1"}
    assert resolved.secret_values == {"v4lue-tenant", "v4lue-trace"}
    assert resolved.credentials is not None
    assert {"v4lue-secret", "v4lue-refresh", "v4lue-scope", "v4lue-audience"} <= resolved.credentials.secret_values
    assert "all" not in resolved.credentials.secret_values
    assert "v4lue" not in repr(resolved)


@pytest.mark.parametrize(
    "auth",
    [
        {"type": "api_key", "name": "key", "api_key": {"env": "SECRET"}, "location": "query"},
        {"type": "bearer", "token": {"env": "SECRET"}},
        {"type": "http_basic", "username": {"env": "ID"}, "password": {"env": "SECRET"}},
    ],
)
def test_static_credentials_are_not_shown(auth: dict[str, Any]) -> None:
    resolved = resolve(ENVIRON, auth)
    assert resolved.credentials is not None
    assert "v4lue-secret" in resolved.credentials.secret_values
    assert "v4lue" not in repr(resolved)


def test_api_without_auth_has_no_credentials() -> None:
    assert resolve(ENVIRON).credentials is None


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("BASE", "", "`client.base_url`: BASE is not set. An empty value counts as unset."),
        ("TENANT", " ", "`client.headers.X-Tenant`: TENANT is not set. An empty value counts as unset."),
        ("TRACE", "", "`endpoint.headers.X-Trace`: TRACE is not set. An empty value counts as unset."),
        ("TENANT", "v4lue\u2019", "`client.headers.X-Tenant`: TENANT contains characters that are not allowed in a h"),
        ("TRACE", "v4lu\u00e9", "`endpoint.headers.X-Trace`: TRACE contains characters that are not allowed in a hea"),
    ],
)
def test_error_names_the_key_and_the_variable_without_the_value(variable: str, value: str, expected: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        resolve({**ENVIRON, variable: value})
    assert str(caught.value).startswith(expected)
    assert "v4lu" not in str(caught.value)


def test_missing_credentials_are_reported_before_a_missing_url() -> None:
    with pytest.raises(CredentialsError, match="the credentials of shop are not set: oauth2 lacks ID, SECRET, "):
        resolve({}, OAUTH2)


@pytest.mark.parametrize("level", ["client", "endpoint"])
def test_secret_header_is_masked_in_the_error_of_a_load(level: str, shop: Shop) -> None:
    """The API repeats the header's value at the end of what a message quotes of its reason."""

    def quote_header(exchange: Exchange) -> Response:
        value = dict(exchange.request.headers)["x-key"]
        return Response(
            400, json.dumps({"error": f"{'x' * 190} {value}"}).encode(), {"Content-Type": "application/json"}
        )

    headers = {level: {"headers": {"X-Key": {"env": "KEY"}}}}
    server = FakeServer([Api("shop", [Endpoint("/rows", [{"id": 1}])])])
    server.faults.add(quote_header)
    with serve(server) as url:
        request = replace(shop.request(f"{url}/shop/rows", **headers), environ={"KEY": "v4lue-of-the-header"})
        with pytest.raises(ResponseError, match=r"returned 400 \(x{190} \*\*\*\)") as caught:
            load_table(request)
    assert "v4l" not in str(caught.value)
