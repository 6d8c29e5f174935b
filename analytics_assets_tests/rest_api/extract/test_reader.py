"""Parallel reads: every row once, in any order, with no more requests than needed; the first error ends the read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.config import Incremental, parse_config
from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.load.request import LoadResult
from analytics_assets.rest_api.windows import Window, bounds
from analytics_assets_tests.fake_api import (
    Api,
    Bounds,
    CursorPagination,
    Endpoint,
    Exchange,
    FakeServer,
    OffsetPagination,
    PageNumberPagination,
    Pagination,
    Request,
    Response,
    Row,
    TimeFilter,
    faults,
    serve,
)
from analytics_assets_tests.support.loaders import Loader

START = datetime(2026, 10, 1, tzinfo=timezone.utc)
MONTH = Window(START, START + timedelta(days=30))
ROWS = [{"id": n, "at": int((START + timedelta(hours=n)).timestamp() * 1000)} for n in range(720)]
STORED = [{"id": n, "at": START + timedelta(hours=n)} for n in range(720)]  # the cursor is a timestamp
FILTER = {"cursor_path": "at", "start_param": "since", "end_param": "until", "format": "epoch_ms"}
CURSOR = {"type": "cursor", "limit": 10, "cursor_param": "cursor", "cursor_path": "next"}


@contextmanager
def serve_rows(
    folder: Path,
    pagination: Pagination,
    paginator: dict[str, Any],
    threads: int,
    *,
    updated: TimeFilter | None = None,
    rows: Sequence[Row] = ROWS,
    schema_contract: str = "evolve",
    latency: float = 0.0,
    client: Mapping[str, Any] | None = None,
    **filters: str,
) -> Iterator[tuple[FakeServer, Any]]:
    """A server of 720 hourly rows, and a function that loads them with so many threads."""
    server = FakeServer(
        [Api("shop", [Endpoint("/rows", rows, pagination=pagination, updated=updated, latency=latency)])]
    )
    endpoint = {"path": "/rows", "data_selector": "data", "paginator": paginator}
    if updated:
        endpoint["incremental"] = {**FILTER, **filters}
    described: dict[str, Any] = {"base_url": {"env": "SHOP_BASE_URL"}, "max_concurrency": threads, **(client or {})}
    config = parse_config(
        {
            "client": described,
            "resources": [
                {"name": "rows", "primary_key": "id", "schema_contract": schema_contract, "endpoint": endpoint}
            ],
            "partitions": {"cadence": "daily", "start": "2026-10-01"},
        }
    )
    with serve(server) as url:
        loader = Loader("shop", server.variables(url), folder)

        def load(window: Window | None = None) -> tuple[LoadResult, list[dict[str, Any]]]:
            return loader.load(config, "rows", window=window), loader.rows("rows")

        yield server, load


def is_of(request: Request, window: Window) -> bool:
    """Whether a request is of the whole window."""
    sent = request.query["since"], request.query["until"]
    return sent == bounds(window, Incremental.model_validate(FILTER))


def by_time(**settings: Any) -> TimeFilter:
    params = {"since": "{start}", "until": "{end}"}
    return TimeFilter("at", params, format="epoch_ms", field_format="epoch_ms", **settings)


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize(
    ("pagination", "paginator", "most"),
    [
        (OffsetPagination(total_path="total"), {"type": "offset", "limit": 50, "total_path": "total"}, 15),
        # The server cuts pages to 20 rows: the next offset follows from the rows that were read.
        (
            OffsetPagination(total_path="total", max_limit=20),
            {"type": "offset", "limit": 50, "total_path": "total"},
            36,
        ),
        # Without a total each thread may ask for one page too many.
        (OffsetPagination(), {"type": "offset", "limit": 50}, 15 + 1 + 8),
        (PageNumberPagination(default_limit=50, base=1), {"type": "page_number", "start_from_page": 1}, 15 + 1 + 8),
        (
            PageNumberPagination(default_limit=50, pages_path="pages"),
            {"type": "page_number", "total_path": "pages"},
            15,
        ),
        # Where only the rows are counted, no page past the end is asked for.
        (
            PageNumberPagination(default_limit=50, total_path="total"),
            {"type": "page_number", "total_rows_path": "total"},
            15,
        ),
        (
            PageNumberPagination(default_limit=50, end_on_404=True),
            {"type": "page_number", "end_on_404": True},
            15 + 1 + 8,
        ),
    ],
)
def test_numbered_pages(
    tmp_path: Path, threads: int, pagination: Pagination, paginator: dict[str, Any], most: int
) -> None:
    with serve_rows(tmp_path, pagination, paginator, threads) as (server, load):
        loaded, rows = load()
        assert rows == ROWS
        assert loaded.statistics.rows == len(ROWS)
        assert len(server.requests) <= most
        queries = [record.request.query for record in server.requests]
        assert len({tuple(query.items()) for query in queries}) == len(queries), "a page was requested twice"


@pytest.mark.parametrize(
    ("pagination", "paginator"),
    [
        (OffsetPagination(total_path="total"), {"type": "offset", "limit": 50, "total_path": "total"}),
        (
            PageNumberPagination(default_limit=50, total_path="total"),
            {"type": "page_number", "total_rows_path": "total"},
        ),
        (
            PageNumberPagination(default_limit=50, total_header="X-Total"),
            {"type": "page_number", "total_rows_header": "X-Total"},
        ),
        (PageNumberPagination(default_limit=50, pages_path="pages"), {"type": "page_number", "total_path": "pages"}),
    ],
    ids=["offset", "page_number, rows", "page_number, rows in a header", "page_number, pages"],
)
def test_pages_are_read_in_parallel_once_a_total_is_known(
    tmp_path: Path, pagination: Pagination, paginator: dict[str, Any]
) -> None:
    with serve_rows(tmp_path, pagination, paginator, 8, latency=0.05) as (server, load):
        _, rows = load()
        assert rows == ROWS
        assert len(server.requests) == 15
        began = [record.began for record in server.requests]
        assert max(sum(r.began <= at < r.ended for r in server.requests) for at in began) > 1


def test_pages_of_unequal_size_are_read_to_the_total(tmp_path: Path) -> None:
    """The first page has more rows than the others: the pages after the counted ones are read one by one."""

    rows = [row for row in ROWS if row["id"] < 50 or row["id"] % 50 < 30]

    def send_fewer(body: dict[str, Any]) -> None:
        if body["data"] and body["data"][0]["id"]:
            body["data"] = body["data"][:30]
        body["total"] = len(rows)

    api = PageNumberPagination(default_limit=50, total_path="total")
    with serve_rows(tmp_path, api, {"type": "page_number", "total_rows_path": "total"}, 8) as (server, load):
        server.faults.add(faults.edit(send_fewer), path="/rows", times=None)
        _, loaded = load()
    assert loaded == rows


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize(("start", "end"), [("inclusive", "exclusive"), ("exclusive", "inclusive")])
def test_slices_of_a_window(tmp_path: Path, threads: int, start: Any, end: Any) -> None:
    """Each row once, whatever bounds the API's own filter has."""
    updated, filters = by_time(start=start, end=end), {"start": start, "end": end}
    with serve_rows(tmp_path, CursorPagination(), CURSOR, threads, updated=updated, **filters) as (server, load):
        loaded, rows = load(MONTH)
        assert rows == STORED
        assert loaded.statistics.rows == len(ROWS)
        assert loaded.statistics.rows_outside_window == 0
        firsts = [query for record in server.requests if "cursor" not in (query := record.request.query)]
        # The window is requested first. It is cut into slices only if it has more than two pages.
        assert len(firsts) == (1 if threads == 1 else 1 + 2 * threads)


