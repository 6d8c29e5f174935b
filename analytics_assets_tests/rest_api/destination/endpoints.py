"""An API with 25 rows in three pages."""

from __future__ import annotations

from typing import Any

from analytics_assets_tests.fake_api import CursorPagination, Endpoint

ENDPOINT: dict[str, Any] = {
    "paginator": {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next", "limit": 10}
}
ROWS = Endpoint("/rows", [{"id": n, "value": f"text {n}"} for n in range(25)], pagination=CursorPagination())
