"""Every kind of credentials, and token endpoints with the peculiarities of real ones."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

import pytest

from analytics_assets_tests.fake_api import ApiKey, Auth, Bearer, Endpoint, HttpBasic, OAuth2, serve_endpoint
from analytics_assets_tests.support.http_client import Query, get, post_form

ORDERS = Endpoint("/orders", [{"id": 1}])
CLIENT = ("client", "s3cret")
GRANT = {"grant_type": "client_credentials", "client_id": "client", "client_secret": "s3cret"}


def basic(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


def token_url(url: str) -> str:
    return url.replace("/orders", "/oauth/token")


@dataclass(frozen=True)
class CredentialCase:
    """A kind of credentials, a request that carries them, and one that carries wrong ones."""

    auth: Auth
    query: Query = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    wrong_query: Query = field(default_factory=dict)
    wrong_headers: dict[str, str] = field(default_factory=dict)


CREDENTIALS = {
    "query": CredentialCase(ApiKey("k3y"), query={"api_key": "k3y"}, wrong_query={"api_key": "key"}),
    "header": CredentialCase(
        ApiKey("k3y", "X-Key", "header"), headers={"x-key": "k3y"}, wrong_headers={"X-Key": "k3y2"}
    ),
    "cookie": CredentialCase(
        ApiKey("k3y", "sid", "cookie"), headers={"Cookie": "a=b; sid=k3y"}, wrong_headers={"Cookie": "sid=b"}
    ),
    "bearer": CredentialCase(
        Bearer("t0ken"), headers={"Authorization": "Bearer t0ken"}, wrong_headers={"Authorization": "Basic t0ken"}
    ),
    "basic": CredentialCase(
        HttpBasic("ann", "p:w"),
        headers={"Authorization": basic("ann:p:w")},
        wrong_headers={"Authorization": basic("ann:p")},
    ),
}


@pytest.mark.parametrize("case", CREDENTIALS.values(), ids=CREDENTIALS)
def test_only_the_right_credentials_are_accepted(case: CredentialCase) -> None:
    with serve_endpoint(ORDERS, auth=case.auth) as (server, url):
        assert get(url, case.query, **case.headers).status == 200
        assert get(url).status == 401
        assert get(url, case.wrong_query, **case.wrong_headers).status == 401
    first, *others = [record.user for record in server.requests]
    assert first
    assert others == [None, None]


@dataclass(frozen=True)
class TokenCase:
    """A token request and its response, without the token."""

    auth: OAuth2
    body: dict[str, Any]
    status: int = 200
    form: Query = field(default_factory=lambda: GRANT)
    headers: dict[str, str] = field(default_factory=dict)


TOKEN_RESPONSES = {
    "by default": TokenCase(OAuth2(*CLIENT), {"expires_in": 3600}),
    "status 201": TokenCase(OAuth2(*CLIENT, status=201, lifetime=5), {"expires_in": 5}, 201),
    "lifetime as text": TokenCase(OAuth2(*CLIENT, lifetime_as="text"), {"expires_in": "3600"}),
    "no lifetime": TokenCase(OAuth2(*CLIENT, lifetime_as="absent"), {}),
    "wrong secret": TokenCase(OAuth2(*CLIENT), {"error": "invalid_client"}, 401, form={**GRANT, "client_secret": "x"}),
    "other grant": TokenCase(
        OAuth2(*CLIENT), {"error": "unsupported_grant_type"}, 400, form={**GRANT, "grant_type": "password"}
    ),
    "unknown scope": TokenCase(OAuth2(*CLIENT), {"error": "invalid_scope"}, 400, form={**GRANT, "scope": "all"}),
    "unknown field": TokenCase(OAuth2(*CLIENT), {"error": "invalid_request"}, 400, form={**GRANT, "extra": "x"}),
    "header instead of body": TokenCase(
        OAuth2(*CLIENT), {"error": "invalid_client"}, 401, headers={"Authorization": basic("client:s3cret")}
    ),
    "scope": TokenCase(OAuth2(*CLIENT, fields={"scope": "all"}), {"expires_in": 3600}, form={**GRANT, "scope": "all"}),
    "missing scope": TokenCase(OAuth2(*CLIENT, fields={"scope": "all"}), {"error": "invalid_scope"}, 400),
    "body instead of header": TokenCase(OAuth2(*CLIENT, client_auth="basic"), {"error": "invalid_client"}, 401),
    "header": TokenCase(
        OAuth2("cli:ent", "s3 cret", client_auth="basic"),
        {"expires_in": 3600},
        form={"grant_type": "client_credentials"},
        headers={"Authorization": basic("cli%3Aent:s3+cret")},
    ),
    "not a form": TokenCase(
        OAuth2(*CLIENT), {"error": "invalid_request"}, 400, headers={"Content-Type": "application/json"}
    ),
}


@pytest.mark.parametrize("case", TOKEN_RESPONSES.values(), ids=TOKEN_RESPONSES)
def test_token_endpoint_responds_as_configured(case: TokenCase) -> None:
    with serve_endpoint(ORDERS, auth=case.auth) as (_, url):
        response = post_form(token_url(url), case.form, **case.headers)
    body = response.json()
    if "error" not in body:
        assert body.pop("access_token")
        assert body.pop("token_type") == "Bearer"
    assert (response.status, body) == (case.status, case.body)


def test_access_token_is_rejected_after_its_uses() -> None:
    with serve_endpoint(ORDERS, auth=OAuth2(*CLIENT, token_uses=2)) as (_, url):
        first, second = (f"Bearer {post_form(token_url(url), GRANT).json()['access_token']}" for _ in range(2))
        assert [get(url, Authorization=first).status for _ in range(3)] == [200, 200, 401]
        assert get(url, Authorization=second).status == 200
