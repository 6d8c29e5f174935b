"""Faults do what they are named for, where and as often as they are told."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import urllib3

from analytics_assets.sandbox import CursorPagination, Endpoint, OffsetPagination, faults
from analytics_assets.sandbox.faults import Kind
from analytics_assets_tests.support.http_client import Answer, get, serving

ROWS = [{"id": n} for n in range(25)]
OFFSET = Endpoint("/rows", ROWS, pagination=OffsetPagination(default_limit=10))
CURSOR = Endpoint("/rows", ROWS, pagination=CursorPagination(default_limit=10))


def is_json(answer: Answer) -> bool:
    try:
        json.loads(answer.data)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        (
            faults.status(429, headers={"Retry-After": "7"}),
            lambda a: (a.status, a.headers["Retry-After"]) == (429, "7"),
        ),
        (faults.status(500), lambda a: (a.status, a.json()) == (500, {"error": "fault 500"})),
        (faults.status(302, headers={"Location": "http://other.example/"}), lambda a: a.status == 302),
        (faults.slow(0.01), lambda a: a.json() == {"data": ROWS[:10]}),
        (faults.slow_body(0.01), lambda a: a.json() == {"data": ROWS[:10]}),
        (faults.html(), lambda a: a.status == 200 and a.headers["Content-Type"] == "text/html" and not is_json(a)),
        (faults.error_object(), lambda a: a.status == 200 and "data" not in a.json()),
        (faults.truncated(), lambda a: a.status == 200 and a.data.startswith(b'{"data":[') and not is_json(a)),
        (faults.body(b'{"data": [{"id": NaN}]}'), lambda a: a.data == b'{"data": [{"id": NaN}]}'),
        (faults.change_body(lambda good: b"\xef\xbb\xbf" + good), lambda a: a.data.startswith(b"\xef\xbb\xbf{")),
        (faults.edit(lambda body: body["data"].pop()), lambda a: a.json() == {"data": ROWS[:9]}),
        (faults.edit(lambda body: body["data"].clear()), lambda a: a.json() == {"data": []}),
        (faults.empty_page(), lambda a: a.json() == {"data": []}),
        (faults.raw(b"HTTP/1.1 299 Well\r\nConnection: close\r\n\r\nhi"), lambda a: (a.status, a.data) == (299, b"hi")),
    ],
)
def test_answers_go_wrong_once(kind: Kind, seen: Callable[[Answer], bool]) -> None:
    with serving(OFFSET) as (sandbox, url):
        sandbox.faults.add(kind)
        assert seen(get(url))
        assert get(url).json() == {"data": ROWS[:10]}
    assert [record.fault for record in sandbox.requests] == [True, False]
    assert not sandbox.faults.unused()


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        (faults.close(), urllib3.exceptions.ProtocolError, "closed connection without response"),
        (faults.drop_response(), urllib3.exceptions.ProtocolError, "closed connection without response"),
        (faults.reset(), urllib3.exceptions.ProtocolError, "reset by peer"),
        (faults.cut(), urllib3.exceptions.ProtocolError, "Connection broken: IncompleteRead"),
        (faults.cut(0), urllib3.exceptions.ProtocolError, r"IncompleteRead\(0 bytes read"),
        (faults.raw(b"what?\r\n\r\n"), urllib3.exceptions.ProtocolError, "BadStatusLine"),
        (faults.body(b"{}", headers={"Content-Encoding": "gzip"}), urllib3.exceptions.DecodeError, "gzip"),
    ],
)
def test_connections_and_bodies_break(kind: Kind, error: type[Exception], text: str) -> None:
    with serving(OFFSET) as (sandbox, url):
        sandbox.faults.add(kind)
        with pytest.raises(error, match=text):
            get(url)
        assert get(url).json() == {"data": ROWS[:10]}


def test_a_hanging_answer_holds_up_neither_other_clients_nor_the_end() -> None:
    with serving(OFFSET) as (sandbox, url):
        sandbox.faults.add(faults.slow(3600))
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            urllib3.request("GET", url, timeout=0.05, retries=False)
        assert get(url).status == 200


def test_cursors_repeat_loop_and_stop() -> None:
    with serving(CURSOR) as (sandbox, url):
        second = get(url).json()["next"]
        sandbox.faults.add(faults.repeated_cursor(), page=2)
        assert get(url, {"cursor": second}).json() == {"next": second, "data": ROWS[10:20]}
        sandbox.faults.add(faults.next_page(10), page=-1)
        third = get(url, {"cursor": second}).json()["next"]
        assert get(url, {"cursor": third}).json() == {"next": second, "data": ROWS[20:]}
        sandbox.faults.add(faults.next_page(None))
        assert get(url).json() == {"next": None, "data": ROWS[:10]}
        sandbox.faults.add(faults.empty_page())
        assert get(url).json() == {"next": second, "data": []}


@pytest.mark.parametrize(
    ("where", "statuses"),
    [
        ({}, [500, 200, 200, 200]),
        ({"times": 3}, [500, 500, 500, 200]),
        ({"times": None}, [500, 500, 500, 500]),
        ({"nth": 2}, [200, 500, 200, 200]),
        ({"nth": 2, "times": 2}, [200, 500, 500, 200]),
        ({"page": 1}, [500, 200, 200, 200]),
        ({"page": 3}, [200, 200, 500, 200]),
        ({"page": -1, "times": None}, [200, 200, 500, 200]),
        ({"page": -2, "times": None}, [200, 500, 200, 200]),
        ({"path": "/rows"}, [500, 200, 200, 200]),
        ({"path": "/else"}, [200, 200, 200, 200]),
        ({"where": {"offset": "10"}}, [200, 500, 200, 200]),
    ],
)
def test_faults_befall_the_requests_they_are_for(where: dict[str, object], statuses: list[int]) -> None:
    with serving(OFFSET) as (sandbox, url):
        fault = sandbox.faults.add(faults.status(500), **where)  # type: ignore[arg-type]
        assert [get(url, {"offset": offset}).status for offset in ("0", "10", "20", "30")] == statuses
    assert fault.fired == statuses.count(500)
    assert sandbox.faults.unused() == ([] if fault.fired else [fault])


def test_a_fault_waits_for_a_request_that_is_in_order() -> None:
    with serving(OFFSET) as (sandbox, url):
        sandbox.faults.add(faults.status(500), times=2)
        assert [get(url, query).status for query in ({"what": "1"}, {}, {"limit": "0"})] == [400, 500, 400]
        assert len(sandbox.faults.unused()) == 1
        sandbox.faults.clear()
        assert get(url).status == 200
        assert sandbox.faults.unused() == []


def test_something_else_happens_after_an_answer() -> None:
    with serving(OFFSET) as (sandbox, url):
        sandbox.faults.add(faults.then(lambda: sandbox.set_rows("shop", "/rows", ROWS[1:])))
        assert get(url).json()["data"] == ROWS[:10]
        assert get(url, {"offset": "10"}).json()["data"] == ROWS[11:21]
