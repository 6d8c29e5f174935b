"""API keys and OAuth2 of the sandbox: tokens expire, rotate and are revoked."""

from __future__ import annotations

from typing import Any

import pytest

from analytics_assets import sandbox
from analytics_assets.sandbox import OAuth2, OffsetPagination
from analytics_assets_tests.fake_api import Api, FakeServer, faults, serve, serve_endpoint
from analytics_assets_tests.support.http_client import HttpResponse, get, post_form

ORDERS = sandbox.Endpoint("/orders", [{"id": 1}], pagination=OffsetPagination())
CLIENT = ("client", "s3cret")
CLIENT_FIELDS = {"client_id": "client", "client_secret": "s3cret"}
GRANT = {"grant_type": "client_credentials", **CLIENT_FIELDS}
ROTATING = OAuth2(*CLIENT, refresh_token="refresh-0", rotate=True)


def token_url(url: str) -> str:
    return url.replace("/orders", "/oauth/token")


def refresh(url: str, token: str) -> HttpResponse:
    return post_form(token_url(url), {"grant_type": "refresh_token", "refresh_token": token, **CLIENT_FIELDS})


def test_each_of_several_credentials_is_accepted() -> None:
    with serve_endpoint(ORDERS, auth=(OAuth2(*CLIENT), sandbox.ApiKey("k3y"))) as (server, url):
        token = post_form(token_url(url), GRANT).json()["access_token"]
        assert get(url, {"api_key": "k3y"}).status == 200
        assert get(url, Authorization=f"Bearer {token}").status == 200
        assert get(url, {"api_key": "key"}).status == 401
        assert get(url, Authorization="Bearer access.none.9999999999.00.00").status == 401
        assert get(url).status == 401
    users = [record.user for record in server.requests if record.request.method == "GET"]
    assert users == ["api_key", "client", None, None, None]


@pytest.mark.parametrize(
    ("form", "status", "body"),
    [
        (GRANT, 200, {"expires_in": 3600}),
        ({**GRANT, "client_secret": "x"}, 401, {"error": "invalid_client"}),
        ({**GRANT, "grant_type": "password"}, 400, {"error": "unsupported_grant_type"}),
        ({**GRANT, "extra": "x"}, 400, {"error": "invalid_request"}),
        ({**GRANT, "refresh_token": "x"}, 400, {"error": "invalid_request"}),
    ],
)
def test_token_endpoint_follows_rfc_6749(form: dict[str, str], status: int, body: dict[str, Any]) -> None:
    with serve_endpoint(ORDERS, auth=OAuth2(*CLIENT)) as (_, url):
        response = post_form(token_url(url), form)
    found = response.json()
    if "error" not in found:
        assert found.pop("access_token")
        assert found.pop("token_type") == "Bearer"
    assert (response.status, found) == (status, body)


def test_access_token_expires() -> None:
    now = [1000.0]
    server = FakeServer([Api("shop", [ORDERS], auth=OAuth2(*CLIENT, lifetime=60))], clock=lambda: now[0])
    with serve(server) as url:
        orders = f"{url}/shop/orders"
        bearer = f"Bearer {post_form(token_url(orders), GRANT).json()['access_token']}"
        assert get(orders, Authorization=bearer).status == 200
        now[0] += 60
        assert get(orders, Authorization=bearer).status == 401


def test_refresh_token_stays_valid_unless_it_rotates() -> None:
    with serve_endpoint(ORDERS, auth=OAuth2(*CLIENT, refresh_token="refresh-0")) as (_, url):
        bodies = [refresh(url, "refresh-0").json() for _ in range(2)]
    assert all("refresh_token" not in body for body in bodies)
    assert bodies[0]["access_token"] != bodies[1]["access_token"]


def test_reuse_of_a_rotated_refresh_token_revokes_its_family() -> None:
    with serve_endpoint(ORDERS, auth=ROTATING) as (_, url):
        first = refresh(url, "refresh-0").json()
        second = refresh(url, first["refresh_token"]).json()
        access = f"Bearer {second['access_token']}"
        assert get(url, Authorization=access).status == 200
        assert refresh(url, first["refresh_token"]).json() == {"error": "invalid_grant"}
        assert refresh(url, second["refresh_token"]).json() == {"error": "invalid_grant"}
        assert refresh(url, "refresh-0").json() == {"error": "invalid_grant"}
        assert get(url, Authorization=access).status == 401


def test_rejected_request_does_not_use_up_the_refresh_token() -> None:
    with serve_endpoint(ORDERS, auth=ROTATING) as (server, url):
        server.faults.add(faults.status(503), path="/oauth/token")
        assert refresh(url, "refresh-0").status == 503
        assert post_form(token_url(url), {"grant_type": "refresh_token", "refresh_token": "refresh-0"}).status == 401
        assert refresh(url, "refresh-0").status == 200


def test_reusable_refresh_token_starts_a_new_family_each_time() -> None:
    auth = OAuth2(*CLIENT, refresh_token="refresh-0", rotate=True, reusable=True)
    with serve_endpoint(ORDERS, auth=auth) as (_, url):
        first, second = (refresh(url, "refresh-0").json()["refresh_token"] for _ in range(2))
        assert refresh(url, first).status == 200
        assert refresh(url, first).status == 400
        assert refresh(url, second).status == 200


def test_tokens_survive_a_restart_of_the_server() -> None:
    with serve_endpoint(ORDERS, auth=ROTATING) as (_, url):
        issued = refresh(url, "refresh-0").json()
    with serve_endpoint(ORDERS, auth=ROTATING) as (_, url):
        assert get(url, Authorization=f"Bearer {issued['access_token']}").status == 200
        assert refresh(url, issued["refresh_token"]).status == 200
        assert refresh(url, issued["refresh_token"]).status == 400


def test_new_authorization_starts_a_family_independent_of_a_revoked_one() -> None:
    with serve_endpoint(ORDERS, auth=ROTATING) as (server, url):
        assert [refresh(url, "refresh-0").status for _ in range(2)] == [200, 400]
        first, second = (server.authorize("shop") for _ in range(2))
        assert [refresh(url, first).status for _ in range(2)] == [200, 400]
        assert refresh(url, second).status == 200
