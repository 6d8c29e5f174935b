"""Walks at once: every row once in whatever order, no more requests than needed, the first error ends all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.config import parse_config
from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.load import LoadResult
from analytics_assets.rest_api.windows import Window
from analytics_assets_tests.fake_api import (
    Api,
    Bounds,
    CursorPagination,
    Endpoint,
    FakeServer,
    OffsetPagination,
    PageNumberPagination,
    Pagination,
    Request,
    Row,
    TimeFilter,
    faults,
    serve,
)
from analytics_assets_tests.support.loaders import Loader

START = datetime(2026, 10, 1, tzinfo=timezone.utc)
MONTH = Window(START, START + timedelta(days=30))
ROWS = [{"id": n, "at": int((START + timedelta(hours=n)).timestamp() * 1000)} for n in range(720)]
FILTER = {"cursor_path": "at", "start_param": "since", "end_param": "until", "format": "epoch_ms"}
CURSOR = {"type": "cursor", "limit": 10, "cursor_param": "cursor", "cursor_path": "next"}


@contextmanager
def walked(
    folder: Path,
    pagination: Pagination,
    paginator: dict[str, Any],
    threads: int,
    *,
    updated: TimeFilter | None = None,
    rows: Sequence[Row] = ROWS,
    schema_contract: str = "evolve",
    **bounds: str,
) -> Iterator[tuple[FakeServer, Any]]:
    """A server of 720 hourly rows, and a function that loads them with so many threads."""
    sandbox = FakeServer([Api("shop", [Endpoint("/rows", rows, pagination=pagination, updated=updated)])])
    endpoint = {"path": "/rows", "data_selector": "data", "paginator": paginator}
    if updated:
        endpoint["incremental"] = {**FILTER, **bounds}
    config = parse_config(
        {
            "client": {"base_url": {"env": "SHOP_BASE_URL"}, "max_concurrency": threads},
            "resources": [
                {"name": "rows", "primary_key": "id", "schema_contract": schema_contract, "endpoint": endpoint}
            ],
            "partitions": {"cadence": "daily", "start": "2026-10-01"},
        }
    )
    with serve(sandbox) as url:
        loader = Loader("shop", sandbox.variables(url), folder)

        def load(window: Window | None = None) -> tuple[LoadResult, list[dict[str, Any]]]:
            return loader.load(config, "rows", window=window), loader.rows("rows")

        yield sandbox, load


def by_time(**settings: Any) -> TimeFilter:
    params = {"since": "{start}", "until": "{end}"}
    return TimeFilter("at", params, format="epoch_ms", field_format="epoch_ms", **settings)


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize(
    ("pagination", "paginator", "most"),
    [
        (OffsetPagination(total_path="total"), {"type": "offset", "limit": 50, "total_path": "total"}, 15),
        # The server cuts pages to 20 rows: the walk goes on with what came.
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
    with walked(tmp_path, pagination, paginator, threads) as (sandbox, load):
        loaded, rows = load()
        assert rows == ROWS
        assert loaded.statistics.rows == len(ROWS)
        assert len(sandbox.requests) <= most
        answered = [record.request.query for record in sandbox.requests]
        assert len({tuple(query.items()) for query in answered}) == len(answered), "a page was asked for twice"


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize(("start", "end"), [("inclusive", "exclusive"), ("exclusive", "inclusive")])
def test_slices_of_a_window(tmp_path: Path, threads: int, start: Any, end: Any) -> None:
    """Each row once, whatever bounds the API's own filter has."""
    updated, bounds = by_time(start=start, end=end), {"start": start, "end": end}
    with walked(tmp_path, CursorPagination(), CURSOR, threads, updated=updated, **bounds) as (sandbox, load):
        loaded, rows = load(MONTH)
        assert rows == ROWS
        assert loaded.statistics.rows == len(ROWS)
        assert loaded.statistics.rows_outside_window == 0
        firsts = [query for record in sandbox.requests if "cursor" not in (query := record.request.query)]
        # All of the window is asked for first: only if there is more than two pages of it, it is cut.
        assert len(firsts) == (1 if threads == 1 else 1 + 2 * threads)


