"""Headers that ask for a wait: quotas of rate limits before a 429, and times of a reset after one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import pytest

from analytics_assets.rest_api.auth.tokens import TokenRequest
from analytics_assets.rest_api.config import ErrorHandler
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.rate_limit_headers import MAX_FIELD_CHARS, Quota, read_quotas
from analytics_assets.rest_api.http.rate_limiter import MAX_INEFFECTIVE_PAUSES, RateLimiter
from analytics_assets.rest_api.http.request import Request
from analytics_assets.rest_api.http.response import Headers
from analytics_assets_tests.fake_api import Fault, faults, serve_endpoint
from analytics_assets_tests.support.auth import ROWS
from analytics_assets_tests.support.clock import Clock

NOW = datetime(2026, 11, 24, 11, tzinfo=timezone.utc).timestamp()


def quotas(headers: Mapping[str, str]) -> list[tuple[int, float]]:
    """What is left and the seconds until the reset, of headers as a server sends them."""
    lines = [f"{name}: {value}\r\n".encode() for name, value in headers.items()]
    return [(quota.remaining, quota.reset) for quota in read_quotas(Headers(lines))]


QUOTAS: list[tuple[dict[str, str], list[tuple[int, float]]]] = [
    # X-RateLimit-*: a duration, or a time in seconds or milliseconds, told apart by the number's size
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}, [(0, 30)]),
    ({"x-ratelimit-remaining": "7", "x-ratelimit-reset": f"{NOW + 60:.0f}"}, [(7, 60)]),
    ({"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": f"{(NOW + 60) * 1000:.0f}"}, [(7, 60)]),
    ({"X-RateLimit-Remaining": "7.5", "X-RateLimit-Reset": "1.5"}, [(7, 1.5)]),
    ({"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": "2026-11-24T12:00:00Z"}, [(7, 3600)]),
    ({"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": "2026-11-24T13:00:00+01:00"}, [(7, 3600)]),
    ({"X-Rate-Limit-Remaining": "7", "X-Rate-Limit-Reset": "30"}, [(7, 30)]),
    # draft-ietf-httpapi-ratelimit-headers-03
    ({"RateLimit-Limit": "100", "RateLimit-Remaining": "7", "RateLimit-Reset": "30"}, [(7, 30)]),
    # draft-ietf-httpapi-ratelimit-headers-07
    ({"RateLimit": "limit=100, remaining=7, reset=30", "RateLimit-Policy": "100;w=60"}, [(7, 30)]),
    # draft-ietf-httpapi-ratelimit-headers-08 and later
    ({"RateLimit": '"default";r=7;t=30'}, [(7, 30)]),
    ({"RateLimit": '"a;r=1,";r=7;t=30 , "day" ; r=0 ; t=600;pk=:cHNr:'}, [(7, 30), (0, 600)]),
    ({"RateLimit": '"default";r=0', "RateLimit-Policy": '"other";q=9;w=1, "default";q=100;w=60'}, [(0, 60)]),
    ({"RateLimit": '"default";r=0', "RateLimit-Policy": '"other";q=9;w=1'}, []),
    # Malformed, incomplete, over
    ({"X-RateLimit-Remaining": "0"}, []),
    ({"X-RateLimit-Reset": "30"}, []),
    ({"X-RateLimit-Remaining": "-1", "X-RateLimit-Reset": "30"}, []),
    ({"X-RateLimit-Remaining": "0, 5", "X-RateLimit-Reset": "30, 60"}, []),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}, []),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "0"}, []),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9" * 400}, []),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "٣٠"}, []),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{NOW - 60:.0f}"}, []),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2020-01-01T00:00:00Z"}, []),
    ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "0001-01-01T00:00:00+23:59"}, []),
    ({"RateLimit": "limit=100, remaining=0"}, []),
    ({"RateLimit": '"default";r=x;t=30'}, []),
    ({"RateLimit": '"default;r=0;t=30"'}, []),
    ({"RateLimit": f'"{"x" * MAX_FIELD_CHARS}";r=0;t=30'}, []),
    ({"RateLimit": '";;;=,,"' * 100}, []),
    ({"Content-Type": "application/json"}, []),
]


@pytest.mark.parametrize(("headers", "expected"), QUOTAS)
def test_quotas_of_all_header_forms_are_read(
    clock: Clock, headers: dict[str, str], expected: list[tuple[int, float]]
) -> None:
    clock.now = NOW
    assert quotas(headers) == expected


def used_up(remaining: int = 0, reset: str = "30") -> Fault:
    """A page with the headers of a rate limit."""
    return faults.headers({"X-RateLimit-Remaining": str(remaining), "X-RateLimit-Reset": reset})


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


# Before a 429


def test_request_after_the_last_one_of_a_quota_waits_for_the_reset(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with serve_endpoint(ROWS) as (server, url):
        client = HttpClient(url)
        lines_before_wait: list[int] = []
        clock.during_wait = lambda: lines_before_wait.append(len(warnings(caplog)))
        for remaining in (1, 0, 1):
            server.faults.add(used_up(remaining))
            client.send(Request(url))
        assert clock.waits == [30]
        assert client.metrics.waited_seconds == 30
        server.faults.add(used_up(0))
        client.send(Request(url))  # the last request of the load
    assert warnings(caplog) == ["X-RateLimit-Remaining says 0: all requests wait 30.0 s for its reset"]
    assert lines_before_wait == [1]  # the line is there while people wait
    assert [record.status for record in server.requests] == [200] * 4


@pytest.mark.parametrize(
    ("handler", "reset", "waits"),
    [
        (ErrorHandler(), "86400", [300]),
        (ErrorHandler(max_retry_after=5), "30", [5]),
        (ErrorHandler(max_retry_after=0), "30", []),
        (ErrorHandler(), f"{datetime(2028, 1, 1, tzinfo=timezone.utc).timestamp():.0f}", [300]),
        (ErrorHandler(), "1000000000", []),
        (ErrorHandler(), "nonsense", []),
        (ErrorHandler(respect_rate_limit_headers=False), "30", []),
    ],
)
def test_wait_for_a_reset_is_at_most_max_retry_after(
    clock: Clock, handler: ErrorHandler, reset: str, waits: list[float]
) -> None:
    with serve_endpoint(ROWS) as (server, url):
        server.faults.add(used_up(0, reset))
        client = HttpClient(url, error_handler=handler)
        client.send(Request(url))
        client.send(Request(url))
    assert clock.waits == waits


def test_quota_that_is_never_renewed_is_ignored_after_some_waits(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with serve_endpoint(ROWS) as (server, url):
        rule = server.faults.add(used_up(0), times=None)
        client = HttpClient(url)
        for _ in range(20):
            assert client.send(Request(url)).status == 200
        assert clock.waits == [30] * MAX_INEFFECTIVE_PAUSES
        wait_line = "X-RateLimit-Remaining says 0: all requests wait 30.0 s for its reset"
        assert warnings(caplog) == [wait_line] * MAX_INEFFECTIVE_PAUSES + [
            f"X-RateLimit-Remaining still says 0 after {MAX_INEFFECTIVE_PAUSES} waits for its reset: this load "
            "ignores it from now on, and waits when the API returns 429"
        ]
        rule.times = 0
        server.faults.add(faults.status(429, headers={"Retry-After": "7"}))
        client.send(Request(url))
    assert clock.waits[MAX_INEFFECTIVE_PAUSES:] == [7]


def test_quota_that_is_renewed_is_waited_for_each_time(clock: Clock) -> None:
    with serve_endpoint(ROWS) as (server, url):
        client = HttpClient(url)
        for remaining in [1, 0] * 10:
            server.faults.add(used_up(remaining))
            client.send(Request(url))
    assert clock.waits == [30] * 9


def test_requests_in_flight_count_as_sent(clock: Clock) -> None:
    """With three requests in flight, a response that leaves two of them no quota pauses the others."""
    limiter = RateLimiter(None)
    for _ in range(4):
        assert limiter.wait() == 0
    limiter.done()
    assert limiter.observe([Quota("RateLimit", 4, 30)]) is None
    assert limiter.wait() == 0
    limiter.done()
    assert limiter.observe([Quota("RateLimit", 3, 30)]) is None
    limiter.done()
    assert limiter.observe([Quota("RateLimit", 0, 60)]) is None  # sent before the pause: it does not extend it
    assert limiter.wait() == 30


def test_quota_that_never_leaves_enough_for_the_requests_in_flight_is_ignored_after_some_waits(clock: Clock) -> None:
    limiter, small = RateLimiter(None), [Quota("RateLimit", 1, 30)]
    limiter.wait()
    ignored = []
    for _ in range(10):
        limiter.wait()
        limiter.done()
        ignored.append(limiter.observe(small))
    assert clock.waits == [30] * MAX_INEFFECTIVE_PAUSES
    assert [quota for quota in ignored if quota] == small


def test_longest_reset_of_several_quotas_counts(clock: Clock) -> None:
    with serve_endpoint(ROWS) as (server, url):
        server.faults.add(faults.headers({"RateLimit": '"burst";r=0;t=1, "day";r=0;t=60, "month";r=9;t=600'}))
        client = HttpClient(url)
        client.send(Request(url))
        client.send(Request(url))
    assert clock.waits == [60]


def test_quota_of_another_host_is_not_that_of_the_api(clock: Clock) -> None:
    with serve_endpoint(ROWS) as (_, url), serve_endpoint(ROWS) as (other, token_url):
        other.faults.add(used_up(0))
        client = HttpClient(url)
        client.send_token_request(TokenRequest("GET", token_url, {}, None))
        client.send(Request(url))
    assert clock.waits == []


# After a 429


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}, 30),
        (429, {"RateLimit": '"a";r=0;t=30'}, 30),
        (429, {"RateLimit": '"a";r=0;t=30', "Retry-After": "7"}, 7),
        (429, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "3600"}, 300),
        (429, {"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "30"}, None),
        (503, {"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "30"}, None),
    ],
)
def test_429_without_retry_after_waits_for_the_reset_of_the_quota(
    clock: Clock, status: int, headers: dict[str, str], wait: float | None
) -> None:
    with serve_endpoint(ROWS) as (server, url):
        server.faults.add(faults.status(status, headers=headers))
        assert HttpClient(url).send(Request(url)).status == 200
    [waited] = clock.waits
    assert 1 <= waited <= 2 if wait is None else waited == wait


def backoff(format: str, **more: Any) -> ErrorHandler:
    return ErrorHandler.model_validate({"backoff": {"wait_header": "X-Reset", "format": format}, **more})


RETRY_403 = {"response_actions": [{"status_code": 403, "action": "retry"}], "retry_on_status_codes": [429, 500]}


@pytest.mark.parametrize(
    ("handler", "status", "headers", "wait"),
    [
        (backoff("seconds"), 429, {"X-Reset": "7"}, 7),
        (backoff("seconds"), 429, {"x-reset": " 7.5 "}, 7.5),
        (backoff("seconds"), 429, {"X-Reset": "7", "Retry-After": "9"}, 9),
        (backoff("seconds"), 429, {"X-Reset": "7", "Retry-After": "soon"}, 7),
        (backoff("seconds"), 429, {"X-Reset": "86400"}, 300),
        (backoff("seconds", max_retry_after=5), 429, {"X-Reset": "7"}, 5),
        (backoff("epoch_s"), 429, {"X-Reset": f"{NOW + 60:.0f}"}, 60),
        (backoff("iso8601"), 429, {"X-Reset": "2026-11-24T11:01:00.000Z"}, 60),
        (backoff("iso8601"), 429, {"X-Reset": "2026-11-24 11:01:00"}, 60),
        (backoff("seconds", **RETRY_403), 403, {"X-Reset": "7"}, 7),
        # A header that every response has, for a failure that has another reason
        (backoff("seconds", **RETRY_403), 500, {"X-Reset": "7"}, None),
        # Another format, over, absent
        (backoff("seconds"), 429, {"X-Reset": "-7"}, None),
        (backoff("seconds"), 429, {"X-Reset": "2026-11-24T11:01:00Z"}, None),
        (backoff("epoch_s"), 429, {"X-Reset": "7"}, None),
        (backoff("iso8601"), 429, {"X-Reset": "7"}, None),
        (backoff("iso8601"), 429, {"X-Reset": "2026-11-24T10:59:00Z"}, None),
        (backoff("iso8601"), 429, {}, None),
    ],
)
def test_wait_header_of_backoff_is_read_in_its_format(
    clock: Clock, handler: ErrorHandler, status: int, headers: dict[str, str], wait: float | None
) -> None:
    clock.now = NOW
    with serve_endpoint(ROWS) as (server, url):
        server.faults.add(faults.status(status, headers=headers))
        assert HttpClient(url, error_handler=handler).send(Request(url)).status == 200
    [waited] = clock.waits
    assert 1 <= waited <= 2 if wait is None else waited == pytest.approx(wait)


def test_wait_that_a_header_asks_for_after_an_action_pauses_all_threads(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with serve_endpoint(ROWS) as (server, url):
        server.faults.add(faults.status(403, headers={"X-Reset": "7"}))
        client = HttpClient(url, error_handler=backoff("seconds", **RETRY_403))

        def another() -> None:
            clock.during_wait = lambda: None
            client.send(Request(url))

        clock.during_wait = another
        client.send(Request(url))
    assert clock.waits[:2] == [7, 7]
    assert warnings(caplog) == [f"GET {url}: HTTP 403 with X-Reset matches `response_actions`. Retry 1 of 3 in 7.0 s"]
