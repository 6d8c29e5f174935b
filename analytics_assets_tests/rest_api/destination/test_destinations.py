"""Which destinations are supported."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import pytest

from analytics_assets.rest_api.destination.destinations import STATEMENTS_ONLY
from analytics_assets.rest_api.destination.dialects.dialect import DIALECTS
from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets_tests.fake_api import serve_endpoint
from analytics_assets_tests.rest_api.destination.endpoints import ENDPOINT, ROWS
from analytics_assets_tests.support.shop import Shop


@pytest.mark.parametrize("destination", ["filesystem", "dummy", "snowflake", "nonsense"])
def test_unsupported_destination_fails_before_any_request(shop: Shop, destination: str) -> None:
    unsupported = replace(shop, warehouse=replace(shop.warehouse, destination=destination))
    with serve_endpoint(ROWS) as (sandbox, url):
        with pytest.raises(
            WarehouseError,
            match=rf"'{destination}' is not supported: .* duckdb, postgres and delta\. Set ANALYTICS_DESTINATION",
        ):
            unsupported.load(url, endpoint=ENDPOINT)
        assert sandbox.requests == []


@pytest.mark.parametrize("destination", [*DIALECTS, "motherduck"])
def test_destination_with_generated_statements_only_is_not_loaded(shop: Shop, destination: str) -> None:
    assert destination in STATEMENTS_ONLY
    unsupported = replace(shop, warehouse=replace(shop.warehouse, destination=destination))
    with serve_endpoint(ROWS) as (sandbox, url):
        with pytest.raises(WarehouseError, match=r"Statements for this one are generated, but no load sends them$"):
            unsupported.load(url, endpoint=ENDPOINT)
        assert sandbox.requests == []


@pytest.mark.parametrize(("destination", "module"), [("postgres", "psycopg2"), ("delta", "deltalake")])
def test_missing_driver_is_named_with_its_extra(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, destination: str, module: str
) -> None:
    for name in [
        name for name in sys.modules if re.search(rf"impl\.postgres|\.{destination}\.\w+$|^deltalake\.", name)
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    without_driver = replace(shop, warehouse=replace(shop.warehouse, destination=destination))
    with serve_endpoint(ROWS) as (sandbox, url):
        with pytest.raises(WarehouseError, match=rf"'{module}', .* pip install 'analytics_assets\[{destination}\]'"):
            without_driver.load(url, endpoint=ENDPOINT)
        assert sandbox.requests == []
