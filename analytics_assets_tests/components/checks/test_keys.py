"""Checks of primary keys, and of rows that the API does not have any more."""

from __future__ import annotations

import pytest

from analytics_assets_tests.components.checks.conftest import BuildShop, evaluations, numbers, order

UNIQUE, GONE = "key_is_unique_and_present", "rows_gone_from_api"
DUPLICATES = [order(1, name="a"), order(2), order(1, name="b"), order(1, name="c")]


def test_unique_keys_pass(shop: BuildShop) -> None:
    harness = shop([order(1), order(2), order(3)])
    check = evaluations(harness.run("shop_incremental", partition="2026-10-01"), harness)[UNIQUE]
    assert (check.passed, numbers(check)) == (True, {"rows": 3, "rows_with_same_key": 0, "rows_without_key": 0})


@pytest.mark.parametrize(
    ("resource", "effect"),
    [
        ("write_disposition: merge", "The newest row of each key is in the table."),
        ("write_disposition: append", 'SELECT "id" FROM shop.orders WHERE _dlt_load_id = '),
    ],
)
def test_duplicate_keys_fail_with_number_and_keys(shop: BuildShop, resource: str, effect: str) -> None:
    harness = shop(DUPLICATES, resource=resource)
    check = evaluations(harness.run("shop_incremental", partition="2026-10-01"), harness)[UNIQUE]
    assert not check.passed
    assert numbers(check) == {"rows": 4, "rows_with_same_key": 2, "rows_without_key": 0, "sample_keys": "1"}
    assert str(check.description).startswith("2 of 4 rows have the key (id) of another row of the load. ")
    assert effect in str(check.description)


def test_keys_are_not_shown_without_preview(shop: BuildShop) -> None:
    """Dagster's history then holds no value of a record."""
    harness = shop(DUPLICATES, resource="preview: false")
    check = evaluations(harness.run("shop_incremental", partition="2026-10-01"), harness)[UNIQUE]
    assert not check.passed
    assert "sample_keys" not in check.metadata


def test_records_without_key_are_counted(shop: BuildShop) -> None:
    harness = shop([order(1), {**order(2), "id": None}], resource="null_key: skip")
    check = evaluations(harness.run("shop_incremental", partition="2026-10-01"), harness)[UNIQUE]
    assert (check.passed, numbers(check)["rows_without_key"]) == (False, 1)
    assert "1 record without a key (id) skipped" in str(check.description)


def test_load_that_fails_for_a_missing_key_fails_the_check(shop: BuildShop) -> None:
    harness = shop([order(1), {**order(2), "id": None}])
    checks = evaluations(harness.run("shop_incremental", partition="2026-10-01", ok=False), harness)
    assert checks.keys() == {UNIQUE}
    assert "the primary key 'id' is null or missing in 1 of 2 records" in str(checks[UNIQUE].description)


def test_rows_gone_stay_in_a_merged_table_and_fail_the_check(shop: BuildShop) -> None:
    harness = shop([order(number) for number in range(4)], windows=False)
    assert evaluations(harness.run("shop_snapshot"), harness)[GONE].passed
    harness.server.set_rows("shop", "/v1/orders", [order(0), order(9)])
    check = evaluations(harness.run("shop_snapshot"), harness)[GONE]
    assert not check.passed
    assert {**numbers(check), "sample_keys": sorted(numbers(check)["sample_keys"].split("; "))} == {
        "rows_gone": 3,
        "rows_in_api": 2,
        "sample_keys": ["1", "2", "3"],
    }
    assert str(check.description).startswith("3 rows of shop.orders are not in the API any more. They stay")


@pytest.mark.parametrize(("left", "passed"), [(3, True), (1, False)], ids=["some", "most"])
@pytest.mark.parametrize("windows", [True, False], ids=["full refresh", "replace"])
def test_rows_gone_are_counted_when_the_table_is_replaced(
    shop: BuildShop, windows: bool, left: int, passed: bool
) -> None:
    harness = shop(
        [order(number) for number in range(5)],
        windows=windows,
        resource="" if windows else "write_disposition: replace",
    )
    job = "shop_full_refresh" if windows else "shop_snapshot"
    assert numbers(evaluations(harness.run(job), harness)[GONE]) == {"rows_gone": 0, "rows_in_api": 5}
    harness.server.set_rows("shop", "/v1/orders", [order(number) for number in range(left)])
    check = evaluations(harness.run(job), harness)[GONE]
    assert (check.passed, numbers(check)["rows_gone"], numbers(check)["rows_in_api"]) == (passed, 5 - left, left)
    assert len(harness.rows("shop.orders")) == left


def test_keys_of_another_type_are_not_compared(shop: BuildShop) -> None:
    harness = shop([order(1), order(2)])
    harness.run("shop_full_refresh")
    harness.server.set_rows("shop", "/v1/orders", [{**order(1), "id": "one"}])
    assert GONE not in evaluations(harness.run("shop_full_refresh"), harness)
    assert [row["id"] for row in harness.rows("shop.orders")] == ["one"]


def test_window_says_nothing_about_rows_gone(shop: BuildShop) -> None:
    harness = shop([order(1)])
    assert GONE not in evaluations(harness.run("shop_incremental", partition="2026-10-01"), harness)
