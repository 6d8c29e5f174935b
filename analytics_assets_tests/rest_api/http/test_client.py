"""The HTTP client: retries, backoff, Retry-After, rate limit, token refresh, metrics, response size."""

from __future__ import annotations

import gzip
import json
import socket
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from analytics_assets.rest_api.auth.tokens import TokenRequest
from analytics_assets.rest_api.config import ErrorHandler
from analytics_assets.rest_api.errors import CredentialsError, ResponseError, UnavailableError
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.rate_limiter import RateLimiter
from analytics_assets.rest_api.http.request import Request
from analytics_assets_tests.fake_api import ApiKey, Bearer, Fault, OAuth2, faults, serve_endpoint
from analytics_assets_tests.support.auth import BEARER, BODY, OAUTH, QUERY_KEY, ROWS, SECRET, authenticated_client
from analytics_assets_tests.support.clock import Clock


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize(
    ("handler", "retried"),
    [
        (ErrorHandler(), {429, 500, 502, 503, 504}),
        (ErrorHandler(retry_on_status_codes=frozenset({404, 520})), {404, 520}),
        (ErrorHandler(retry_on_status_codes=frozenset()), set()),
        (ErrorHandler(max_retries=0), set()),
    ],
)
def test_only_the_statuses_of_error_handler_are_retried(clock: Clock, handler: ErrorHandler, retried: set[int]) -> None:
    statuses = [400, 402, 403, 404, 405, 408, 409, 410, 418, 422, 425, 429, 451, 500, 501, 502, 503, 504, 520, 599]
    with serve_endpoint(ROWS) as (sandbox, url):
        client = HttpClient(url, error_handler=handler)
        for status in statuses:
            sandbox.requests.clear()
            sandbox.faults.clear()
            sandbox.faults.add(faults.status(status), times=None)
            assert client.send(Request(url)).status == status
            assert len(sandbox.requests) == (4 if status in retried else 1), status


def test_closed_client_sends_nothing(clock: Clock) -> None:
    """A thread may be waiting for a retry while the load fails in another thread."""
    with serve_endpoint(ROWS) as (sandbox, url):
        client = HttpClient(url)
        clock.during_wait = client.close
        sandbox.faults.add(faults.status(503), times=None)
        with pytest.raises(UnavailableError, match="was not sent: the load is over"):
            client.send(Request(url))
        assert len(sandbox.requests) == 1


BROKEN_RESPONSES: list[tuple[Fault, str]] = [
    (faults.close(), "the connection was closed before the response was complete"),
    (faults.reset(), "the connection was closed before the response was complete"),
    (faults.drop_response(), "the connection was closed before the response was complete"),
    (faults.cut(), "the connection was closed before the response was complete"),
    (faults.cut(0), "the connection was closed before the response was complete"),
    (faults.raw(b"what?\r\n\r\n"), "the response is not valid HTTP"),
    (faults.body(b"{}", headers={"Content-Encoding": "gzip"}), "the compressed body is corrupt"),
    (faults.slow(3600), "no data within the read timeout"),
]


@pytest.mark.parametrize(("kind", "problem"), BROKEN_RESPONSES)
def test_broken_connection_is_retried_then_an_error_without_query_or_secret(
    clock: Clock, kind: Fault, problem: str
) -> None:
    with serve_endpoint(ROWS) as (sandbox, url):
        client = HttpClient(url, read_timeout=0.2)
        sandbox.faults.add(kind, times=2)
        assert json.loads(client.send(Request(url, params={"q": SECRET})).body) == BODY
        assert (client.metrics.requests, client.metrics.retries) == (3, 2)
        sandbox.faults.clear()
        sandbox.faults.add(kind, times=None)
        with pytest.raises(ResponseError) as caught:
            client.send(Request(url, params={"q": SECRET}, headers={"X-Secret": SECRET}))
    assert str(caught.value) == f"GET {url} failed after 4 attempts: {problem}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert len(clock.waits) == 5


def test_refused_connection_is_retried(clock: Clock) -> None:
    base = f"http://127.0.0.1:{unused_port()}"
    with pytest.raises(ResponseError, match=f"^GET {base}/rows failed after 4 attempts: the connection was refused$"):
        HttpClient(base).send(Request(f"{base}/rows", params={"q": SECRET}))


def test_connect_timeout_ends_the_wait_for_a_server_that_accepts_no_connection(clock: Clock) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        with socket.create_connection(address):  # fills the backlog: the kernel accepts no other connection
            client = HttpClient(f"http://{address[0]}:{address[1]}", connect_timeout=0.1)
            with pytest.raises(ResponseError, match="no connection within the connect timeout"):
                client.send(Request(client.url("rows")))


