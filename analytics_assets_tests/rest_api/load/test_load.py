"""What a load does to its table: keys, dispositions, full refresh, and types that change."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from analytics_assets.rest_api.arrow import converter
from analytics_assets.rest_api.errors import DataError, ResponseError, TypeChangeError, WarehouseError
from analytics_assets_tests.fake_api import faults
from analytics_assets_tests.support.loaders import Orders, orders

Rows = Sequence[dict[str, Any]]


# Keys


@pytest.mark.parametrize("extra", [{}, {"rowid": 1}, {"file_row_number": 1}, {"rowid": 1, "file_row_number": 1}])
@pytest.mark.parametrize("disposition", ["merge", "replace"])
def test_one_row_a_key(disposition: str, extra: dict[str, Any], tmp_path: Path) -> None:
    """Rows move between pages while they are read; without a cursor the last to come counts."""
    pages: list[list[dict[str, Any]]] = [
        [{"id": 1, "v": "first"}, {"id": 1, "v": "last"}],
        [{"id": 2, "v": 1}, {"id": 3, "v": "x"}],
        [{"id": 2, "v": 1}],
    ]
    with orders(tmp_path, write_disposition=disposition, columns={"v": {"type": "string"}}) as api:
        for _ in range(2):
            api.load([{**row, "v": str(row["v"]), **extra} for page in pages for row in page])
            expected = [{"id": 1, "v": "last"}, {"id": 2, "v": "1"}, {"id": 3, "v": "x"}]
            assert api.rows() == [{**row, **extra} for row in expected]


def test_composite_key(tmp_path: Path) -> None:
    def row(number: int, line: str, v: int) -> dict[str, Any]:
        return {"id": number, "orderLine": line, "v": v}

    with orders(tmp_path, primary_key=["id", "orderLine"]) as api:
        api.load([row(1, "a", 1), row(1, "b", 1), row(2, "a", 1)])
        api.load([row(1, "b", 2), row(2, "b", 2), row(2, "b", 3)])
        found = {(row["id"], row["order_line"]): row["v"] for row in api.rows()}
        assert found == {(1, "a"): 1, (1, "b"): 2, (2, "a"): 1, (2, "b"): 3}
        with pytest.raises(DataError, match="the primary key 'orderLine' is null or missing in 1 of 1 records"):
            api.load([{"id": 3, "orderLine": None}])


@pytest.mark.parametrize("nameless", [{"id": None, "v": 2}, {"v": 2}])
def test_null_key(nameless: dict[str, Any], tmp_path: Path) -> None:
    rows = [{"id": 1, "v": 1}, nameless, {"id": 3, "v": 3}]
    with orders(tmp_path) as api:
        with pytest.raises(DataError, match=r"'id' is null or missing in 1 of 3 records.*`null_key: skip`"):
            api.load(rows)
        assert not api.types()
        load = api.load(rows, null_key="skip")
        assert api.rows() == [rows[0], rows[2]]
    assert (load.statistics.rows, load.statistics.rows_without_key) == (2, 1)


def test_a_key_does_not_change_its_type(tmp_path: Path) -> None:
    with orders(tmp_path) as api:
        api.load([{"id": 1}])
        with pytest.raises(DataError, match="the primary key 'id' changed its type: the column is bigint"):
            api.load([{"id": "1"}])
        assert api.rows() == [{"id": 1}]
        api.load([{"id": "1"}], full_refresh=True)
        assert api.rows() == [{"id": "1"}]


# Dispositions


def test_merge_keeps_what_the_api_no_longer_sends(tmp_path: Path) -> None:
    with orders(tmp_path) as api:
        api.load([{"id": 1, "v": 1}, {"id": 2, "v": 1}])
        api.load([{"id": 2, "v": 2}, {"id": 3, "v": 2}])
        assert api.rows() == [{"id": 1, "v": 1}, {"id": 2, "v": 2}, {"id": 3, "v": 2}]


def test_replace_swaps_the_table(tmp_path: Path) -> None:
    with orders(tmp_path, write_disposition="replace") as api:
        api.load([{"id": 1, "v": 1}, {"id": 2, "v": 1}])
        api.load([{"id": 3, "w": True}])
        assert api.rows() == [{"id": 3, "v": None, "w": True}]
        api.load([])
        assert api.rows() == []
        assert api.types() == {"id": "BIGINT", "v": "BIGINT", "w": "BOOLEAN"}


def test_replace_without_key_keeps_equal_rows(tmp_path: Path) -> None:
    rows = [{"id": 1}] * 5
    with orders(tmp_path, write_disposition="replace", primary_key=[]) as api:
        for _ in range(2):
            api.load(rows)
            assert api.rows() == rows


@pytest.mark.parametrize("changed", [{}, {"write_disposition": "replace"}, {"full_refresh": True}])
def test_a_failed_walk_changes_nothing(changed: dict[str, Any], tmp_path: Path) -> None:
    before = [{"id": n, "v": 1} for n in range(5)]
    with orders(tmp_path) as api:
        api.load(before)
        api.sandbox.faults.add(faults.status(400), path="/orders", page=3, times=None)
        with pytest.raises(ResponseError, match="the API returned 400"):
            api.load([{"id": n, "v": 2, "new": "x"} for n in range(5)], **changed)
        assert api.rows() == before


# Full refresh


def test_full_refresh_replaces_with_fresh_types(tmp_path: Path) -> None:
    with orders(tmp_path) as api:
        api.load([{"id": 1, "amount": 1, "gone": "x"}, {"id": 2, "amount": "2", "gone": None}])
        assert api.types() == {"id": "BIGINT", "amount": "BIGINT", "gone": "VARCHAR", "amount__v_text": "VARCHAR"}
        rows = [{"id": "a", "amount": 1.5}, {"id": "b", "amount": 2.25}]
        load = api.load(rows, full_refresh=True)
        assert api.types() == {"id": "VARCHAR", "amount": "DOUBLE"}
        assert api.rows() == rows
        assert load.table.total_rows == 2
        assert set(load.table.columns) == {"id", "amount", "_dlt_load_id"}
        api.load([{"id": "b", "amount": 3.5}])
        assert api.rows() == [rows[0], {"id": "b", "amount": 3.5}]


def test_full_refresh_of_an_api_that_is_empty_now(tmp_path: Path) -> None:
    with orders(tmp_path) as api:
        api.load([{"id": 1, "tags": ["x"]}])
        api.load([], full_refresh=True)
        assert api.rows() == []
        assert api.types() == {"id": "BIGINT", "tags": "JSON"}


def test_declaration_that_changed(tmp_path: Path) -> None:
    rows = [{"id": 1, "at": 1790899200000}]
    columns = {"at": {"type": "integer", "format": "epoch_ms"}}
    with orders(tmp_path) as api:
        api.load(rows)
        with pytest.raises(WarehouseError, match=r"column 'at' of shop\.orders is bigint .* timestamp .* full refresh"):
            api.load(rows, columns=columns)
        assert api.rows() == rows
        api.load(rows, columns=columns, full_refresh=True)
        assert api.types()["at"] == "TIMESTAMP WITH TIME ZONE"


# No rows


def test_first_load_of_no_rows(tmp_path: Path) -> None:
    with orders(tmp_path) as api:
        assert api.load([]).table.total_rows == 0
        assert api.types() == {}
        api.load([], columns={"id": {"type": "integer"}, "paid": {"type": ["null", "boolean"]}})
        assert api.types() == {"id": "BIGINT", "paid": "BOOLEAN"}
        assert api.rows() == []
        api.load([{"id": 1, "paid": True}])
        api.load([])
        assert api.rows() == [{"id": 1, "paid": True}]


@pytest.mark.parametrize("how", [{}, {"full_refresh": True}], ids=["merge", "full refresh"])
def test_a_newly_declared_column_exists_although_no_row_came(how: dict[str, Any], tmp_path: Path) -> None:
    with orders(tmp_path) as api:
        api.load([{"id": 1}])
        result = api.load([], columns={"paid": {"type": "boolean"}}, **how)
        assert api.types() == {"id": "BIGINT", "paid": "BOOLEAN"}
        assert result.new_columns == ("paid",)


def test_no_rows_and_nothing_declared_make_no_table(tmp_path: Path) -> None:
    with orders(tmp_path, write_disposition="replace", primary_key=[]) as api:
        result = api.load([])
        assert api.types() == {}
    assert (dict(result.table.columns), result.new_columns) == ({}, ())


# Declared text columns

WRITTEN = [
    "1.50",
    "1E5",
    "-0",
    "150",
    "18446744073709551616",
    "true",
    '"text \\u00e9"',
    "null",
    "0.1234567890123456789",
]
AS_TEXT = ["1.50", "1E5", "-0", "150", "18446744073709551616", "true", "text é", None, "0.1234567890123456789"]


def send_as_written(api: Orders) -> None:
    """Let the API send the text after `@` without quotation marks."""
    unquote = faults.change_body(
        lambda body: re.sub(rb'"@(.*?)@"', lambda found: json.loads(b'"%s"' % found[1]).encode(), body)
    )
    api.sandbox.faults.add(unquote, times=None)


@pytest.mark.parametrize("odd", [{}, {"n": "a text among numbers"}], ids=["structs", "dicts"])
def test_a_string_column_stores_any_scalar_as_it_is_written(odd: dict[str, Any], tmp_path: Path) -> None:
    rows = [{"id": n, "n": n, "v": f"@{value}@"} for n, value in enumerate(WRITTEN)]
    rows[3] |= odd
    with orders(tmp_path, columns={"v": {"type": "string"}}) as api:
        send_as_written(api)
        result = api.load([{"id": 99, "n": 99, "v": "text"}, *rows])
        assert [row["v"] for row in api.rows()] == [*AS_TEXT, "text"]
        assert api.types()["v"] == "VARCHAR"
    assert set(result.statistics.changed_columns) == set(odd)


def test_a_string_key_takes_any_scalar(tmp_path: Path) -> None:
    with orders(tmp_path, columns={"id": {"type": "string"}}) as api:
        send_as_written(api)
        api.load([{"id": "a", "v": 1}, {"id": 150, "v": 1}, {"id": "@1.50@", "v": 1}, {"id": True, "v": 1}])
        api.load([{"id": "150", "v": 2}, {"id": "@1.50@", "v": 2}])
        assert {row["id"]: row["v"] for row in api.rows()} == {"a": 1, "150": 2, "1.50": 2, "true": 1}


def test_nested_values_of_a_string_column_go_to_a_variant_column(tmp_path: Path) -> None:
    with orders(tmp_path, columns={"v": {"type": "string"}}) as api:
        api.load([{"id": 1, "v": 1}, {"id": 2, "v": {"a": 1}}, {"id": 3, "v": [True]}])
        assert [(row["v"], row["v__v_json"]) for row in api.rows()] == [("1", None), (None, {"a": 1}), (None, [True])]


# Columns that come, go and change


CHANGES: dict[str, tuple[list[Any], dict[str, str]]] = {
    "integer, double": ([1, 1.5, 2], {"amount": "DOUBLE"}),
    "integer that no double holds, double": (
        [2**53 + 1, 1.5, 2**60],
        {"amount": "DOUBLE", "amount__v_bigint": "BIGINT"},
    ),
    "integer, text": ([1, "1", 2], {"amount": "BIGINT", "amount__v_text": "VARCHAR"}),
    "text, integer": (["1", 1, "2"], {"amount": "VARCHAR", "amount__v_bigint": "BIGINT"}),
    "bool, integer": ([True, 1, False], {"amount": "BOOLEAN", "amount__v_bigint": "BIGINT"}),
    "object, text": ([{"a": 1}, "a", [1]], {"amount": "JSON", "amount__v_text": "VARCHAR"}),
    "beyond 64 bits": ([1, 2**64, 2], {"amount": "DECIMAL(38,0)"}),
    "beyond 64 bits, double": ([2**64, 1.5, 2**64 + 1], {"amount": "DOUBLE", "amount__v_decimal": "DECIMAL(38,0)"}),
    "double, integer": ([1.5, 2, 2.5], {"amount": "DOUBLE"}),
    "nulls first": ([None, 1.5, None], {"amount": "DOUBLE"}),
}


@pytest.mark.parametrize(("values", "types"), CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("together", [True, False], ids=["in one load", "between loads"])
def test_a_field_that_changes_its_type(
    values: list[Any], types: dict[str, str], together: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value is in its column, or in the variant column of its type: it is never lost or changed."""
    monkeypatch.setattr("analytics_assets.rest_api.extract.page_batches.MIN_BATCH_ROWS", 2)
    monkeypatch.setattr(converter, "BATCH_ROWS", 2)  # within one load it changes between two tables for dlt, too
    rows = [row for n, value in enumerate(values) for row in ({"id": 2 * n, "amount": value}, {"id": 2 * n + 1})]
    with orders(tmp_path) as api:
        for load in [rows] if together else [rows[n : n + 2] for n in range(0, len(rows), 2)]:
            api.load(load)
        assert api.types() == {"id": "BIGINT", **types}
        found = {row.pop("id"): row for row in api.rows()}
    for n, value in enumerate(values):
        assert [held for held in found[2 * n].values() if held is not None] == ([] if value is None else [value])
        assert set(found[2 * n + 1].values()) == {None}


