"""Which destinations are supported."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import pytest

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
            match=rf"'{destination}' is not supported: .* duckdb and postgres\. Set ANALYTICS_DESTINATION",
        ):
            unsupported.load(url, endpoint=ENDPOINT)
        assert sandbox.requests == []


def test_missing_driver_is_named_with_its_extra(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if re.search(r"impl\.postgres|\.postgres\.destination$", name)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    without_driver = replace(shop, warehouse=replace(shop.warehouse, destination="postgres"))
    with serve_endpoint(ROWS) as (sandbox, url):
        with pytest.raises(WarehouseError, match=r"'psycopg2', .* pip install 'analytics_assets\[postgres\]'"):
            without_driver.load(url, endpoint=ENDPOINT)
        assert sandbox.requests == []
