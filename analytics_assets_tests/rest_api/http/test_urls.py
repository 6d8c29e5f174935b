"""The HTTP client: URLs, queries, proxies, redirects and links, and where credentials are never sent."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.auth.tokens import TokenRequest
from analytics_assets.rest_api.config import ErrorHandler
from analytics_assets.rest_api.errors import ConfigError, ResponseError
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.request import Request
from analytics_assets_tests.fake_api import ApiKey, Bearer, faults, serve_endpoint
from analytics_assets_tests.support.auth import BEARER, BODY, QUERY_KEY, ROWS, SECRET, authenticated_client
from analytics_assets_tests.support.clock import Clock


@contextmanager
def raw_server(response: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that sends the same bytes to every client; yields its address and the requests received."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve_all() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    received.append(connection.recv(65536))
                    connection.sendall(response)

        thread = threading.Thread(target=serve_all)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}", received
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_redirects_on_the_same_host_are_followed(clock: Clock, tmp_path: Path) -> None:
    with authenticated_client(BEARER, Bearer(SECRET), tmp_path, clock) as (sandbox, client, url):
        for status in (301, 302, 303, 307, 308):
            for location in ("/shop/rows?q=1", "rows?q=2", f"{url}?q=3"):
                sandbox.faults.add(faults.status(status, headers={"Location": location}))
                assert json.loads(client.send(Request(url)).body) == BODY
        assert client.metrics.requests == 30
        sandbox.faults.add(faults.status(302, headers={"Location": "/shop/rows"}), times=None)
        with pytest.raises(ResponseError, match="more than 5 redirects"):
            client.send(Request(url, params={"q": SECRET}))
    assert client.metrics.requests == 36


@pytest.mark.parametrize(("auth", "api_auth"), [(BEARER, Bearer(SECRET)), (QUERY_KEY, ApiKey(SECRET, name="key"))])
def test_credentials_do_not_follow_a_redirect_or_a_link_to_another_host(
    clock: Clock, tmp_path: Path, auth: dict[str, Any], api_auth: Bearer | ApiKey
) -> None:
    with (
        serve_endpoint(ROWS) as (other, elsewhere),
        authenticated_client(auth, api_auth, tmp_path, clock) as (sandbox, client, url),
    ):
        port = url.split(":")[2].partition("/")[0]
        for location in (
            elsewhere,
            elsewhere.removeprefix("http:"),
            url.replace("http:", "https:"),
            "//[",
            "//h:99999",
        ):
            sandbox.faults.add(faults.status(302, headers={"Location": location}))
            with pytest.raises(ResponseError, match="redirect"):
                client.send(Request(url))
            with pytest.raises(ResponseError, match="link"):
                client.next_page_url(location, found_at=url)
        for found, link in {
            "?q=1": f"{url}?q=1",
            "/shop/rows?q=2": f"{url}?q=2",
            f"//127.0.0.1:{port}/shop/rows": url,
            f"HTTP://127.0.0.1:{port}/shop/rows": f"HTTP://127.0.0.1:{port}/shop/rows".replace("HTTP", "http"),
        }.items():
            assert client.next_page_url(found, found_at=url) == link
    assert other.requests == []


def test_key_in_the_query_is_sent_once_and_the_rest_of_a_link_is_not_changed(clock: Clock, tmp_path: Path) -> None:
    with authenticated_client(QUERY_KEY, ApiKey(SECRET, name="key"), tmp_path, clock) as (sandbox, client, url):
        assert client.send(Request(f"{url}?key=old&q=a%20b")).status == 200
        assert client.send(Request(f"{url}?q=a+b%2Fc#part")).status == 200
        assert client.send(Request(f"{url}?q=1", params={"q": "2"})).status == 200
        queries = [record.request.query for record in sandbox.requests]
    assert queries == [{"q": q, "key": SECRET} for q in ("a b", "a b/c", "2")]


def test_query_and_path_are_sent_byte_by_byte() -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}") as (address, received):
        client = HttpClient(f"http://{address}/v2/")
        client.send(Request(client.url("/v1/a%2Fb%20c;d=1/~e")))
        client.send(Request(client.url("v1/rows?x=a+b&flag&y=%C3%A9&filter[a]=1"), params={"cursor": "a b&c=/+é"}))
        client.send(Request(client.url("rows"), params={"filter[at][_gte]": "2026-10-01T00:00:00Z", "on": "><{a|b}"}))
    assert [request.split(b" HTTP")[0].decode() for request in received] == [
        "GET /v2/v1/a%2Fb%20c;d=1/~e",
        "GET /v2/v1/rows?x=a+b&flag&y=%C3%A9&filter%5Ba%5D=1&cursor=a%20b%26c%3D%2F%2B%C3%A9",
        "GET /v2/rows?filter%5Bat%5D%5B_gte%5D=2026-10-01T00%3A00%3A00Z&on=%3E%3C%7Ba%7Cb%7D",
    ]


def test_parameters_are_received_as_given() -> None:
    sent = {"q": "a b&c=/+é", "filter[at][_gte]": "%25{}"}
    with serve_endpoint(ROWS) as (sandbox, url):
        assert HttpClient(url).send(Request(url, params=sent)).status == 200
    assert sandbox.requests[0].request.query == sent


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://api.example.com", "/v1/users", "https://api.example.com/v1/users"),
        ("https://api.example.com/v2", "/v1/resource", "https://api.example.com/v2/v1/resource"),
        ("https://api.example.com/v2/", "v1/resource", "https://api.example.com/v2/v1/resource"),
        ("https://api.example.com/v2", "/users?active=1", "https://api.example.com/v2/users?active=1"),
        ("https://api.example.com/v2", "/a%2Fb/", "https://api.example.com/v2/a%2Fb/"),
        ("http://localhost:80", "users", "http://localhost:80/users"),
    ],
)
def test_path_is_appended_to_the_base_url(base: str, path: str, url: str) -> None:
    assert HttpClient(base).url(path) == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://api.example.com", "plain http"),
        ("http://localhost.example.com", "plain http"),
        ("http://10.0.0.1:8080", "plain http"),
        ("ftp://api.example.com", "must be a URL"),
        ("api.example.com", "must be a URL"),
        ("https://", "must be a URL"),
        ("https://api.example.com:99999", "must be a URL"),
        ("", "must be a URL"),
        ("https://user:password@api.example.com", "without user"),
    ],
)
def test_credentials_are_not_sent_unencrypted(url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=f"^base_url .*{problem}"):
        HttpClient(url)
    client = HttpClient("https://api.example.com")
    with pytest.raises(ConfigError, match=f"^token_url .*{problem}"):
        client.send_token_request(TokenRequest("POST", url, {}, SECRET.encode()))
    if problem == "plain http":
        assert HttpClient(url, allow_insecure_http=True).url("x") == f"{url}/x"


@pytest.mark.parametrize(
    "url", [f"https://{SECRET[:6]}@host", "https://me:pw@host", "https://host?k=1", "https://host#k"]
)
def test_base_url_from_the_environment_must_not_contain_credentials(url: str) -> None:
    """A path would be appended to its query, and its user would be ignored."""
    with pytest.raises(ConfigError, match=r"^base_url must be a URL without user, query and fragment: ") as caught:
        HttpClient(url)
    assert url.partition("//")[2] not in str(caught.value)
    client = HttpClient("https://api.example.com")
    if "@" in url:
        with pytest.raises(ConfigError, match=r"^token_url must be a URL without user"):
            client.send_token_request(TokenRequest("POST", url, {}, b""))


@pytest.mark.parametrize("base", ["http://localhost:8000", "http://127.0.0.1", "http://[::1]:8000"])
def test_plain_http_is_allowed_on_loopback(base: str) -> None:
    assert HttpClient(base).url("x") == f"{base}/x"


@pytest.mark.parametrize("scheme", ["", "http://", "http://us%40er:p%3Aw@"])
def test_proxy_from_the_environment_is_used_except_on_loopback(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    once = ErrorHandler(max_retries=0)
    with raw_server(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as (proxy, received):
        monkeypatch.setenv("HTTP_PROXY", f"{scheme}{proxy}")
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}{proxy}")
        plain = HttpClient("http://api.example.com", allow_insecure_http=True, error_handler=once)
        assert plain.send(Request(plain.url("rows"))).status == 503
        secure = HttpClient("https://api.example.com", error_handler=once)
        with pytest.raises(ResponseError, match="the proxy from the environment"):
            secure.send(Request(secure.url("rows")))
        with serve_endpoint(ROWS) as (_, url):
            assert HttpClient(url).send(Request(url)).status == 200
        monkeypatch.setenv("NO_PROXY", "invalid")
        bypassed = HttpClient("http://api.invalid", allow_insecure_http=True, error_handler=once)
        with pytest.raises(ResponseError):
            bypassed.send(Request(bypassed.url("rows")))
    assert [request.partition(b" HTTP")[0] for request in received] == [
        b"GET http://api.example.com/rows",
        b"CONNECT api.example.com:443",
    ]
    assert all((b"Basic dXNAZXI6cDp3" in request) is ("@" in scheme) for request in received)  # us@er:p:w


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://[", "ftp://p"])
def test_invalid_proxy_is_an_error_that_names_the_variable(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(ConfigError, match="HTTPS_PROXY must be the URL of a proxy"):
        HttpClient("https://api.example.com")