@pytest.mark.parametrize("together", [True, False], ids=["in one load", "between loads"])
def test_a_contract_in_place_of_variants(together: bool, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": 1, "amount": 1},
        {"id": 2, "amount": None},
        {"id": 3, "amount": "much"},
        {"id": 4, "amount": 4},
    ]
    with orders(tmp_path, schema_contract="freeze") as api:
        api.load(rows[:2])
        with pytest.raises(TypeChangeError, match=r"field 'amount' changed its type: the column 'amount' is bigint"):
            api.load(rows if together else rows[2:])
        assert api.rows() == rows[:2]
        load = api.load(rows if together else rows[2:], schema_contract="discard_value")
        assert api.rows() == [*rows[:2], {"id": 3, "amount": None}, rows[3]]
        assert api.types() == {"id": "BIGINT", "amount": "BIGINT"}
    assert load.statistics.changed_columns == {"amount": ["1 values discarded"]}


def test_a_value_that_is_left_out_of_a_column_that_needs_one(tmp_path: Path) -> None:
    columns = {"amount": {"data_type": "bigint", "nullable": False}}
    with orders(tmp_path, schema_contract="discard_value", columns=columns) as api:
        with pytest.raises(DataError, match="'amount' is declared as not nullable"):
            api.load([{"id": 1, "amount": "much"}])
        assert api.types() == {}


