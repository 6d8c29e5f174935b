"""Each fault does what its name says, in the requests and as often as its rule says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import urllib3

from analytics_assets_tests.fake_api import CursorPagination, Endpoint, Fault, OffsetPagination, faults, serve_endpoint
from analytics_assets_tests.support.http_client import HttpResponse, get

ROWS = [{"id": n} for n in range(25)]
OFFSET = Endpoint("/rows", ROWS, pagination=OffsetPagination(default_limit=10))
CURSOR = Endpoint("/rows", ROWS, pagination=CursorPagination(default_limit=10))


def is_json(response: HttpResponse) -> bool:
    try:
        json.loads(response.data)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("fault", "is_expected"),
    [
        (
            faults.status(429, headers={"Retry-After": "7"}),
            lambda r: (r.status, r.headers["Retry-After"]) == (429, "7"),
        ),
        (faults.status(500), lambda r: (r.status, r.json()) == (500, {"error": "fault 500"})),
        (faults.status(302, headers={"Location": "http://other.example/"}), lambda r: r.status == 302),
        (faults.slow(0.01), lambda r: r.json() == {"data": ROWS[:10]}),
        (faults.slow_body(0.01), lambda r: r.json() == {"data": ROWS[:10]}),
        (faults.html(), lambda r: r.status == 200 and r.headers["Content-Type"] == "text/html" and not is_json(r)),
        (faults.error_object(), lambda r: r.status == 200 and "data" not in r.json()),
        (faults.truncated(), lambda r: r.status == 200 and r.data.startswith(b'{"data":[') and not is_json(r)),
        (faults.body(b'{"data": [{"id": NaN}]}'), lambda r: r.data == b'{"data": [{"id": NaN}]}'),
        (faults.change_body(lambda good: b"\xef\xbb\xbf" + good), lambda r: r.data.startswith(b"\xef\xbb\xbf{")),
        (faults.edit(lambda body: body["data"].pop()), lambda r: r.json() == {"data": ROWS[:9]}),
        (faults.edit(lambda body: body["data"].clear()), lambda r: r.json() == {"data": []}),
        (faults.empty_page(), lambda r: r.json() == {"data": []}),
        (faults.raw(b"HTTP/1.1 299 Well\r\nConnection: close\r\n\r\nhi"), lambda r: (r.status, r.data) == (299, b"hi")),
    ],
)
def test_fault_changes_one_response(fault: Fault, is_expected: Callable[[HttpResponse], bool]) -> None:
    with serve_endpoint(OFFSET) as (server, url):
        server.faults.add(fault)
        assert is_expected(get(url))
        assert get(url).json() == {"data": ROWS[:10]}
    assert [record.has_fault for record in server.requests] == [True, False]
    assert not server.faults.unused()


@pytest.mark.parametrize(
    ("fault", "error", "text"),
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
def test_fault_breaks_one_response(fault: Fault, error: type[Exception], text: str) -> None:
    with serve_endpoint(OFFSET) as (server, url):
        server.faults.add(fault)
        with pytest.raises(error, match=text):
            get(url)
        assert get(url).json() == {"data": ROWS[:10]}


def test_hanging_response_blocks_neither_other_clients_nor_the_shutdown() -> None:
    with serve_endpoint(OFFSET) as (server, url):
        server.faults.add(faults.slow(3600))
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            urllib3.request("GET", url, timeout=0.05, retries=False)
        assert get(url).status == 200


def test_cursors_can_repeat_loop_and_end() -> None:
    with serve_endpoint(CURSOR) as (server, url):
        second = get(url).json()["next"]
        server.faults.add(faults.repeated_cursor(), page=2)
        assert get(url, {"cursor": second}).json() == {"next": second, "data": ROWS[10:20]}
        server.faults.add(faults.next_page(10), page=-1)
        third = get(url, {"cursor": second}).json()["next"]
        assert get(url, {"cursor": third}).json() == {"next": second, "data": ROWS[20:]}
        server.faults.add(faults.next_page(None))
        assert get(url).json() == {"next": None, "data": ROWS[:10]}
        server.faults.add(faults.empty_page())
        assert get(url).json() == {"next": second, "data": []}


@pytest.mark.parametrize(
    ("rule", "statuses"),
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
        ({"query": {"offset": "10"}}, [200, 500, 200, 200]),
    ],
)
def test_rule_selects_requests(rule: dict[str, Any], statuses: list[int]) -> None:
    with serve_endpoint(OFFSET) as (server, url):
        added = server.faults.add(faults.status(500), **rule)
        assert [get(url, {"offset": offset}).status for offset in ("0", "10", "20", "30")] == statuses
    assert added.fired == statuses.count(500)
    assert server.faults.unused() == ([] if added.fired else [added])


def test_invalid_requests_do_not_use_up_a_fault() -> None:
    with serve_endpoint(OFFSET) as (server, url):
        server.faults.add(faults.status(500), times=2)
        assert [get(url, query).status for query in ({"unknown": "1"}, {}, {"limit": "0"})] == [400, 500, 400]
        assert len(server.faults.unused()) == 1
        server.faults.clear()
        assert get(url).status == 200
        assert server.faults.unused() == []


def test_action_runs_after_a_response() -> None:
    with serve_endpoint(OFFSET) as (server, url):
        server.faults.add(faults.then(lambda: server.set_rows("shop", "/rows", ROWS[1:])))
        assert get(url).json()["data"] == ROWS[:10]
        assert get(url, {"offset": "10"}).json()["data"] == ROWS[11:21]
