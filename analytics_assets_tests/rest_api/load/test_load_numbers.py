"""Numbers of one family in one column: its type and its values do not depend on the order of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics_assets.rest_api.errors import TypeChangeError
from analytics_assets_tests.fake_api import CursorPagination, Endpoint, serve_endpoint
from analytics_assets_tests.rest_api.destination.endpoints import ENDPOINT
from analytics_assets_tests.strategies.json_numbers import Number, expected_column, expected_types, numbers
from analytics_assets_tests.support.shop import Shop

ROWS_OF_TWO = Endpoint("/rows", [], pagination=CursorPagination(max_limit=2))
# On DuckDB and on PostgreSQL, in the terms of information_schema.
TYPES = {
    "bigint": {"BIGINT", "bigint"},
    "decimal": {"DECIMAL(38,0)", "numeric"},
    "double": {"DOUBLE", "double precision"},
    "text": {"VARCHAR", "character varying"},
}


def types(shop: Shop) -> dict[str, str]:
    """The columns of the numbers, with the type of a column as this package names it."""
    found = shop.query(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'rows' "
        "AND column_name LIKE 'n%'"
    )
    return {name: next(key for key, names in TYPES.items() if data_type in names) for name, data_type in found}


def stored_numbers(shop: Shop, columns: Sequence[str]) -> list[tuple[str, Number]]:
    """For each row in the order of its id, the only column with a value, and the value."""
    found = []
    for row in shop.query(f"SELECT {', '.join(columns)} FROM shop.rows ORDER BY id"):
        [(column, value)] = [(name, value) for name, value in zip(columns, row, strict=True) if value is not None]
        found.append((column, int(value) if isinstance(value, (Decimal, str)) else value))
    return found


@settings(
    deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(numbers, min_size=1, max_size=5), st.lists(numbers, min_size=1, max_size=5))
def test_columns_depend_on_the_numbers_and_not_on_their_order(
    any_shop: Shop, first: list[Number], second: list[Number]
) -> None:
    """Within a load, whose tables are of two rows, and over two loads."""
    all_numbers = [*first, *second]
    rows = [{"id": number, "n": value} for number, value in enumerate(all_numbers)]
    with pytest.MonkeyPatch.context() as patch, serve_endpoint(ROWS_OF_TWO) as (server, url):
        patch.setattr("analytics_assets.rest_api.arrow.converter.BATCH_ROWS", 2)
        patch.setattr("analytics_assets.rest_api.extract.page_batches.MIN_BATCH_ROWS", 2)
        any_shop.query("DROP TABLE IF EXISTS shop.rows")
        for part in (rows[: len(first)], rows[len(first) :]):
            server.set_rows("shop", "/rows", part)
            any_shop.load(url, endpoint=ENDPOINT)
    expected = expected_types("n", all_numbers)
    assert types(any_shop) == expected
    columns = [expected_column("n", number, expected["n"]) for number in all_numbers]
    assert stored_numbers(any_shop, list(expected)) == list(zip(columns, all_numbers, strict=True))


def test_whole_numbers_and_then_fractions_have_one_sum(every_shop: Shop) -> None:
    with serve_endpoint(Endpoint("/rows", [{"id": 1, "n": 84872}, {"id": 2, "n": 0.5}])) as (server, url):
        every_shop.load(url)
        server.set_rows("shop", "/rows", [{"id": 3, "n": 2}, {"id": 4, "n": 1.25}])
        result = every_shop.load(url)
    assert every_shop.query("SELECT SUM(n) FROM shop.rows") == [(84875.75,)]
    assert result.statistics.changed_columns == {}


def test_stored_numbers_that_move_to_a_variant_column_are_reported(every_shop: Shop) -> None:
    with serve_endpoint(Endpoint("/rows", [{"id": 1, "n": 2**53 + 1}])) as (server, url):
        every_shop.load(url)
        server.set_rows("shop", "/rows", [{"id": 2, "n": 0.5}])
        result = every_shop.load(url)
    assert result.new_columns == ("n__v_bigint",)
    assert result.statistics.changed_columns == {"n": ["n__v_bigint"]}


def test_a_table_that_was_split_before_is_not_split_further(every_shop: Shop) -> None:
    with serve_endpoint(Endpoint("/rows", [{"id": 1, "n": 1}, {"id": 2, "n": "much"}])) as (server, url):
        every_shop.load(url)
        server.set_rows("shop", "/rows", [{"id": 2, "n": 0.5}, {"id": 3, "n": "more"}])
        every_shop.load(url)
    found = every_shop.query("SELECT id, n, n__v_text FROM shop.rows ORDER BY id")
    assert found == [(1, 1.0, None), (2, 0.5, None), (3, None, "more")]


@pytest.mark.parametrize("value", [0.5, 2**64])
def test_freeze_refuses_a_wider_type(value: Number, any_shop: Shop) -> None:
    with serve_endpoint(Endpoint("/rows", [{"id": 1, "n": 1}])) as (server, url):
        any_shop.load(url, schema_contract="freeze")
        server.set_rows("shop", "/rows", [{"id": 2, "n": value}])
        with pytest.raises(TypeChangeError, match=r"the column 'n' is bigint, .* `schema_contract` is freeze"):
            any_shop.load(url, schema_contract="freeze")
    assert types(any_shop) == {"n": "bigint"}


def test_numbers_of_the_family_are_not_discarded(any_shop: Shop) -> None:
    with serve_endpoint(Endpoint("/rows", [{"id": 1, "n": 2**53 + 1}])) as (server, url):
        any_shop.load(url, schema_contract="discard_value")
        server.set_rows("shop", "/rows", [{"id": 2, "n": 0.5}, {"id": 3, "n": "much"}, {"id": 4, "n": 2**63 + 1}])
        result = any_shop.load(url, schema_contract="discard_value")
    found = any_shop.query("SELECT id, n, n__v_bigint, n__v_decimal FROM shop.rows ORDER BY id")
    assert found == [
        (1, None, 2**53 + 1, None),
        (2, 0.5, None, None),
        (3, None, None, None),
        (4, None, None, 2**63 + 1),
    ]
    assert result.statistics.changed_columns == {"n": ["n__v_bigint", "n__v_decimal"]}


def test_a_declared_integer_is_not_widened(any_shop: Shop) -> None:
    columns = {"n": {"data_type": "bigint"}}
    with serve_endpoint(Endpoint("/rows", [{"id": 1, "n": 1}, {"id": 2, "n": 0.5}])) as (_, url):
        any_shop.load(url, columns=columns)
    assert any_shop.query("SELECT n, n__v_double FROM shop.rows ORDER BY id") == [(1, None), (None, 0.5)]


@pytest.mark.parametrize("value", [0.5, 2**64])
def test_a_key_is_not_widened(value: Number, any_shop: Shop) -> None:
    with serve_endpoint(Endpoint("/rows", [{"id": 1}])) as (server, url):
        any_shop.load(url)
        server.set_rows("shop", "/rows", [{"id": value}])
        with pytest.raises(TypeChangeError, match=r"the primary key 'id' changed .* Declare `id: \{type: string\}`"):
            any_shop.load(url)
        # The advice works.
        any_shop.load(url, columns={"id": {"data_type": "text"}}, load={"full_refresh": True})
    assert any_shop.query("SELECT id FROM shop.rows") == [(str(value),)]
