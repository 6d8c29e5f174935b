"""Rows that come, go and move while numbered pages are read: all pages are read again, and a warning says so."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from analytics_assets.rest_api.errors import DriftError
from analytics_assets_tests.fake_api import Row, faults
from analytics_assets_tests.harness.fault_injection import (
    BEFORE,
    PAGE,
    PAGES,
    ROWS,
    Case,
    FaultyApi,
    held,
    misbehaving,
    rows_by_id,
)

PLAIN = Case("drift", faults.status(500))
NEW: Row = {**ROWS[0], "id": 50, "amount": 5}
MORE: Row = {**ROWS[0], "id": 51, "amount": 6}
# What becomes of the rows, which kinds of pages show it, and whether all has to be read again.
CHANGES: Mapping[str, tuple[Callable[[list[Row]], list[Row]], tuple[str, ...], bool]] = {
    "a row that was read is removed": (lambda rows: rows[1:], ("offset", "page_rows"), True),
    "the last row of the first page is removed": (
        lambda rows: [*rows[: PAGE - 1], *rows[PAGE:]],
        ("offset", "page_rows"),
        True,
    ),
    "a whole page is removed": (lambda rows: rows[PAGE:], ("offset", "pages", "page_rows"), True),
    "a row comes in front": (lambda rows: [NEW, *rows], ("offset", "offset_alone", "pages"), True),
    "rows come in front": (lambda rows: [NEW, MORE, *rows], ("offset", "offset_alone", "pages"), True),
    "a row that was read moves to the end": (
        lambda rows: [*rows[1:], {**rows[0], "amount": 7}],
        ("offset", "offset_alone", "pages"),
        True,
    ),
    "a row that was not read moves to the front": (
        lambda rows: [{**rows[-1], "amount": 7}, *rows[:-1]],
        ("offset", "offset_alone", "pages"),
        True,
    ),
    "rows come at the end": (
        lambda rows: [*rows, NEW, MORE],
        ("offset", "offset_alone", "pages", "page_rows"),
        False,
    ),
}
TRIALS = [
    pytest.param(change, kind, page, again, id=f"{name} | {kind} | {page}")
    for name, (change, kinds, again) in CHANGES.items()
    for kind in kinds
    for page in ("first" if kind == "offset" else "middle",)
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyApi]:
    with misbehaving(tmp_path_factory.mktemp("drift")) as served:
        yield served


def changing(world: FaultyApi, pagination: str, page: str, change: Callable[[list[Row]], list[Row]]) -> list[Row]:
    """From now on the rows change after this page was read, once; gives the rows as they are from then on."""
    rows = change(list(ROWS))
    world.sandbox.faults.clear()
    world.sandbox.set_rows("shop", f"/{pagination}", ROWS)
    act = faults.then(lambda: world.sandbox.set_rows("shop", f"/{pagination}", rows))
    world.sandbox.faults.add(act, path=f"/{pagination}", page=PAGES[page])
    return rows


def merged(rows: list[Row]) -> dict[Any, Mapping[str, Any]]:
    return {row["id"]: {**row, "tags": f"[{row['tags'][0]}]"} for row in [*BEFORE, *rows]}


@pytest.mark.parametrize(("change", "pagination", "page", "again"), TRIALS)
def test_rows_that_move_while_they_are_read(
    world: FaultyApi,
    change: Callable[[list[Row]], list[Row]],
    pagination: str,
    page: str,
    again: bool,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also where as many rows came as were promised, since one was missed and another came twice or was removed."""
    shop = world.shop(request.node.name)
    rows = changing(world, pagination, page, change)
    with caplog.at_level(logging.WARNING, "analytics_assets"):
        world.load(shop, pagination, PLAIN, concurrency=1)
    assert rows_by_id(shop) == merged(rows)
    assert not world.sandbox.faults.unused()
    said = [message for message in caplog.messages if "reading again" in message]
    assert len(said) == (1 if again else 0), caplog.messages


@pytest.mark.parametrize("kind", ["comes", "goes"])
def test_an_api_that_never_rests(world: FaultyApi, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """The walk is repeated as often as is allowed, then it is an error, and the table is as it was."""
    shop = world.shop(f"never rests, {kind}")
    before = held(shop)
    rows = list(ROWS)

    def change() -> None:
        if kind == "goes":
            del rows[0]
        else:
            rows.insert(0, {**NEW, "id": 100 + len(rows)})
        world.sandbox.set_rows("shop", "/offset", tuple(rows))

    world.sandbox.faults.clear()
    world.sandbox.set_rows("shop", "/offset", ROWS)
    world.sandbox.faults.add(faults.then(change), path="/offset", page=1, times=None)
    with (
        pytest.raises(DriftError, match="This happened in each of 3 attempts"),
        caplog.at_level(logging.WARNING, "analytics_assets"),
    ):
        world.load(shop, "offset", PLAIN, concurrency=1)
    assert held(shop) == before
    assert sum("reading again" in message for message in caplog.messages) == 2


def test_a_key_that_the_api_holds_twice(world: FaultyApi, caplog: pytest.LogCaptureFixture) -> None:
    """Two walks that bring the same keys say that nothing moved: the later row counts, and a person is told."""
    shop = world.shop("twice")
    world.sandbox.faults.clear()
    world.sandbox.set_rows("shop", "/offset", [*ROWS, {**ROWS[0], "amount": 7}])
    with caplog.at_level(logging.WARNING, "analytics_assets"):
        world.load(shop, "offset", PLAIN, concurrency=1)
    assert rows_by_id(shop) == merged([*ROWS, {**ROWS[0], "amount": 7}])
    assert "the same ones in two reads" in caplog.messages[-1]
    assert "primary_key" in caplog.messages[-1]