@pytest.mark.parametrize("threads", [1, 8])
def test_discarded_values_are_counted_once(tmp_path: Path, threads: int) -> None:
    """The pages that decide whether the window is sliced are read again with its slices."""
    rows = [{**row, "odd": "text" if row["id"] % 3 else row["id"]} for row in ROWS]
    with serve_rows(
        tmp_path, CursorPagination(), CURSOR, threads, updated=by_time(), rows=rows, schema_contract="discard_value"
    ) as (
        _,
        load,
    ):
        loaded, _ = load(MONTH)
    assert loaded.statistics.changed_columns == {"odd": ["480 values discarded"]}


@pytest.mark.parametrize(("hours", "requests"), [(15, 2), (20, 2), (21, 1 + 16)])
def test_a_total_decides_whether_a_window_is_sliced(tmp_path: Path, hours: int, requests: int) -> None:
    """The first page says how long the window is: its second page is requested only if the window is not sliced."""
    with serve_rows(tmp_path, CursorPagination(total_path="total"), CURSOR, 8, updated=by_time()) as (server, load):
        loaded, rows = load(Window(START, START + timedelta(hours=hours)))
        assert rows == STORED[:hours]
        assert loaded.statistics.rows == hours
        assert len(server.requests) == requests


@pytest.mark.parametrize("total", [0, 10])
def test_a_total_that_counts_less_than_the_first_pages_decides_nothing(tmp_path: Path, total: int) -> None:
    def count_page(body: dict[str, Any]) -> None:
        body["total"] = total

    with serve_rows(tmp_path, CursorPagination(), CURSOR, 8, updated=by_time()) as (server, load):
        server.faults.add(faults.edit(count_page), path="/rows", times=None)
        _, rows = load(MONTH)
        assert rows == STORED
        assert sum("cursor" not in record.request.query for record in server.requests) == 1 + 16


