"""The fixtures of loads, shared: a shop on DuckDB, one on a real PostgreSQL, and one on each of the two."""

from __future__ import annotations

from analytics_assets_tests.rest_api.conftest import any_shop, postgres, postgres_server, postgres_shop, shop

__all__ = ["any_shop", "postgres", "postgres_server", "postgres_shop", "shop"]
