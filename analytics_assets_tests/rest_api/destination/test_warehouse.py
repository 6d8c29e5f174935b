"""Names of datasets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets_tests.fake_api import serve_endpoint
from analytics_assets_tests.rest_api.destination.endpoints import ENDPOINT, ROWS
from analytics_assets_tests.support.shop import Shop


@pytest.mark.parametrize(
    ("file", "dataset"), [("shop.duckdb", "shop"), ("SHOP.db", "shop"), ("dev_shop.db", "dev_shop")]
)
def test_file_and_dataset_of_the_same_name_are_refused(file: str, dataset: str) -> None:
    warehouse = Warehouse(duckdb_path=Path(file), dataset_prefix=dataset.removesuffix("shop"))
    with pytest.raises(WarehouseError, match="share a name, which DuckDB finds ambiguous"):
        warehouse.dataset("shop", sandbox=False)
    assert warehouse.dataset("shop", sandbox=True) == f"{dataset}_sandbox"
    assert replace(warehouse, destination="postgres").dataset("shop", sandbox=False) == dataset


def test_dataset_prefix_is_used_unchanged(any_shop: Shop) -> None:
    prefixed = replace(any_shop, dataset="Dev-1.x_shop")
    with serve_endpoint(ROWS) as (_, url):
        for full_refresh in (False, True, False):
            report = prefixed.load(url, endpoint=ENDPOINT, load={"full_refresh": full_refresh}).table
            assert (report.name, report.total_rows) == ("Dev-1.x_shop.rows", 25)
    assert len(any_shop.tables()) == 1
