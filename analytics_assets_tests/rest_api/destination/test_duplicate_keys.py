"""Duplicate keys are found in the fetched rows, before anything is loaded."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from analytics_assets.rest_api.errors import DriftError
from analytics_assets.rest_api.load.table import prepare
from analytics_assets_tests.fake_api import CursorPagination, Endpoint, OffsetPagination, serve_endpoint
from analytics_assets_tests.support.shop import Shop

ROWS = [{"id": n % 8, "line": str(n // 8), "v": n} for n in range(10)]
OFFSET = {"type": "offset", "limit": 4}
CURSOR = {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next"}


def test_second_read_tells_drift_from_duplicates(any_shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    with serve_endpoint(Endpoint("/rows", ROWS, pagination=OffsetPagination())) as (_, url):
        request = any_shop.request(url, endpoint={"paginator": OFFSET})
        with pytest.raises(DriftError, match="2 of 10 rows have the key of another row"), prepare(request) as load:
            load.run()
        assert any_shop.tables() == set()
        with caplog.at_level(logging.WARNING, "analytics_assets"):
            any_shop.load(url, endpoint={"paginator": OFFSET})
    assert any_shop.ids() == list(range(8))
    assert ["reading again" in message for message in caplog.messages] == [True, False]


@pytest.mark.parametrize(
    ("resource", "paginator", "loaded"),
    [
        ({"primary_key": ("id", "line")}, OFFSET, 10),
        ({"primary_key": (), "write_disposition": "replace"}, OFFSET, 10),  # without a key there are no duplicates
        ({}, CURSOR, 8),  # rows do not move between the pages of a cursor
    ],
)
def test_duplicate_keys_that_are_not_drift(
    shop: Shop, caplog: pytest.LogCaptureFixture, resource: dict[str, Any], paginator: dict[str, Any], loaded: int
) -> None:
    pagination = CursorPagination(default_limit=4) if paginator is CURSOR else OffsetPagination()
    with serve_endpoint(Endpoint("/rows", ROWS, pagination=pagination)) as (_, url):
        load = shop.load(url, endpoint={"paginator": paginator}, **resource)
    assert load.table.total_rows == loaded
    assert not caplog.messages
