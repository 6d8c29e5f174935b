"""Rows are added, removed or moved while numbered pages are read: the read is repeated a few times, and logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from analytics_assets.rest_api.errors import DriftError
from analytics_assets_tests.fake_api import Row, faults
from analytics_assets_tests.harness.fault_injection import (
    ALWAYS,
    PAGE_SIZE,
    PAGES,
    ROWS,
    STORED_ROWS,
    FaultyApi,
    rows_by_id,
    serve_faulty_api,
    table_contents,
)

NEW_ROW: Row = {**ROWS[0], "id": 50, "amount": 5}
OTHER_NEW_ROW: Row = {**ROWS[0], "id": 51, "amount": 6}


@dataclass(frozen=True, kw_only=True)
class DriftCase:
    """A change of the API's rows between two pages.

    Attributes:
        paginations: The endpoints that reveal the change.
        read_again: Whether all pages must be read again.
    """

    change: Callable[[list[Row]], list[Row]]
    paginations: tuple[str, ...]
    read_again: bool = True


CASES: Mapping[str, DriftCase] = {
    "a row that was read is removed": DriftCase(change=lambda rows: rows[1:], paginations=("offset", "page_rows")),
    "the last row of the first page is removed": DriftCase(
        change=lambda rows: [*rows[: PAGE_SIZE - 1], *rows[PAGE_SIZE:]], paginations=("offset", "page_rows")
    ),
    "a whole page is removed": DriftCase(
        change=lambda rows: rows[PAGE_SIZE:], paginations=("offset", "pages", "page_rows")
    ),
    "a row is added in front": DriftCase(
        change=lambda rows: [NEW_ROW, *rows], paginations=("offset", "offset_alone", "pages")
    ),
    "rows are added in front": DriftCase(
        change=lambda rows: [NEW_ROW, OTHER_NEW_ROW, *rows], paginations=("offset", "offset_alone", "pages")
    ),
    "a row that was read moves to the end": DriftCase(
        change=lambda rows: [*rows[1:], {**rows[0], "amount": 7}], paginations=("offset", "offset_alone", "pages")
    ),
    "a row that was not read moves to the front": DriftCase(
        change=lambda rows: [{**rows[-1], "amount": 7}, *rows[:-1]], paginations=("offset", "offset_alone", "pages")
    ),
    "rows are added at the end": DriftCase(
        change=lambda rows: [*rows, NEW_ROW, OTHER_NEW_ROW],
        paginations=("offset", "offset_alone", "pages", "page_rows"),
        read_again=False,
    ),
}
TRIALS = [
    pytest.param(case, pagination, page, id=f"{name} | {pagination} | {page}")
    for name, case in CASES.items()
    for pagination in case.paginations
    for page in ("first" if pagination == "offset" else "middle",)
]


@pytest.fixture(scope="module")
def faulty_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyApi]:
    with serve_faulty_api(tmp_path_factory.mktemp("drift")) as served:
        yield served


def change_after_page(
    faulty_api: FaultyApi, pagination: str, page: str, change: Callable[[list[Row]], list[Row]]
) -> list[Row]:
    """Let the rows change once, after this page was read; returns the changed rows."""
    rows = change(list(ROWS))
    server = faulty_api.server
    server.faults.clear()
    server.set_rows("shop", f"/{pagination}", ROWS)
    fault = faults.then(lambda: server.set_rows("shop", f"/{pagination}", rows))
    server.faults.add(fault, path=f"/{pagination}", page=PAGES[page])
    return rows


def merged(rows: list[Row]) -> dict[Any, Mapping[str, Any]]:
    """The table after a load of these rows."""
    return {row["id"]: {**row, "tags": f"[{row['tags'][0]}]"} for row in [*STORED_ROWS, *rows]}


@pytest.mark.parametrize(("case", "pagination", "page"), TRIALS)
def test_rows_that_change_during_a_read_are_loaded_exactly(
    faulty_api: FaultyApi,
    case: DriftCase,
    pagination: str,
    page: str,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Even if the number of rows equals the total, because one was missed and another was read twice or removed."""
    shop = faulty_api.copy_good_table(request.node.name)
    rows = change_after_page(faulty_api, pagination, page, case.change)
    with caplog.at_level(logging.WARNING, "analytics_assets"):
        faulty_api.load(shop, pagination, concurrency=1)
    assert rows_by_id(shop) == merged(rows)
    assert not faulty_api.server.faults.unused()
    repeated = [message for message in caplog.messages if "reading again" in message]
    assert len(repeated) == (1 if case.read_again else 0), caplog.messages


@pytest.mark.parametrize("change", ["added", "removed"])
def test_rows_that_change_during_each_read_fail_the_load(
    faulty_api: FaultyApi, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The table is not changed."""
    shop = faulty_api.copy_good_table(f"rows are {change} during each read")
    before = table_contents(shop)
    rows = list(ROWS)

    def change_rows() -> None:
        if change == "removed":
            del rows[0]
        else:
            rows.insert(0, {**NEW_ROW, "id": 100 + len(rows)})
        faulty_api.server.set_rows("shop", "/offset", tuple(rows))

    faulty_api.server.faults.clear()
    faulty_api.server.set_rows("shop", "/offset", ROWS)
    faulty_api.server.faults.add(faults.then(change_rows), path="/offset", page=1, times=ALWAYS)
    with (
        pytest.raises(DriftError, match="This happened in each of 3 attempts"),
        caplog.at_level(logging.WARNING, "analytics_assets"),
    ):
        faulty_api.load(shop, "offset", concurrency=1)
    assert table_contents(shop) == before
    assert sum("reading again" in message for message in caplog.messages) == 2


def test_duplicate_key_in_two_equal_reads_is_loaded_with_a_warning(
    faulty_api: FaultyApi, caplog: pytest.LogCaptureFixture
) -> None:
    """Two reads with the same keys prove that no row moved: the later row is stored."""
    shop = faulty_api.copy_good_table("duplicate key")
    rows = [*ROWS, {**ROWS[0], "amount": 7}]
    faulty_api.server.faults.clear()
    faulty_api.server.set_rows("shop", "/offset", rows)
    with caplog.at_level(logging.WARNING, "analytics_assets"):
        faulty_api.load(shop, "offset", concurrency=1)
    assert rows_by_id(shop) == merged(rows)
    assert "the same ones in two reads" in caplog.messages[-1]
    assert "primary_key" in caplog.messages[-1]
