"""Parameters that are sent once for each value of a list."""

from __future__ import annotations

from pathlib import Path

import pytest

from analytics_assets.rest_api.config import parse_config
from analytics_assets.rest_api.errors import CredentialsError
from analytics_assets_tests.fake_api import Api, ApiKey, Endpoint, FakeServer, OffsetPagination, faults, serve
from analytics_assets_tests.support.loaders import Loader

ROWS = [{"id": n} for n in range(25)]
CONFIG = parse_config(
    {
        "client": {
            "base_url": {"env": "SHOP_BASE_URL"},
            "auth": {"type": "api_key", "name": "key", "api_key": {"env": "SHOP_API_KEY"}, "location": "query"},
        },
        "resources": [
            {
                "name": "orders",
                "primary_key": "id",
                "endpoint": {
                    "params": {"include": ["lines", 7, True], "field": "{fields}"},
                    "values": {"fields": ["id", {"env": "SHOP_FIELDS"}]},
                    "data_selector": "data",
                    "paginator": {"type": "offset", "limit": 10},
                },
            }
        ],
    }
)


def api() -> FakeServer:
    names = frozenset({"include", "field"})
    orders = Endpoint("/orders", ROWS, pagination=OffsetPagination(), params=names, repeatable=names)
    return FakeServer([Api("shop", [orders], auth=ApiKey("key-1", name="key"))])


def test_each_page_repeats_the_parameters_of_lists(tmp_path: Path) -> None:
    server = api()
    server.faults.add(faults.status(503, headers={"Retry-After": "0"}), page=2)
    with serve(server) as url:
        loader = Loader("shop", {**server.variables(url), "SHOP_FIELDS": "a b, c&d"}, tmp_path)
        loader.load(CONFIG, "orders")
    assert [row["id"] for row in loader.rows("orders")] == list(range(25))
    assert len(server.requests) >= 4
    for record in server.requests:
        assert record.request.repeated == {"include": ("lines", "7", "true"), "field": ("id", "a b", "c&d")}


def test_variable_without_values_is_an_error(tmp_path: Path) -> None:
    server = api()
    with serve(server) as url:
        loader = Loader("shop", {**server.variables(url), "SHOP_FIELDS": " , "}, tmp_path)
        with pytest.raises(
            CredentialsError, match=r"`endpoint\.values\.fields`: SHOP_FIELDS has no values between its"
        ):
            loader.load(CONFIG, "orders")
