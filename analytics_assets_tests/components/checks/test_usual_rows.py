"""The check of the number of rows: bounds, the loads to compare with, and the partitions of a range."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from analytics_assets.components.checks.usual_rows import earlier_partitions, usual_rows
from analytics_assets.components.partitions import build_partitions_def
from analytics_assets.rest_api.config import Partitions
from analytics_assets_tests.components.checks.conftest import BuildShop, Row, evaluations, numbers, order

USUAL = "rows_as_usual"
FIVE_O_CLOCK = [f"2026-10-{day}-05:00" for day in (29, 28, 27, 26)]


def orders(counts: Sequence[int]) -> list[Row]:
    """So many orders on each day of October, from the first on."""
    return [order(100 * day + n, day=day) for day, count in enumerate(counts, start=1) for n in range(count)]


@pytest.mark.parametrize(
    ("history", "bounds"),
    [
        ([100, 120, 110], (50, 240)),
        ([0, 0, 0], (0, 3)),
        ([4, 4, 4], (1, 10)),
        ([0, 50, 60], (0, 120)),
        ([10_000, 20_000, 15_000], (5_000, 40_000)),
    ],
)
def test_bounds(history: list[int], bounds: tuple[int, int]) -> None:
    assert usual_rows(history) == bounds


@pytest.mark.parametrize(
    ("cadence", "key", "seasonal", "recent"),
    [
        ("daily", "2026-11-02", ["2026-10-26", "2026-10-19", "2026-10-12", "2026-10-05"], ["2026-10-26", "2026-11-01"]),
        ("hourly", "2026-10-30-05:00", FIVE_O_CLOCK, ["2026-10-29-22:00", "2026-10-30-04:00"]),
        ("weekly", "2026-11-01", [], ["2026-09-13", "2026-10-25"]),
        ("monthly", "2026-10-01", [], ["2026-03-01", "2026-09-01"]),
    ],
)
def test_partitions_to_compare_with(cadence: str, key: str, seasonal: list[str], recent: list[str]) -> None:
    partitions = Partitions.model_validate({"cadence": cadence, "start": "2026-01-01", "timezone": "Europe/Berlin"})
    same, last = earlier_partitions(build_partitions_def(partitions), key)
    assert (list(same), [last[0], last[-1]], len(last)) == (seasonal, recent, 7)


def test_silent_until_there_is_a_history(shop: BuildShop) -> None:
    harness = shop(orders([3, 3, 3, 3, 30]))
    for day in range(1, 4):
        check = evaluations(harness.run("shop_incremental", partition=f"2026-10-0{day}"), harness)[USUAL]
        assert (check.passed, numbers(check)) == (True, {"rows": 3})
        assert str(check.description).startswith("No history yet: ")
    check = evaluations(harness.run("shop_incremental", partition="2026-10-04"), harness)[USUAL]
    assert (check.passed, numbers(check)) == (
        True,
        {"rows": 3, "usual_from": 1, "usual_to": 8, "unusual_windows": 0},
    )
    check = evaluations(harness.run("shop_incremental", partition="2026-10-05"), harness)[USUAL]
    assert (check.passed, numbers(check)["rows"], numbers(check)["unusual_windows"]) == (False, 30, 1)
    assert "2026-10-05 has 30 rows, usual are 1 to 8" in str(check.description)


def test_empty_load_fails_where_there_never_was_one(shop: BuildShop) -> None:
    harness = shop(orders([2, 2, 2]))
    harness.run("shop_incremental", partitions=("2026-10-01", "2026-10-03"))
    check = evaluations(harness.run("shop_incremental", partition="2026-10-04"), harness)[USUAL]
    assert not check.passed
    assert "2026-10-04 has 0 rows, usual are 1 to 6" in str(check.description)


def test_each_partition_of_a_range_is_judged(shop: BuildShop) -> None:
    harness = shop(orders([10, 10, 10, 90, 10]))
    check = evaluations(harness.run("shop_incremental", partitions=("2026-10-01", "2026-10-05")), harness)[USUAL]
    assert (check.passed, numbers(check)["rows"], numbers(check)["unusual_windows"]) == (False, 10, 1)
    assert "1 window of 2 with an unusual number of rows: 2026-10-04 has 90 rows" in str(check.description)


def test_same_weekday_counts_before_the_last_days(shop: BuildShop) -> None:
    """October 25 is a Sunday; there are few orders on Sundays."""
    harness = shop(orders([4 if day % 7 == 4 else 90 for day in range(1, 26)]))
    check = evaluations(harness.run("shop_incremental", partitions=("2026-10-01", "2026-10-25")), harness)[USUAL]
    assert (numbers(check)["rows"], numbers(check)["usual_from"], numbers(check)["usual_to"]) == (4, 1, 10)


def test_full_refresh_gives_history_and_is_not_judged(shop: BuildShop) -> None:
    harness = shop(orders([5, 5, 5]))
    assert USUAL not in evaluations(harness.run("shop_full_refresh"), harness)
    check = evaluations(harness.run("shop_incremental", partition="2026-10-04"), harness)[USUAL]
    assert (check.passed, numbers(check)["usual_from"]) == (False, 1)


def test_loads_without_windows_are_compared_with_the_last_ones(shop: BuildShop) -> None:
    harness = shop(orders([50]), windows=False)
    for _ in range(3):
        assert evaluations(harness.run("shop_snapshot"), harness)[USUAL].passed
    harness.server.set_rows("shop", "/v1/orders", orders([10]))
    check = evaluations(harness.run("shop_snapshot"), harness)[USUAL]
    assert (check.passed, numbers(check)["usual_from"]) == (False, 25)