@pytest.mark.parametrize("threads", [1, 8])
def test_values_that_are_left_out_are_counted_once(tmp_path: Path, threads: int) -> None:
    """The pages that tell whether the window may be cut come again with its slices."""
    rows = [{**row, "odd": "text" if row["id"] % 3 else row["id"]} for row in ROWS]
    with walked(
        tmp_path, CursorPagination(), CURSOR, threads, updated=by_time(), rows=rows, schema_contract="discard_value"
    ) as (
        _,
        load,
    ):
        loaded, _ = load(MONTH)
    assert loaded.statistics.changed_columns == {"odd": ["480 values left out"]}


def test_a_short_window_is_not_cut(tmp_path: Path) -> None:
    with walked(tmp_path, CursorPagination(), CURSOR, 8, updated=by_time()) as (sandbox, load):
        _, rows = load(Window(START, START + timedelta(hours=15)))
        assert rows == ROWS[:15]
        assert len(sandbox.requests) == 2


def test_an_api_that_ignores_windows_is_walked_once(tmp_path: Path) -> None:
    """Cut into slices, all of it would come for each slice."""
    with walked(tmp_path, CursorPagination(), CURSOR, 8, updated=by_time(ignored=True)) as (sandbox, load):
        loaded, rows = load(Window(START, START + timedelta(hours=15)))
        assert rows == ROWS[:15]
        assert loaded.statistics.rows_outside_window == len(ROWS) - 15
        assert loaded.statistics.filter_seems_ignored
        assert len(sandbox.requests) == len(ROWS) / 10


@dataclass(frozen=True)
class Misread(TimeFilter):
    """Bounds are taken for others: cut to days, read in another time zone; or less than a day leads to nothing."""

    days: bool = False
    shift: timedelta = timedelta()
    whole_days: bool = False

    def bounds(self, request: Request) -> Bounds:
        asked, day = super().bounds(request), timedelta(days=1) // timedelta(milliseconds=1)
        assert asked.start is not None
        assert asked.end is not None
        start, end = (bound + self.shift // timedelta(milliseconds=1) for bound in (asked.start, asked.end))
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
def test_an_api_that_cannot_be_asked_for_slices(
    tmp_path: Path, slice_error: dict[str, Any], days: int, caplog: pytest.LogCaptureFixture
) -> None:
    """What one slice would leave to another, no other one brings: the window is walked as a whole, and it is said."""
    window = Window(START + timedelta(days=5), START + timedelta(days=5 + days))
    params = {"since": "{start}", "until": "{end}"}
    found = []
    for threads in (1, 8):
        updated = Misread("at", params, format="epoch_ms", field_format="epoch_ms", **slice_error)
        with walked(tmp_path / str(threads), CursorPagination(), CURSOR, threads, updated=updated) as (_, load):
            loaded, rows = load(window)
            found.append((rows, loaded.statistics.rows))
    assert found[0] == found[1]
    assert len(found[0][0]) >= 24 * days - 3
    assert all("reading again, without slices" in message for message in caplog.messages)


@pytest.mark.parametrize("page", [1, 2, 30, 72])
def test_the_first_error_ends_all(tmp_path: Path, page: int) -> None:
    total = {"type": "offset", "limit": 10, "total_path": "total"}
    with walked(tmp_path, OffsetPagination(total_path="total"), total, 8) as (sandbox, load):
        sandbox.faults.add(faults.status(403), path="/rows", page=page, times=None)
        with pytest.raises(ResponseError, match="answered 403"):
            load()
        assert not sandbox.faults.unused()


@pytest.mark.parametrize("threads", [1, 8])
def test_rows_that_were_promised_and_do_not_come(tmp_path: Path, threads: int) -> None:
    total = {"type": "offset", "limit": 10, "total_path": "total"}
    with walked(tmp_path, OffsetPagination(total_path="total"), total, threads) as (sandbox, load):

        def promise_more(body: dict[str, Any]) -> None:
            body["total"] = len(ROWS) + 5

        sandbox.faults.add(faults.edit(promise_more), path="/rows", times=None)
        with pytest.raises(ResponseError, match=r"promised 725 rows \(`total`\) and sent 720"):
            load()