def test_a_row_moves_between_variants(tmp_path: Path) -> None:
    with orders(tmp_path) as api:
        for value in (1, "one", 1.5, 2):
            api.load([{"id": 1, "amount": value}])
            [row] = api.rows()
            assert [held for name, held in row.items() if name != "id" and held is not None] == [value]


def test_statistics_name_new_and_changed_columns(tmp_path: Path) -> None:
    with orders(tmp_path) as api:
        assert api.load([{"id": 1, "a": 1}]).new_columns == ("a", "id")
        result = api.load([{"id": 1, "a": "x", "b": None}, {"id": 2, "c": 1}])
    assert result.new_columns == ("a__v_text", "c")
    assert result.statistics.changed_columns == {"a": ["a__v_text"]}


def test_a_field_that_vanishes_and_comes_back(tmp_path: Path) -> None:
    """A row that has lost a field has lost the value: NULL until it is there again."""
    with orders(tmp_path) as api:
        for row in ({"id": 1, "a": 1, "b": ["x"]}, {"id": 1, "a": 2}, {"id": 1, "b": ["y"]}):
            api.load([row])
            assert api.rows() == [{"a": None, "b": None, **row}]


@pytest.mark.parametrize(
    "rows", [[{"id": 1, "createdAt": 1, "created_at": 2}], [{"id": 1, "createdAt": 1}, {"id": 2, "Created At": 2}]]
)
def test_two_fields_that_would_be_one_column(rows: Rows, tmp_path: Path) -> None:
    with orders(tmp_path) as api:
        with pytest.raises(
            DataError, match=r"the fields 'createdAt' and '.*' would both become the column 'created_at'"
        ):
            api.load(rows)
        assert not api.types()


def test_a_field_that_is_renamed_within_its_column(tmp_path: Path) -> None:
    with orders(tmp_path) as api:
        api.load([{"id": 1, "createdAt": 1}])
        api.load([{"id": 2, "created_at": 2}])
        assert api.rows() == [{"id": 1, "created_at": 1}, {"id": 2, "created_at": 2}]


def test_a_table_that_somebody_dropped_is_made_anew(tmp_path: Path) -> None:
    with orders(tmp_path) as api:
        api.load([{"id": 1, "v": 1}])
        with duckdb.connect(str(api.loader.file)) as connection:
            connection.execute("DROP TABLE shop.orders")
        api.load([{"id": 2, "v": 2.5}])
        assert api.rows() == [{"id": 2, "v": 2.5}]
