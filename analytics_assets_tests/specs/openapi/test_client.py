"""Servers and security schemes of OpenAPI documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analytics_assets_tests.specs.openapi.documents import TASK, converted, document, get, list_of

KEY = {"type": "apiKey", "in": "header", "name": "X-Api-Key"}
TOKEN_URL = "https://auth.example.com/token"
SCHEMES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "api key in a header": (
        KEY,
        {"type": "api_key", "name": "X-Api-Key", "api_key": {"env": "SHOP_API_KEY"}, "location": "header"},
    ),
    "api key in the query": (
        {**KEY, "in": "query"},
        {"type": "api_key", "name": "X-Api-Key", "api_key": {"env": "SHOP_API_KEY"}, "location": "query"},
    ),
    "prefix": (
        {**KEY, "name": "Authorization", "description": 'Token-based authentication with required prefix "Token"'},
        {
            "type": "api_key",
            "name": "Authorization",
            "api_key": {"env": "SHOP_API_KEY"},
            "location": "header",
            "prefix": "Token ",
        },
    ),
    "bearer": ({"type": "http", "scheme": "Bearer"}, {"type": "bearer", "token": {"env": "SHOP_API_TOKEN"}}),
    "basic": (
        {"type": "http", "scheme": "basic"},
        {"type": "http_basic", "username": {"env": "SHOP_USER"}, "password": {"env": "SHOP_PASSWORD"}},
    ),
    "client credentials": (
        {"type": "oauth2", "flows": {"implicit": {}, "clientCredentials": {"tokenUrl": TOKEN_URL, "scopes": {}}}},
        {
            "type": "oauth2",
            "client_id": {"env": "SHOP_CLIENT_ID"},
            "client_secret": {"env": "SHOP_CLIENT_SECRET"},
            "token_url": {"env": "SHOP_TOKEN_URL"},
        },
    ),
    "password": (
        {"type": "oauth2", "flows": {"password": {"tokenUrl": "/token", "scopes": {}}}},
        {
            "type": "oauth2",
            "grant_type": "password",
            "client_id": {"env": "SHOP_CLIENT_ID"},
            "client_secret": {"env": "SHOP_CLIENT_SECRET"},
            "username": {"env": "SHOP_USER"},
            "password": {"env": "SHOP_PASSWORD"},
            "token_url": {"env": "SHOP_TOKEN_URL"},
        },
    ),
    "refresh token": (
        {"type": "oauth2", "flows": {"authorizationCode": {"tokenUrl": TOKEN_URL, "scopes": {"read": ""}}}},
        {
            "type": "oauth2",
            "client_id": {"env": "SHOP_CLIENT_ID"},
            "client_secret": {"env": "SHOP_CLIENT_SECRET"},
            "refresh_token": {"env": "SHOP_REFRESH_TOKEN"},
            "token_url": {"env": "SHOP_TOKEN_URL"},
        },
    ),
}


def shop(schemes: dict[str, Any], security: Any = None, **paths: Any) -> dict[str, Any]:
    keys = {} if security is None else {"security": security}
    return document({"/tasks": get(list_of(TASK)), **paths}, components={"securitySchemes": schemes}, **keys)


@pytest.mark.parametrize(("scheme", "auth"), SCHEMES.values(), ids=SCHEMES)
def test_scheme_is_converted(scheme: dict[str, Any], auth: dict[str, Any], tmp_path: Path) -> None:
    result, _ = converted(shop({"main": scheme}, [{"main": []}]), tmp_path)
    assert result.attributes["client"]["auth"] == auth


def test_first_possible_alternative_is_used_and_others_are_named(tmp_path: Path) -> None:
    schemes = {"digest": {"type": "http", "scheme": "digest"}, "key": KEY, "basic": {"type": "http", "scheme": "basic"}}
    result, _ = converted(shop(schemes, [{"digest": []}, {"key": []}, {"basic": []}]), tmp_path)
    assert result.attributes["client"]["auth"]["type"] == "api_key"
    text = result.to_yaml()
    assert "# decide: the document names other credentials too: user name and password" in text
    assert "# not carried: authentication by http digest" in text
    assert result.is_whole


def test_authentication_that_is_not_possible_is_not_whole(tmp_path: Path) -> None:
    result, _ = converted(shop({"tls": {"type": "mutualTLS"}}, [{"tls": []}]), tmp_path)
    assert not result.is_whole


def test_two_keys_together(tmp_path: Path) -> None:
    schemes = {"key": KEY, "app": {**KEY, "name": "X-App"}}
    result, _ = converted(shop(schemes, [{"key": [], "app": []}]), tmp_path)
    assert result.attributes["client"]["headers"] == {"X-App": {"env": "SHOP_X_APP"}}


def test_endpoint_with_other_credentials_or_none(tmp_path: Path) -> None:
    other = {"/open": get(list_of(TASK), security=[]), "/admin": get(list_of(TASK), security=[{"basic": []}])}
    schemes = {"key": KEY, "basic": {"type": "http", "scheme": "basic"}}
    result, _ = converted(shop(schemes, [{"key": []}], **other, **{"/more": get(list_of(TASK))}), tmp_path)
    tasks, public, admin, _ = (each["endpoint"] for each in result.attributes["resources"])
    assert "auth" not in tasks
    assert public["auth"] is None
    assert admin["auth"]["type"] == "http_basic"


SERVERS = {
    "absolute": ("https://api.example.com/v1/", "https://api.example.com/v1", None),
    "relative": ("/api/v1", {"env": "SHOP_BASE_URL"}, "SHOP_BASE_URL ends in /api/v1"),
    "this machine": ("http://localhost:80", {"env": "SHOP_BASE_URL"}, "SHOP_BASE_URL is http://localhost:80 in"),
    "with a password": ("https://me:secret@example.com", {"env": "SHOP_BASE_URL"}, None),
    "not a URL": ("https://[", {"env": "SHOP_BASE_URL"}, None),
}


@pytest.mark.parametrize(("url", "expected", "comment"), SERVERS.values(), ids=SERVERS)
def test_server(url: str, expected: Any, comment: str | None, tmp_path: Path) -> None:
    result, _ = converted(document({"/tasks": get(list_of(TASK))}, servers=[{"url": url}]), tmp_path)
    assert result.attributes["client"]["base_url"] == expected
    assert (comment or "type:") in result.to_yaml()
    assert "secret" not in result.to_yaml()
