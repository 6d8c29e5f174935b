"""A stored table whose columns differ from those of the load, or that somebody has changed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from analytics_assets.rest_api.config import Column
from analytics_assets.rest_api.destination.error_translation import translate_error
from analytics_assets.rest_api.errors import BusyError, WarehouseError
from analytics_assets.rest_api.load.table import prepare
from analytics_assets_tests.fake_api import Endpoint, serve_endpoint
from analytics_assets_tests.rest_api.destination.endpoints import ENDPOINT, ROWS
from analytics_assets_tests.support.shop import Shop


def test_larger_scale_than_stored_is_refused(every_shop: Shop) -> None:
    narrow, wide = ({"price": Column(data_type="decimal", precision=10, scale=scale)} for scale in (2, 4))
    with serve_endpoint(Endpoint("/rows", [{"id": 1, "price": "1.25"}])) as (sandbox, url):
        every_shop.load(url, columns=narrow)
        sandbox.set_rows("shop", "/rows", [{"id": 1, "price": "1.2345"}])
        with pytest.raises(
            WarehouseError, match=r"'price' of shop\.rows is decimal\(10, 2\) in the warehouse and decimal\(10, 4\)"
        ):
            every_shop.load(url, columns=wide)
        every_shop.load(url)  # undeclared, the stored type counts
        every_shop.load(url, columns=wide, load={"full_refresh": True})
    assert every_shop.query("SELECT price FROM shop.rows") == [(Decimal("1.2345"),)]


def test_integers_beyond_64_bits_keep_their_digits(every_shop: Shop) -> None:
    with serve_endpoint(Endpoint("/rows", [{"id": 1, "n": 2**70}])) as (sandbox, url):
        every_shop.load(url)
        sandbox.set_rows("shop", "/rows", [{"id": 1, "n": 2**70}, {"id": 2, "n": 2**70 + 1}])
        every_shop.load(url)
        assert every_shop.query("SELECT n FROM shop.rows ORDER BY id") == [(2**70,), (2**70 + 1,)]
        with pytest.raises(WarehouseError, match=r"decimal\(38, 0\) in the warehouse and decimal\(38, 9\)"):
            every_shop.load(url, columns={"n": Column(data_type="decimal")})


def test_other_declared_type_than_stored_fails_before_any_request(any_shop: Shop) -> None:
    columns = {"value": Column(data_type="bigint")}
    with serve_endpoint(ROWS) as (sandbox, url):
        any_shop.load(url, endpoint=ENDPOINT)
        sandbox.requests.clear()
        with pytest.raises(
            WarehouseError, match=r"'value' of shop\.rows is text in the warehouse and bigint in this load"
        ):
            any_shop.load(url, endpoint=ENDPOINT, columns=columns)
        assert sandbox.requests == []
        sandbox.set_rows("shop", "/rows", [{"id": n, "value": n} for n in range(3)])
        any_shop.load(url, endpoint=ENDPOINT, columns=columns, load={"full_refresh": True})
    assert any_shop.query("SELECT id, value FROM shop.rows ORDER BY id") == [(0, 0), (1, 1), (2, 2)]


def test_table_that_changed_during_extraction_is_refused(any_shop: Shop) -> None:
    with serve_endpoint(ROWS) as (_, url):
        any_shop.load(url, endpoint=ENDPOINT)
        with prepare(any_shop.request(url, endpoint=ENDPOINT)) as load:
            any_shop.query("ALTER TABLE shop.rows DROP COLUMN value")
            any_shop.query("ALTER TABLE shop.rows ADD COLUMN value BIGINT")
            with pytest.raises(Exception, match=r"another run has changed the table meanwhile\. Run again") as caught:
                load.run()
    assert isinstance(translate_error(caught.value, dataset="shop", table="rows"), BusyError)
    assert any_shop.query("SELECT count(*), count(value) FROM shop.rows") == [(25, 0)]


@pytest.mark.parametrize(
    ("sql", "full_refresh"),
    [
        ("DROP TABLE shop.rows", False),
        ("DROP SCHEMA shop CASCADE", True),
        ("ALTER TABLE shop.rows DROP COLUMN value", False),
    ],
)
def test_dropped_objects_are_created_again(any_shop: Shop, sql: str, full_refresh: bool) -> None:
    with serve_endpoint(ROWS) as (_, url):
        any_shop.load(url, endpoint=ENDPOINT)
        any_shop.query(sql)
        any_shop.load(url, endpoint=ENDPOINT, load={"full_refresh": full_refresh})
    found = any_shop.query("SELECT id, value FROM shop.rows ORDER BY id")
    assert found == [(n, f"text {n}") for n in range(25)]
