"""Faults of responses (`Fault`), and the requests that they affect (`FaultInjector.add`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from analytics_assets.sandbox.app import Exchange
from analytics_assets.sandbox.http import Response, encode_json
from analytics_assets_tests.fake_api.responses import FaultyResponse

Fault: TypeAlias = Callable[[Exchange], Response]


@dataclass
class FaultRule:
    """A fault, the requests that it affects, and how often it still occurs.

    Attributes:
        seen: Requests so far that the rule is about.
        fired: How often the fault has occurred.
    """

    fault: Fault
    path: str | None
    page: int | None
    nth: int
    times: int | None
    query: Mapping[str, str]
    seen: int = 0
    fired: int = 0

    def fires(self, exchange: Exchange) -> bool:
        """Count a request, and say whether the fault occurs in its response."""
        if (self.times is not None and self.fired >= self.times) or not self._is_about(exchange):
            return False
        self.seen += 1
        if self.seen < self.nth:
            return False
        self.fired += 1
        return True

    def _is_about(self, exchange: Exchange) -> bool:
        request, page = exchange.request, exchange.page
        if self.path is None:
            if exchange.is_token_request:
                return False
        elif not request.path.endswith(self.path):
            return False
        if self.page is not None and page.number != (self.page if self.page > 0 else page.pages + 1 + self.page):
            return False
        return self.query.items() <= request.query.items()


class FaultInjector:
    """The faults of a server. The first rule that is about a request applies to it."""

    def __init__(self) -> None:
        self._rules: list[FaultRule] = []

    def add(
        self,
        fault: Fault,
        *,
        path: str | None = None,
        page: int | None = None,
        nth: int = 1,
        times: int | None = 1,
        query: Mapping[str, str] | None = None,
    ) -> FaultRule:
        """Add a fault of responses to valid, authorized requests.

        Args:
            fault: What goes wrong: `status(500)`, `close()`, ...
            path: The end of the path. By default all paths but the token endpoint's.
            page: The page, from 1, or from the end: -1 is the last one.
            nth: The first of those requests in which the fault occurs.
            times: How often it occurs. None means always.
            query: Query parameters that the request has.
        """
        rule = FaultRule(fault, path, page, nth, times, query or {})
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Remove all faults."""
        self._rules.clear()

    def unused(self) -> list[FaultRule]:
        """Rules whose fault did not occur as often as it should."""
        return [rule for rule in self._rules if rule.fired < (rule.times or 1)]

    def respond(self, exchange: Exchange) -> tuple[Response, bool]:
        """The response to a request, and whether a fault changed it."""
        for rule in tuple(self._rules):
            if rule.fires(exchange):
                return rule.fault(exchange), True
        return exchange.response(), False


def status(code: int, *, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Fault:
    """An error status. The API has done nothing."""
    response = Response.json({"error": f"fault {code}"}, status=code, headers=headers)
    return lambda _: response if body is None else replace(response, body=body)


def close() -> Fault:
    """The connection is closed without a response. The API has done nothing."""
    return lambda _: FaultyResponse(drop=True)


def reset() -> Fault:
    """The connection is reset without a response. The API has done nothing."""
    return lambda _: FaultyResponse(reset=True)


def raw(data: bytes) -> Fault:
    """These bytes instead of an HTTP response, then the end of the connection."""
    return lambda _: FaultyResponse(raw=data)


def drop_response() -> Fault:
    """The API does its work, then the connection is closed without a response."""
    return lambda exchange: FaultyResponse.of(exchange.response(), drop=True)


def cut(fraction: float = 0.5) -> Fault:
    """The connection is closed after this fraction of the body."""

    def cut_body(exchange: Exchange) -> Response:
        response = exchange.response()
        return FaultyResponse.of(response, cut=int(len(response.body) * fraction))

    return cut_body


def slow(seconds: float) -> Fault:
    """The response is right, but begins late."""
    return lambda exchange: FaultyResponse.of(exchange.response(), delay=seconds)


def slow_body(seconds: float) -> Fault:
    """The response is right, but its body arrives in small pieces."""
    return lambda exchange: FaultyResponse.of(exchange.response(), slow_body=seconds)


def body(content: bytes, *, headers: Mapping[str, str] | None = None) -> Fault:
    """Another body under the headers of the right response."""
    return change_body(lambda _: content, headers=headers)


def change_body(change: Callable[[bytes], bytes], *, headers: Mapping[str, str] | None = None) -> Fault:
    """The right body, changed as bytes: invalid UTF-8, a byte order mark, compression, ..."""

    def changed(exchange: Exchange) -> Response:
        response = exchange.response()
        return replace(response, body=change(response.body), headers={**response.headers, **(headers or {})})

    return changed


def headers(more: Mapping[str, str]) -> Fault:
    """The right response with more headers."""
    return change_body(lambda content: content, headers=more)


def edit(change: Callable[[Any], object]) -> Fault:
    """The right body, changed in place as a JSON value."""

    def edited(content: bytes) -> bytes:
        value = json.loads(content)
        change(value)
        return encode_json(value)

    return change_body(edited)


def truncated() -> Fault:
    """Half of the JSON, under a status and a length as if it were complete."""
    return change_body(lambda content: content[: len(content) // 2])


def error_object() -> Fault:
    """An error with status 200."""
    return body(b'{"error": {"code": 17, "message": "try again later"}}')


def html() -> Fault:
    """A login page with status 200."""
    return body(b"<!doctype html><title>Sign in</title>", headers={"Content-Type": "text/html"})


def next_page(row: int | None) -> Fault:
    """The cursor or link leads to the page that starts at `row` (0: a loop; None: the last page)."""
    return lambda exchange: exchange.build_response(replace(exchange.page, next=row))


def repeated_cursor() -> Fault:
    """The cursor or link leads to the same page again."""
    return lambda exchange: exchange.build_response(replace(exchange.page, next=exchange.page.start))


def empty_page() -> Fault:
    """No rows, but a cursor or link to the next page."""
    return lambda exchange: exchange.build_response(replace(exchange.page, stop=exchange.page.start))


def then(action: Callable[[], object]) -> Fault:
    """The right response, and afterwards an action: `then(lambda: server.set_rows(...))`."""

    def acted(exchange: Exchange) -> Response:
        response = exchange.response()
        action()
        return response

    return acted
