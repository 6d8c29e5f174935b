"""Which alternative of `client.auth` is used, and what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from analytics_assets.rest_api.auth.alternatives import select_auth
from analytics_assets.rest_api.config import Client
from analytics_assets.rest_api.errors import CredentialsError

OAUTH2 = {
    "type": "oauth2",
    "client_id": {"env": "ID"},
    "client_secret": {"env": "SECRET"},
    "refresh_token": {"env": "REFRESH"},
    "token_url": {"env": "URL"},
}
CLIENT_CREDENTIALS = {name: value for name, value in OAUTH2.items() if name != "refresh_token"}
API_KEY = {"type": "api_key", "name": "api_key", "api_key": {"env": "KEY"}, "location": "query"}
LITERAL = {"type": "http_basic", "username": "public", "password": ""}


def client(*auth: dict[str, Any]) -> Client:
    return Client.model_validate({"base_url": "https://api.example.com", "auth": list(auth)})


@pytest.mark.parametrize(
    ("auth", "variables_set", "expected"),
    [
        ([], "", None),
        ([OAUTH2, API_KEY], "ID SECRET REFRESH URL", 0),
        ([OAUTH2, API_KEY], "ID SECRET REFRESH URL KEY", 0),
        ([OAUTH2, API_KEY], "KEY", 1),
        ([API_KEY, OAUTH2], "ID SECRET REFRESH URL KEY", 0),
        ([OAUTH2, CLIENT_CREDENTIALS], "ID SECRET URL", 1),
        ([OAUTH2, API_KEY, CLIENT_CREDENTIALS], "ID SECRET URL KEY", 1),
        ([CLIENT_CREDENTIALS, OAUTH2], "ID SECRET REFRESH URL", 0),
        ([LITERAL], "", 0),
        ([API_KEY, LITERAL], "", 1),
    ],
)
def test_first_alternative_that_is_fully_set_is_used(
    auth: list[dict[str, Any]], variables_set: str, expected: int | None
) -> None:
    config = client(*auth)
    selected = select_auth(config.auth, api="api", environ=dict.fromkeys(variables_set.split(), "v"))
    assert selected == (None if expected is None else config.auth[expected])


@pytest.mark.parametrize(
    ("auth", "environ", "expected"),
    [
        (
            [API_KEY, OAUTH2],
            {},
            "the credentials of api are not set: api_key lacks KEY; oauth2 lacks ID, SECRET, REFRESH, URL. "
            "Set all variables of one alternative. An empty value counts as unset.",
        ),
        (
            [API_KEY, OAUTH2],
            {"ID": "v4lue", "URL": "v4lue", "SECRET": "", "REFRESH": " "},
            "the credentials of api are partially set: oauth2 lacks SECRET, REFRESH (ID, URL set); api_key lacks KEY. "
            "Set the missing variables, or unset the others. An empty value counts as unset.",
        ),
        (
            [OAUTH2, API_KEY],
            {"ID": "v4lue", "KEY": "v4lue"},
            "the credentials of api are partially set: oauth2 lacks SECRET, REFRESH, URL (ID set). "
            "Set the missing variables, or unset the others. An empty value counts as unset.",
        ),
        (
            [API_KEY, OAUTH2],
            {"REFRESH": "v4lue", "KEY": "v4lue"},
            "the credentials of api are partially set: oauth2 lacks ID, SECRET, URL (REFRESH set). "
            "Set the missing variables, or unset the others. An empty value counts as unset.",
        ),
    ],
)
def test_missing_variables_are_named(auth: list[dict[str, Any]], environ: dict[str, str], expected: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        select_auth(client(*auth).auth, api="api", environ=environ)
    assert str(caught.value) == expected
