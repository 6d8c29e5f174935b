"""Checks of columns: types and names."""

from __future__ import annotations

from analytics_assets.components.checks.columns import ENOUGH_ROWS
from analytics_assets_tests.components.checks.conftest import BuildShop, evaluations, numbers, order

TYPES, KNOWN = "columns_keep_their_types", "columns_are_known"


def test_changed_type_stays_red_until_the_table_is_created_anew(shop: BuildShop) -> None:
    harness = shop([order(1, day=1, amount=5)])
    assert evaluations(harness.run("shop_incremental", partition="2026-10-01"), harness)[TYPES].passed
    harness.server.set_rows("shop", "/v1/orders", [order(2, day=2, amount="much")])
    changed = harness.run("shop_incremental", partition="2026-10-02")
    harness.server.set_rows("shop", "/v1/orders", [order(3, day=3, amount=6)])
    later = harness.run("shop_incremental", partition="2026-10-03")
    for result in (changed, later):
        check = evaluations(result, harness)[TYPES]
        assert (check.passed, numbers(check)) == (False, {"variant_columns": 1, "amount": "amount__v_text"})
        assert 'FROM shop.orders WHERE "amount__v_text" IS NOT NULL LIMIT 5' in str(check.description)
    warning = "shop/orders: the column 'amount' got values of another type: amount__v_text"
    assert [warning in harness.log_lines(result) for result in (changed, later)] == [True, False]
    check = evaluations(harness.run("shop_full_refresh"), harness)[TYPES]
    assert (check.passed, numbers(check)) == (True, {"variant_columns": 0})


def test_new_and_vanished_fields_are_listed(shop: BuildShop) -> None:
    harness = shop([order(1, day=1, name="a", note="x")])
    first = evaluations(harness.run("shop_incremental", partition="2026-10-01"), harness)[KNOWN]
    assert (first.passed, numbers(first)) == (True, {"new_columns": 0, "vanished_columns": 0})
    unnamed = [order(number, day=2) for number in range(4, ENOUGH_ROWS + 2)]
    harness.server.set_rows(
        "shop", "/v1/orders", [order(2, day=2, label="b", note=None), order(3, day=2, size=1), *unnamed]
    )
    check = evaluations(harness.run("shop_incremental", partition="2026-10-02"), harness)[KNOWN]
    assert not check.passed
    assert numbers(check) == {"new_columns": 2, "new": "label, size", "vanished_columns": 1, "vanished": "name"}
    assert "2 new columns: label, size" in str(check.description)
    assert "No record has the field of 1 column: name" in str(check.description)


def test_few_rows_of_a_window_miss_no_field(shop: BuildShop) -> None:
    harness = shop([order(1, day=1, name="a"), order(2, day=2)])
    harness.run("shop_incremental", partition="2026-10-01")
    check = evaluations(harness.run("shop_incremental", partition="2026-10-02"), harness)[KNOWN]
    assert (check.passed, numbers(check)) == (True, {"new_columns": 0, "vanished_columns": 0})


def test_load_without_rows_misses_no_field(shop: BuildShop) -> None:
    harness = shop([order(1, day=1, name="a")])
    harness.run("shop_incremental", partition="2026-10-01")
    check = evaluations(harness.run("shop_incremental", partition="2026-10-02"), harness)[KNOWN]
    assert (check.passed, numbers(check)) == (True, {"new_columns": 0, "vanished_columns": 0})


def test_column_vanishes_in_a_full_refresh(shop: BuildShop) -> None:
    harness = shop([order(1, name="a")])
    harness.run("shop_full_refresh")
    harness.server.set_rows("shop", "/v1/orders", [order(1)])
    check = evaluations(harness.run("shop_full_refresh"), harness)[KNOWN]
    assert (check.passed, numbers(check)["vanished"]) == (False, "name")


def test_variant_column_is_not_a_new_field(shop: BuildShop) -> None:
    harness = shop([order(1, day=1, amount=5)])
    harness.run("shop_incremental", partition="2026-10-01")
    harness.server.set_rows("shop", "/v1/orders", [order(2, day=2, amount="much")])
    assert evaluations(harness.run("shop_incremental", partition="2026-10-02"), harness)[KNOWN].passed
