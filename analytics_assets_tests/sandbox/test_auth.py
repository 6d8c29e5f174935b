"""Every kind of credentials lets its owner in and nobody else; tokens expire, rotate and are revoked."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from analytics_assets.sandbox import Api, ApiKey, Bearer, Endpoint, HttpBasic, OAuth2, Sandbox, faults, serve
from analytics_assets.sandbox.auth import Auth
from analytics_assets_tests.support.http_client import Answer, Query, get, post_form, serving

ORDERS = Endpoint("/orders", [{"id": 1}])
CLIENT = ("client", "s3cret")
SENT_IN_BODY = {"client_id": "client", "client_secret": "s3cret"}
GRANT = {"grant_type": "client_credentials", **SENT_IN_BODY}


def basic(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("auth", "query", "headers", "wrong_query", "wrong_headers"),
    [
        (ApiKey("k3y"), {"api_key": "k3y"}, {}, {"api_key": "key"}, {}),
        (ApiKey("k3y", "X-Key", "header"), {}, {"x-key": "k3y"}, {}, {"X-Key": "k3y2"}),
        (ApiKey("k3y", "sid", "cookie"), {}, {"Cookie": "a=b; sid=k3y"}, {}, {"Cookie": "sid=b"}),
        (Bearer("t0ken"), {}, {"Authorization": "Bearer t0ken"}, {}, {"Authorization": "Basic t0ken"}),
        (HttpBasic("ann", "p:w"), {}, {"Authorization": basic("ann:p:w")}, {}, {"Authorization": basic("ann:p")}),
        (OAuth2(*CLIENT), {}, None, {}, {"Authorization": "Bearer access.none.9999999999.00.00"}),
    ],
)
def test_lets_in_who_has_the_credential(
    auth: Auth, query: Query, headers: dict[str, str] | None, wrong_query: Query, wrong_headers: dict[str, str]
) -> None:
    with serving(ORDERS, auth=auth) as (sandbox, url):
        if headers is None:
            headers = {"Authorization": f"Bearer {post_form(token_url(url), GRANT).json()['access_token']}"}
        assert get(url, query, **headers).status == 200
        assert get(url).status == 401
        assert get(url, wrong_query, **wrong_headers).status == 401
    who = [record.who for record in sandbox.requests if record.request.method == "GET"]
    assert who == [who[0], None, None]
    assert who[0]


def test_accepts_each_of_several_credentials() -> None:
    with serving(ORDERS, auth=(Bearer("t0ken"), ApiKey("k3y"))) as (sandbox, url):
        assert get(url, {"api_key": "k3y"}).status == 200
        assert get(url, Authorization="Bearer t0ken").status == 200
    assert [record.who for record in sandbox.requests] == ["api_key", "bearer"]


def token_url(url: str) -> str:
    return url.replace("/orders", "/oauth/token")


@pytest.mark.parametrize(
    ("auth", "form", "headers", "status", "answer"),
    [
        (OAuth2(*CLIENT), GRANT, {}, 200, {"expires_in": 3600}),
        (OAuth2(*CLIENT, status=201, lifetime=5), GRANT, {}, 201, {"expires_in": 5}),
        (OAuth2(*CLIENT, lifetime_as="text"), GRANT, {}, 200, {"expires_in": "3600"}),
        (OAuth2(*CLIENT, lifetime_as="absent"), GRANT, {}, 200, {}),
        (OAuth2(*CLIENT), {**GRANT, "client_secret": "x"}, {}, 401, {"error": "invalid_client"}),
        (OAuth2(*CLIENT), {**GRANT, "grant_type": "password"}, {}, 400, {"error": "unsupported_grant_type"}),
        (OAuth2(*CLIENT), {**GRANT, "scope": "all"}, {}, 400, {"error": "invalid_scope"}),
        (OAuth2(*CLIENT), {**GRANT, "extra": "x"}, {}, 400, {"error": "invalid_request"}),
        (OAuth2(*CLIENT), GRANT, {"Authorization": basic("client:s3cret")}, 401, {"error": "invalid_client"}),
        (OAuth2(*CLIENT, fields={"scope": "all"}), {**GRANT, "scope": "all"}, {}, 200, {"expires_in": 3600}),
        (OAuth2(*CLIENT, fields={"scope": "all"}), GRANT, {}, 400, {"error": "invalid_scope"}),
        (OAuth2(*CLIENT, client_auth="basic"), GRANT, {}, 401, {"error": "invalid_client"}),
        (
            OAuth2("cli:ent", "s3 cret", client_auth="basic"),
            {"grant_type": "client_credentials"},
            {"Authorization": basic("cli%3Aent:s3+cret")},
            200,
            {"expires_in": 3600},
        ),
        (OAuth2(*CLIENT), GRANT, {"Content-Type": "application/json"}, 400, {"error": "invalid_request"}),
    ],
)
def test_the_token_endpoint_answers_as_told(
    auth: OAuth2, form: Query, headers: dict[str, str], status: int, answer: dict[str, Any]
) -> None:
    with serving(ORDERS, auth=auth) as (_, url):
        response = post_form(token_url(url), form, **headers)
    body = response.json()
    if "error" not in body:
        assert body.pop("access_token")
        assert body.pop("token_type") == "Bearer"
    assert (response.status, body) == (status, answer)


def test_tokens_expire_by_the_clock_and_by_use() -> None:
    now = [1000.0]
    auth = OAuth2(*CLIENT, lifetime=60, token_uses=2)
    sandbox = Sandbox([Api("shop", [ORDERS], auth=auth)], clock=lambda: now[0])
    with serve(sandbox) as url:
        orders = f"{url}/shop/orders"
        tokens = [f"Bearer {post_form(token_url(orders), GRANT).json()['access_token']}" for _ in range(2)]
        assert [get(orders, Authorization=tokens[0]).status for _ in range(3)] == [200, 200, 401]
        assert get(orders, Authorization=tokens[1]).status == 200
        now[0] += 60
        assert get(orders, Authorization=tokens[1]).status == 401


ROTATING = OAuth2(*CLIENT, refresh_token="refresh-0", rotate=True)


def refresh(url: str, token: str) -> Answer:
    return post_form(token_url(url), {"grant_type": "refresh_token", "refresh_token": token, **SENT_IN_BODY})


def test_a_refresh_token_stays_unless_it_rotates() -> None:
    with serving(ORDERS, auth=OAuth2(*CLIENT, refresh_token="refresh-0")) as (_, url):
        answers = [refresh(url, "refresh-0").json() for _ in range(2)]
    assert all("refresh_token" not in answer for answer in answers)
    assert answers[0]["access_token"] != answers[1]["access_token"]


def test_reuse_of_a_rotated_refresh_token_revokes_its_family() -> None:
    with serving(ORDERS, auth=ROTATING) as (_, url):
        first = refresh(url, "refresh-0").json()
        second = refresh(url, first["refresh_token"]).json()
        access = f"Bearer {second['access_token']}"
        assert get(url, Authorization=access).status == 200
        assert refresh(url, first["refresh_token"]).json() == {"error": "invalid_grant"}
        assert refresh(url, second["refresh_token"]).json() == {"error": "invalid_grant"}
        assert refresh(url, "refresh-0").json() == {"error": "invalid_grant"}
        assert get(url, Authorization=access).status == 401


def test_a_refused_request_does_not_use_up_the_refresh_token() -> None:
    with serving(ORDERS, auth=ROTATING) as (sandbox, url):
        sandbox.faults.add(faults.status(503), path="/oauth/token")
        assert refresh(url, "refresh-0").status == 503
        assert post_form(token_url(url), {"grant_type": "refresh_token", "refresh_token": "refresh-0"}).status == 401
        assert refresh(url, "refresh-0").status == 200


def test_a_renewable_refresh_token_starts_a_new_family_each_time() -> None:
    auth = OAuth2(*CLIENT, refresh_token="refresh-0", rotate=True, renewable=True)
    with serving(ORDERS, auth=auth) as (_, url):
        mine, other = (refresh(url, "refresh-0").json()["refresh_token"] for _ in range(2))
        assert refresh(url, mine).status == 200
        assert refresh(url, mine).status == 400
        assert refresh(url, other).status == 200


def test_tokens_outlive_the_server_that_issued_them() -> None:
    with serving(ORDERS, auth=ROTATING) as (_, url):
        issued = refresh(url, "refresh-0").json()
    with serving(ORDERS, auth=ROTATING) as (_, url):
        assert get(url, Authorization=f"Bearer {issued['access_token']}").status == 200
        assert refresh(url, issued["refresh_token"]).status == 200
        assert refresh(url, issued["refresh_token"]).status == 400


def test_a_new_authorization_starts_a_family_that_does_not_depend_on_a_revoked_one() -> None:
    with serving(ORDERS, auth=ROTATING) as (sandbox, url):
        assert [refresh(url, "refresh-0").status for _ in range(2)] == [200, 400]
        [api] = sandbox.apis
        mine, other = (sandbox.authorize(api) for _ in range(2))
        assert [refresh(url, mine).status for _ in range(2)] == [200, 400]
        assert refresh(url, other).status == 200
