"""Faults that tests switch on: what goes wrong (a `Kind`), and where and how often it does (`Faults.add`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from analytics_assets.sandbox.exchange import Request, Response, encode
from analytics_assets.sandbox.pagination import Page


@dataclass(frozen=True)
class Exchange:
    """A good request on its way to a good answer. The API does its work only when the answer is asked for."""

    request: Request
    page: Page
    work: Callable[[Page], Response]

    def answer(self) -> Response:
        return self.work(self.page)


Kind: TypeAlias = Callable[[Exchange], Response]


@dataclass
class Fault:
    """A kind of fault, the requests that it befalls, and how often it still will."""

    kind: Kind
    path: str | None
    page: int | None
    nth: int
    times: int | None
    where: Mapping[str, str]
    seen: int = 0
    fired: int = 0

    def matches(self, exchange: Exchange) -> bool:
        """Count a request if it is one that the fault is for; whether it is this one's turn."""
        if self.times is not None and self.fired >= self.times:
            return False
        if not self._meant(exchange):
            return False
        self.seen += 1
        if self.seen < self.nth:
            return False
        self.fired += 1
        return True

    def _meant(self, exchange: Exchange) -> bool:
        request, page = exchange.request, exchange.page
        if self.path is None:
            if request.method == "POST":
                return False
        elif not request.path.endswith(self.path):
            return False
        if self.page is not None and page.number != (self.page if self.page > 0 else page.pages + 1 + self.page):
            return False
        return self.where.items() <= request.query.items()


class Faults:
    """The faults that are switched on; the first that is meant for a request befalls it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(
        self,
        kind: Kind,
        *,
        path: str | None = None,
        page: int | None = None,
        nth: int = 1,
        times: int | None = 1,
        where: Mapping[str, str] | None = None,
    ) -> Fault:
        """Switch a fault on for requests that are authorized and well-formed.

        Args:
            kind: what goes wrong: `status(500)`, `close()`, ...
            path: how the path ends; by default any but the token endpoint's.
            page: which page of the walk, from 1, or from its end: -1 is the last one.
            nth: the first of those requests that it befalls.
            times: how many it befalls; None is all from there on.
            where: query parameters that the request has.
        """
        fault = Fault(kind, path, page, nth, times, where or {})
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        self._faults.clear()

    def unused(self) -> list[Fault]:
        """Faults that did not occur as often as they were to."""
        return [fault for fault in self._faults if fault.fired < (fault.times or 1)]

    def answer(self, exchange: Exchange) -> tuple[Response, bool]:
        """The answer to a request, and whether a fault had its hand in it."""
        for fault in tuple(self._faults):
            if fault.matches(exchange):
                return fault.kind(exchange), True
        return exchange.answer(), False


def status(code: int, *, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Kind:
    """An error status; the API has done nothing."""
    answer = Response.json({"error": f"fault {code}"}, status=code, headers=headers)
    return lambda _: answer if body is None else replace(answer, body=body)


def close() -> Kind:
    """The connection is closed without an answer; the API has done nothing."""
    return lambda _: Response(drop=True)


def reset() -> Kind:
    """The connection is reset without an answer; the API has done nothing."""
    return lambda _: Response(reset=True)


def raw(data: bytes) -> Kind:
    """These bytes in place of an answer, then the end of the connection: what is not even HTTP."""
    return lambda _: Response(raw=data)


def drop_response() -> Kind:
    """The API does its work, then the connection is closed without an answer."""
    return lambda exchange: replace(exchange.answer(), drop=True)


def cut(part: float = 0.5) -> Kind:
    """The connection is closed in mid-body, after this part of it."""

    def change(exchange: Exchange) -> Response:
        answer = exchange.answer()
        return replace(answer, cut=int(len(answer.body) * part))

    return change


def slow(seconds: float) -> Kind:
    """The answer is right, but begins late. With many seconds: a hang."""
    return lambda exchange: replace(exchange.answer(), wait=seconds)


def slow_body(seconds: float) -> Kind:
    """The answer is right, but its body comes in small pieces."""
    return lambda exchange: replace(exchange.answer(), slow_body=seconds)


def body(content: bytes, *, headers: Mapping[str, str] | None = None) -> Kind:
    """Another body under the headers of a good answer."""
    return change_body(lambda _: content, headers=headers)


def change_body(change: Callable[[bytes], bytes], *, headers: Mapping[str, str] | None = None) -> Kind:
    """The good body, changed byte by byte: invalid UTF-8, a BOM, compression, ..."""

    def changed(exchange: Exchange) -> Response:
        answer = exchange.answer()
        return replace(answer, body=change(answer.body), headers={**answer.headers, **(headers or {})})

    return changed


def edit(change: Callable[[Any], object]) -> Kind:
    """The good body, which `change` gets as objects and lists and changes in place."""

    def edited(content: bytes) -> bytes:
        value = json.loads(content)
        change(value)
        return encode(value)

    return change_body(edited)


def truncated() -> Kind:
    """Half of the JSON, as if it were whole."""
    return change_body(lambda content: content[: len(content) // 2])


def error_object() -> Kind:
    """An error with status 200."""
    return body(b'{"error": {"code": 17, "message": "try again later"}}')


def html() -> Kind:
    """A login page with status 200."""
    return body(b"<!doctype html><title>Sign in</title>", headers={"Content-Type": "text/html"})


def next_page(row: int | None) -> Kind:
    """Cursor or link leads to the page that starts at `row` (0: a loop; None: the walk ends here)."""
    return lambda exchange: exchange.work(replace(exchange.page, next=row))


def repeated_cursor() -> Kind:
    """Cursor or link leads to this same page again."""
    return lambda exchange: exchange.work(replace(exchange.page, next=exchange.page.start))


def empty_page() -> Kind:
    """No rows, and yet a pointer to the next page."""
    return lambda exchange: exchange.work(replace(exchange.page, stop=exchange.page.start))


def then(act: Callable[[], object]) -> Kind:
    """A good answer, after which something else happens: `then(lambda: sandbox.set_rows(...))`."""

    def acted(exchange: Exchange) -> Response:
        answer = exchange.answer()
        act()
        return answer

    return acted