@pytest.mark.parametrize(
    ("handler", "ceilings"),
    [
        (ErrorHandler(), [2, 4, 8]),
        (ErrorHandler(backoff_factor=0.5, max_retries=4), [0.5, 1, 2, 4]),
        (ErrorHandler(backoff_factor=0), [0, 0, 0]),
        (ErrorHandler(backoff_factor=30, max_retries=5), [30, 60, 120, 120, 120]),
    ],
)
def test_backoff_is_exponential_capped_and_jittered(clock: Clock, handler: ErrorHandler, ceilings: list[float]) -> None:
    with serve_endpoint(ROWS) as (sandbox, url):
        sandbox.faults.add(faults.status(500), times=None)
        client = HttpClient(url, error_handler=handler)
        client.send(Request(url))
        client.send(Request(url))
    assert client.metrics.waited_seconds == pytest.approx(sum(clock.waits))
    first, second = clock.waits[: len(ceilings)], clock.waits[len(ceilings) :]
    assert all(wait <= ceiling <= 2 * wait for wait, ceiling in zip(first, ceilings, strict=True))
    assert first != second or not handler.backoff_factor


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        (60.0, 60),  # sent as a date
        (-60.0, 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 300),
        ("3600", 300),
        ("9" * 5000, 300),
        ("nonsense", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        ("Mon, 01 Jan 99999999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_honoured_up_to_the_cap(
    clock: Clock, status: int, retry_after: str | float, wait: float | None
) -> None:
    with serve_endpoint(ROWS) as (sandbox, url):
        value = formatdate(clock.now + retry_after, usegmt=True) if isinstance(retry_after, float) else retry_after
        sandbox.faults.add(faults.status(status, headers={"Retry-After": value}))
        client = HttpClient(url)
        assert client.send(Request(url)).status == 200
    [waited] = clock.waits
    assert client.metrics.waited_seconds == waited
    if wait is None:
        assert 1 <= waited <= 2
    else:
        assert waited == pytest.approx(wait, abs=1)  # dates are in whole seconds


def test_max_retry_after_raises_the_cap(clock: Clock) -> None:
    with serve_endpoint(ROWS) as (sandbox, url):
        sandbox.faults.add(faults.status(429, headers={"Retry-After": "80000"}))
        HttpClient(url, error_handler=ErrorHandler(max_retry_after=86_400)).send(Request(url))
    assert clock.waits == [80_000]


def test_429_pauses_all_threads_of_the_client(clock: Clock) -> None:
    with serve_endpoint(ROWS) as (sandbox, url):
        sandbox.faults.add(faults.status(429, headers={"Retry-After": "30"}))
        client = HttpClient(url)

        def another() -> None:
            clock.during_wait = lambda: None
            client.send(Request(url))

        clock.during_wait = another
        client.send(Request(url))
    assert clock.waits[:2] == [30, 30]


def test_rate_limit_spaces_requests_evenly(clock: Clock) -> None:
    with serve_endpoint(ROWS) as (_, url):
        client = HttpClient(url, max_requests_per_second=4)
        for _ in range(5):
            client.send(Request(url))
    assert clock.waits == [0.25] * 4
    assert client.metrics.waited_seconds == 1
    assert RateLimiter(None).wait() == 0


def test_token_that_expires_during_a_wait_is_refreshed(clock: Clock, tmp_path: Path) -> None:
    oauth = OAuth2("id", "secret", lifetime=60)
    with authenticated_client(OAUTH, oauth, tmp_path, clock) as (sandbox, client, url):
        sandbox.faults.add(faults.status(429, headers={"Retry-After": "120"}))
        assert client.send(Request(url)).status == 200
        paths = [(record.request.path, record.status) for record in sandbox.requests]
    token, rows = "/shop/oauth/token", "/shop/rows"
    assert paths == [(token, 200), (rows, 429), (token, 200), (rows, 200)]


def test_rejected_token_is_refreshed_once(clock: Clock, tmp_path: Path) -> None:
    with authenticated_client(OAUTH, OAuth2("id", "secret", token_uses=1), tmp_path, clock) as (sandbox, client, url):
        assert [client.send(Request(url)).status for _ in range(2)] == [200, 200]
        assert [record.status for record in sandbox.requests] == [200, 200, 401, 200, 200]
        sandbox.faults.add(faults.status(401), times=None)
        sandbox.requests.clear()
        with pytest.raises(CredentialsError, match=r"/rows returned 401 .*SHOP_CLIENT_ID, SHOP_CLIENT_SECRET"):
            client.send(Request(url, params={"q": SECRET}))
        requests = [record for record in sandbox.requests if record.request.path == "/shop/rows"]
    assert len(requests) == 2
    assert clock.waits == []


@pytest.mark.parametrize(
    ("auth", "api_auth", "name"),
    [(BEARER, Bearer(SECRET), "SHOP_API_TOKEN"), (QUERY_KEY, ApiKey(SECRET, name="key"), "SHOP_API_KEY")],
)
def test_401_to_a_static_credential_names_its_variable(
    clock: Clock, tmp_path: Path, auth: dict[str, Any], api_auth: ApiKey | Bearer, name: str
) -> None:
    with authenticated_client(auth, api_auth, tmp_path, clock) as (sandbox, client, url):
        assert client.send(Request(url)).status == 200
        sandbox.faults.add(faults.status(401), times=None)
        with pytest.raises(CredentialsError, match=rf"returned 401 \(unauthorized\)\. Check {name}:") as caught:
            client.send(Request(url))
    assert len(sandbox.requests) == 2
    assert SECRET not in str(caught.value)


def test_401_is_returned_for_an_api_without_credentials(clock: Clock) -> None:
    with serve_endpoint(ROWS) as (sandbox, url):
        sandbox.faults.add(faults.status(401))
        assert HttpClient(url).send(Request(url)).status == 401


def test_metrics_count_requests_retries_waits_and_bytes(clock: Clock) -> None:
    plain = json.dumps(BODY).encode()
    compressed = faults.body(gzip.compress(plain), headers={"Content-Encoding": "gzip"})
    error = b'{"error":"fault 429"}'
    with serve_endpoint(ROWS) as (sandbox, url):
        sandbox.faults.add(compressed)
        sandbox.faults.add(faults.status(429, headers={"Retry-After": "3"}))
        client = HttpClient(url)
        assert client.send(Request(url)).body == plain
        client.send(Request(url))
        assert sandbox.requests[0].request.headers["accept-encoding"] == "gzip"
    metrics = client.metrics
    assert (metrics.requests, metrics.retries, metrics.waited_seconds) == (3, 1, 3)
    assert metrics.bytes_received == len(plain) + len(error) + len(
        json.dumps(BODY, ensure_ascii=False, separators=(",", ":")).encode()
    )


def test_client_is_safe_to_share_between_threads() -> None:
    with serve_endpoint(ROWS) as (sandbox, url):
        client = HttpClient(url)
        with ThreadPoolExecutor(4) as threads:
            bodies = list(threads.map(lambda _: client.send(Request(url)).body, range(40)))
    assert len(set(bodies)) == 1
    assert client.metrics.requests == len(sandbox.requests) == 40


@pytest.mark.parametrize(
    ("kind", "requests", "status"),
    [
        (faults.status(503), 2, 200),
        (faults.status(400), 1, 400),
        (faults.status(302, headers={"Location": "/elsewhere"}), 1, 302),
        (faults.drop_response(), 1, None),  # the server may have received it and used up a refresh token
    ],
)
def test_post_is_retried_only_if_the_server_cannot_have_received_it(
    clock: Clock, kind: Fault, requests: int, status: int | None
) -> None:
    fields = {"grant_type": "client_credentials", "client_id": "id", "client_secret": SECRET}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    with serve_endpoint(ROWS, auth=OAuth2("id", SECRET)) as (sandbox, url):
        token_url = url.replace("/rows", "/oauth/token")
        request = TokenRequest("POST", token_url, headers, urlencode(fields).encode())
        sandbox.faults.add(kind, path="/oauth/token")
        client = HttpClient(url)
        if status is None:
            with pytest.raises(ResponseError, match=f"^POST {token_url} failed after 1 attempt:"):
                client.send_token_request(request)
        else:
            assert client.send_token_request(request).status == status
    assert len(sandbox.requests) == requests
    with pytest.raises(ResponseError, match="failed after 4 attempts: the connection was refused"):
        client.send_token_request(replace(request, url=f"http://127.0.0.1:{unused_port()}/token"))


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("over", [0, 1])
def test_response_is_limited_to_max_page_bytes(encoding: str, over: int) -> None:
    """Before and after decompression; the connection of an aborted response is not reused."""
    content = bytes(10_000 + over)
    compressed = gzip.compress(content) if encoding == "gzip" else content
    headers = {"Content-Encoding": encoding, "Content-Length": str(len(compressed))}
    with serve_endpoint(ROWS) as (sandbox, url):
        sandbox.faults.add(faults.body(compressed, headers=headers))
        client = HttpClient(url, max_page_bytes=10_000)
        if over:
            with pytest.raises(ResponseError, match=r"longer than 10000 bytes\. .*increase `client\.max_page_bytes`"):
                client.send(Request(url))
        else:
            assert client.send(Request(url)).body == content
        assert json.loads(client.send(Request(url)).body) == BODY
        assert len(sandbox.requests) == 2


def test_gzip_bomb_does_not_fill_the_memory() -> None:
    """A gigabyte in a megabyte is decompressed up to `max_page_bytes` only."""
    bomb = 1_000 * gzip.compress(bytes(1_000_000))
    headers = {"Content-Encoding": "gzip", "Content-Length": str(len(bomb))}
    with serve_endpoint(ROWS) as (sandbox, url):
        sandbox.faults.add(faults.body(bomb, headers=headers))
        tracemalloc.start()
        with pytest.raises(ResponseError, match="longer than 1000000 bytes"):
            HttpClient(url, max_page_bytes=1_000_000).send(Request(url))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 30_000_000
