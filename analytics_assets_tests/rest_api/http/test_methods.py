"""Requests with a body: bodies, retries, redirects and credentials of requests that read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analytics_assets.rest_api.auth.authenticator import build_authenticator
from analytics_assets.rest_api.auth.file_token_store import FileTokenStore
from analytics_assets.rest_api.errors import ResponseError, UnavailableError
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.request import Request
from analytics_assets_tests.fake_api import Api, Endpoint, FakeServer, Fault, OAuth2, faults, serve, serve_endpoint
from analytics_assets_tests.support.auth import OAUTH, resolve_credentials
from analytics_assets_tests.support.clock import Clock

BODY = b'{"q": "\xc3\xa9 {start}"}'
METHODS = ["GET", "POST", "PUT"]


def search(method: str) -> Endpoint:
    return Endpoint("/search", [{"id": 1}], method=method, params=frozenset({"q"}))


def request(url: str, method: str, body: bytes | None = BODY) -> Request:
    return Request(url, method, headers={"Content-Type": "application/json"}, body=body)


def received(server: FakeServer) -> list[tuple[str, bytes]]:
    return [(record.request.method, record.request.body) for record in server.requests]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("body", [BODY, b"", b"\x00\xff", b"[" + b"1," * 500_000 + b"1]"], ids=len)
def test_body_arrives_byte_by_byte_on_one_connection(method: str, body: bytes) -> None:
    with serve_endpoint(search(method), strict=False) as (server, url):
        client = HttpClient(url)
        for _ in range(3):
            client.send(request(url, method, body))
        assert received(server) == [(method, body)] * 3
        headers = server.requests[-1].request.headers
        assert headers["content-length"] == str(len(body))
        assert headers["content-type"] == "application/json"
        assert "expect" not in headers


def test_request_without_a_media_type_names_none() -> None:
    with serve_endpoint(search("POST")) as (server, url):
        HttpClient(url).send(Request(url, "POST"))
        assert "content-type" not in server.requests[0].request.headers
        assert server.requests[0].request.headers["content-length"] == "0"


def test_methods_of_one_client_do_not_mix() -> None:
    with serve_endpoint(search("POST")) as (server, url):
        client = HttpClient(url)
        sent = [("POST", b"{}"), ("GET", None), ("GET", b"[]"), ("PUT", b"{}"), ("GET", None), ("GET", b"{}")]
        for method, body in sent:
            client.send(Request(url, method, body=body))
        assert received(server) == [(method, body or b"") for method, body in sent]
        has_length = ["content-length" in record.request.headers for record in server.requests]
        assert has_length == [body is not None for _, body in sent]


TRANSIENT = [faults.status(503), faults.close(), faults.drop_response(), faults.cut(), faults.slow(3600)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fault", TRANSIENT)
def test_data_request_is_retried_even_if_it_was_received(clock: Clock, method: str, fault: Fault) -> None:
    with serve_endpoint(search(method)) as (server, url):
        client = HttpClient(url, read_timeout=0.2)
        server.faults.add(fault, times=2)
        assert json.loads(client.send(request(url, method)).body) == {"data": [{"id": 1}]}
        assert received(server) == [(method, BODY)] * 3
        assert client.metrics.retries == 2


def test_error_names_the_method_and_no_body(clock: Clock) -> None:
    with serve_endpoint(search("POST"), strict=False) as (server, url):
        server.faults.add(faults.close(), times=None)
        with pytest.raises(UnavailableError) as caught:
            HttpClient(url).send(request(f"{url}?token=s3cret", "POST"))
        assert str(caught.value).startswith(f"POST {url} failed after 4 attempts: the connection was closed")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("status", [307, 308])
def test_redirect_that_keeps_the_method_is_followed_with_the_body(method: str, status: int) -> None:
    with serve_endpoint(search(method)) as (server, url):
        server.faults.add(faults.status(status, headers={"Location": f"{url}?q=moved"}))
        assert HttpClient(url).send(request(url, method)).status == 200
        assert received(server) == [(method, BODY)] * 2
        assert server.requests[-1].request.query == {"q": "moved"}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("status", [301, 302, 303])
def test_redirect_that_would_turn_into_a_get_is_an_error(method: str, status: int) -> None:
    with serve_endpoint(search(method)) as (server, url):
        server.faults.add(faults.status(status, headers={"Location": f"{url}?token=s3cret"}))
        with pytest.raises(ResponseError) as caught:
            HttpClient(url).send(request(url, method))
        assert str(caught.value) == (
            f"{method} {url}: the API redirects with {status}, which would turn the {method} into a GET without its "
            f"body. Put the final URL ({method} {url}) into `client.base_url` and `endpoint.path`."
        )
        assert received(server) == [(method, BODY)]


@pytest.mark.parametrize("status", [301, 307])
def test_redirect_to_another_host_is_an_error(status: int) -> None:
    with serve_endpoint(search("POST")) as (server, url):
        server.faults.add(faults.status(status, headers={"Location": "http://localhost:1/search"}))
        with pytest.raises(ResponseError, match=f"^POST {url}: the API redirects to another host"):
            HttpClient(url).send(request(url, "POST"))


def test_data_request_is_signed_and_sent_again_after_401(clock: Clock, tmp_path: Path) -> None:
    server = FakeServer([Api("shop", [search("POST")], auth=OAuth2("id", "secret", token_uses=1))], clock=clock.time)
    with serve(server) as url:
        client = HttpClient(f"{url}/shop")
        client.auth = build_authenticator(
            resolve_credentials(OAUTH, server.variables(url)),
            store=FileTokenStore(tmp_path),
            send=client.send_token_request,
            clock=clock.time,
        )
        assert [client.send(request(client.url("search"), "POST")).status for _ in range(2)] == [200, 200]
    searches = [record for record in server.requests if record.request.path == "/shop/search"]
    assert [(record.status, record.request.body) for record in searches] == [(200, BODY), (401, BODY), (200, BODY)]