def test_slices_are_requested_together_with_the_second_page_of_a_slow_api(tmp_path: Path) -> None:
    with serve_rows(tmp_path, CursorPagination(), CURSOR, 8, updated=by_time(), latency=0.05) as (server, load):
        loaded, rows = load(MONTH)
        assert rows == STORED
        assert loaded.statistics.rows == len(ROWS)
        first, *others = sorted(server.requests, key=lambda record: record.began)
        assert all(record.began >= first.ended for record in others)
        [second] = [record for record in others if "cursor" in record.request.query and is_of(record.request, MONTH)]
        slices = [record for record in others if not is_of(record.request, MONTH)]
        assert any(record.began < second.ended and second.began < record.ended for record in slices)


def test_no_slices_are_requested_together_with_the_second_of_numbered_pages(tmp_path: Path) -> None:
    """All threads may request pages after it: more requests than allowed would be sent at once."""
    offset, updated = {"type": "offset", "limit": 10}, by_time()
    with serve_rows(tmp_path, OffsetPagination(), offset, 8, updated=updated, latency=0.05) as (server, load):
        _, rows = load(MONTH)
        assert rows == STORED
        first, second, *others = sorted(server.requests, key=lambda record: record.began)
        assert [first.request.query["offset"], second.request.query["offset"]] == ["0", "10"]
        assert all(record.began >= second.ended for record in others)


@pytest.mark.parametrize("status", [200, 403])
def test_slices_of_a_window_with_two_pages_are_discarded(tmp_path: Path, status: int) -> None:
    """Their rows and their errors, too."""
    window = Window(START, START + timedelta(hours=15))
    with serve_rows(tmp_path, CursorPagination(), CURSOR, 8, updated=by_time(), latency=0.05) as (server, load):

        def refuse_slices(exchange: Exchange) -> Response:
            return exchange.response() if is_of(exchange.request, window) else faults.status(status)(exchange)

        if status != 200:
            server.faults.add(refuse_slices, path="/rows", times=None)
        loaded, rows = load(window)
        assert rows == STORED[:15]
        assert (loaded.statistics.rows, loaded.statistics.pages) == (15, 2)
        whole = [record for record in server.requests if is_of(record.request, window)]
        assert len(whole) == 2
        assert 0 < len(server.requests) - len(whole) <= 7


def test_no_request_is_spent_on_slices_that_may_be_discarded_if_the_rate_is_limited(tmp_path: Path) -> None:
    limited = {"max_requests_per_second": 1000}
    with serve_rows(tmp_path, CursorPagination(), CURSOR, 8, updated=by_time(), latency=0.05, client=limited) as (
        server,
        load,
    ):
        _, rows = load(Window(START, START + timedelta(hours=15)))
        assert rows == STORED[:15]
        assert len(server.requests) == 2


