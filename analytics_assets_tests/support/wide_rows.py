"""Rows that fill memory and disks: 800 bytes each, which no compression reduces."""

from __future__ import annotations

from random import Random
from typing import Any

from analytics_assets_tests.fake_api import CursorPagination, Endpoint
from analytics_assets_tests.support.shop import Shop

ENDPOINT = {"paginator": {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next", "limit": 1000}}
FEW = 100
MANY = 10_000


def wide_rows(count: int, version: int) -> list[dict[str, Any]]:
    """Rows whose text depends on the version."""
    chance = Random(version)
    return [{"id": n, "version": version, "text": chance.randbytes(400).hex()} for n in range(count)]


def wide_endpoint() -> Endpoint:
    """An endpoint with a few of these rows, for a resource with the keys of `ENDPOINT`."""
    return Endpoint("/rows", wide_rows(FEW, 0), pagination=CursorPagination(max_limit=1000))


def count_and_versions(shop: Shop) -> tuple[Any, ...]:
    """Number of rows, least version, and greatest version of the table."""
    [found] = shop.query("SELECT COUNT(*), MIN(version), MAX(version) FROM shop.rows")
    return found
