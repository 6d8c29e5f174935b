"""The fixtures of loads, shared: a shop on DuckDB, and one on a real PostgreSQL."""

from __future__ import annotations

from analytics_assets_tests.rest_api.conftest import postgres, postgres_server, postgres_shop, shop

__all__ = ["postgres", "postgres_server", "postgres_shop", "shop"]