def test_a_total_of_numbered_pages_makes_slices_needless(tmp_path: Path) -> None:
    total = {"type": "offset", "limit": 10, "total_path": "total"}
    with serve_rows(tmp_path, OffsetPagination(total_path="total"), total, 8, updated=by_time()) as (server, load):
        _, rows = load(MONTH)
        assert rows == STORED
        assert len(server.requests) == len(ROWS) / 10


def test_an_api_that_ignores_windows_is_read_once(tmp_path: Path) -> None:
    """Otherwise each slice would return all rows."""
    with serve_rows(tmp_path, CursorPagination(), CURSOR, 8, updated=by_time(ignored=True)) as (server, load):
        loaded, rows = load(Window(START, START + timedelta(hours=15)))
        assert rows == STORED[:15]
        assert loaded.statistics.rows_outside_window == len(ROWS) - 15
        assert loaded.statistics.filter_seems_ignored
        assert 0 <= len(server.requests) - len(ROWS) / 10 <= 7, "a slow response may start slices, in vain"


@dataclass(frozen=True)
class Misread(TimeFilter):
    """A filter that misreads its bounds: as days, in another time zone, or as empty if less than a day apart."""

    days: bool = False
    shift: timedelta = timedelta()
    whole_days: bool = False

    def bounds(self, request: Request) -> Bounds:
        requested, day = super().bounds(request), timedelta(days=1) // timedelta(milliseconds=1)
        assert requested.start is not None
        assert requested.end is not None
        start, end = (bound + self.shift // timedelta(milliseconds=1) for bound in (requested.start, requested.end))
        if self.days:
            last = (end if self.end == "exclusive" else end + day) // day * day
            start, end = start // day * day, last - (self.end == "inclusive")
        return Bounds(start, start if self.whole_days and end - start < day else end)


@pytest.mark.parametrize("days", [1, 2, 20])
@pytest.mark.parametrize(
    "slice_error",
    [{"days": True, "end": "inclusive"}, {"days": True}, {"shift": timedelta(hours=-3)}, {"whole_days": True}],
    ids=str,
)
def test_an_api_that_misreads_slices_is_read_as_a_whole(
    tmp_path: Path, slice_error: dict[str, Any], days: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows at the edge of a slice would be missing in its neighbour: the window is read as a whole, with a log line."""
    window = Window(START + timedelta(days=5), START + timedelta(days=5 + days))
    params = {"since": "{start}", "until": "{end}"}
    found = []
    for threads in (1, 8):
        updated = Misread("at", params, format="epoch_ms", field_format="epoch_ms", **slice_error)
        with serve_rows(tmp_path / str(threads), CursorPagination(), CURSOR, threads, updated=updated) as (_, load):
            loaded, rows = load(window)
            found.append((rows, loaded.statistics.rows))
    assert found[0] == found[1]
    assert len(found[0][0]) >= 24 * days - 3
    assert all("reading again, without slices" in message for message in caplog.messages)


@pytest.mark.parametrize("page", [1, 2, 30, 72])
def test_the_first_error_ends_the_read(tmp_path: Path, page: int) -> None:
    total = {"type": "offset", "limit": 10, "total_path": "total"}
    with serve_rows(tmp_path, OffsetPagination(total_path="total"), total, 8) as (server, load):
        server.faults.add(faults.status(403), path="/rows", page=page, times=None)
        with pytest.raises(ResponseError, match="returned 403"):
            load()
        assert not server.faults.unused()


@pytest.mark.parametrize("threads", [1, 8])
def test_missing_rows_of_a_total_fail_the_read(tmp_path: Path, threads: int) -> None:
    total = {"type": "offset", "limit": 10, "total_path": "total"}
    with serve_rows(tmp_path, OffsetPagination(total_path="total"), total, threads) as (server, load):

        def promise_more(body: dict[str, Any]) -> None:
            body["total"] = len(ROWS) + 5

        server.faults.add(faults.edit(promise_more), path="/rows", times=None)
        with pytest.raises(ResponseError, match=r"promised 725 rows \(`total`\) and sent 720.*Two reads gave the same"):
            load()
        firsts = [record for record in server.requests if record.request.query["offset"] == "0"]
        assert len(firsts) == 2, "the same numbers twice are a mismatch: a third read cannot help"
