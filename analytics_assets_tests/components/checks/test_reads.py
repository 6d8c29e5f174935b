"""Checks of reads: complete, of the window, and of the real API."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from analytics_assets.definitions import build_definitions
from analytics_assets_tests.components.checks.conftest import (
    CURSOR,
    OFFSET,
    BuildShop,
    evaluations,
    faults,
    numbers,
    order,
)
from analytics_assets_tests.components.conftest import JobHarness
from analytics_assets_tests.fake_api import builtin_server

COMPLETE, WINDOW, REAL = "complete", "api_honours_the_window", "holds_real_data"
OTHER_CURSOR = CURSOR.replace("cursor_path: next", "cursor_path: following")
THREE = [order(number) for number in range(3)]


@pytest.mark.parametrize(
    ("paginator", "total", "expected", "text"),
    [
        (CURSOR, False, {"proof": "end"}, "3 rows read; the API said that no page follows."),
        (OFFSET, False, {"proof": "empty page"}, "3 rows read; the page after the last one is empty"),
        (
            OFFSET.replace("}", ", total_path: total}"),
            True,
            {"proof": "total", "rows_in_api": 3},
            "3 rows read; the number of rows or pages is the API's total.",
        ),
        (OFFSET, True, {"proof": "total", "rows_in_api": 3}, "3 rows read; the number of rows or pages"),
    ],
    ids=["end", "empty page", "configured total", "detected total"],
)
def test_complete_read_names_its_proof(
    shop: BuildShop, paginator: str, total: bool, expected: dict[str, Any], text: str
) -> None:
    harness = shop(THREE, paginator=paginator, total=total)
    check = evaluations(harness.run("shop_incremental", partition="2026-10-01"), harness)[COMPLETE]
    assert (check.passed, numbers(check)) == (True, {"rows_read": 3, **expected})
    assert str(check.description).startswith(text)


@pytest.mark.parametrize(
    ("paginator", "proof"),
    [
        (OFFSET.replace("}", ", maximum_offset: 2}"), "bound"),
        (f"{OTHER_CURSOR}\n        ignore_hints: next", "none"),
    ],
)
def test_end_that_nothing_proves_fails(shop: BuildShop, paginator: str, proof: str) -> None:
    harness = shop(THREE, paginator=paginator)
    check = evaluations(harness.run("shop_incremental", partition="2026-10-01"), harness)[COMPLETE]
    assert (check.passed, numbers(check)["proof"]) == (False, proof)
    assert str(check.description).startswith("Not proven: 2 rows read; ")


def test_incomplete_load_fails_the_check(shop: BuildShop) -> None:
    harness = shop(THREE, paginator=OTHER_CURSOR)
    checks = evaluations(harness.run("shop_incremental", partition="2026-10-01", ok=False), harness)
    assert checks.keys() == {COMPLETE}
    assert str(checks[COMPLETE].description).startswith("The load failed, and the table was not changed: ")


def test_full_refresh_has_no_window_to_honour(shop: BuildShop) -> None:
    harness = shop(THREE, ignored=True)
    result = evaluations(harness.run("shop_incremental", partition="2026-10-02"), harness)[WINDOW]
    assert (result.passed, numbers(result)) == (False, {"rows": 0, "rows_outside_window": 3})
    assert "3 of 3 rows are outside of the window and were discarded" in str(result.description)
    assert WINDOW not in evaluations(harness.run("shop_full_refresh"), harness)


def test_load_that_fetches_nothing_turns_no_check_red(shop: BuildShop) -> None:
    harness = shop(THREE)
    harness.server.faults.add(faults.status(403), path="/v1/orders")
    assert evaluations(harness.run("shop_incremental", partition="2026-10-01", ok=False), harness) == {}


def test_sandbox_data_is_not_real(build_harness: Callable[..., JobHarness], monkeypatch: pytest.MonkeyPatch) -> None:
    real = build_harness(builtin_server())
    variables = [name for name in os.environ if name.startswith("RECRUITING_")]
    with monkeypatch.context() as patch:
        for name in variables:
            patch.delenv(name)
        sandbox = JobHarness(real.folder, real.server, build_definitions({}), real.instance)
        before = sandbox.run("recruiting_incremental", partition="2026-10-01")
    after = real.run("recruiting_incremental", partition="2026-10-01")
    found = [
        [check for check in result.get_asset_check_evaluations() if check.check_name == REAL]
        for result in (before, after)
    ]
    assert [[check.passed for check in checks] for checks in found] == [[False, False], [True, True]]
    assert all("invented data" in str(check.description) for check in found[0])


def test_own_api_needs_no_check_of_the_sandbox(shop: BuildShop) -> None:
    harness = shop(THREE)
    assert REAL not in evaluations(harness.run("shop_incremental", partition="2026-10-01"), harness)
