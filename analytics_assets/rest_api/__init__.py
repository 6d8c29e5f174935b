"""REST APIs -> tables, by dlt and without Dagster.

The public API. Each name is imported when it is first used, since Dagster's definitions need the configuration only:

    from analytics_assets.rest_api import LoadRequest, Warehouse, load_config, load_table
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analytics_assets.rest_api.config import load_config
    from analytics_assets.rest_api.destination.warehouse import Warehouse
    from analytics_assets.rest_api.errors import RestApiError
    from analytics_assets.rest_api.load.request import LoadRequest, LoadResult
    from analytics_assets.rest_api.load.table import load_table
    from analytics_assets.rest_api.windows import Window

MODULES = {
    "LoadRequest": "load.request",
    "LoadResult": "load.request",
    "RestApiError": "errors",
    "Warehouse": "destination.warehouse",
    "Window": "windows",
    "load_config": "config",
    "load_table": "load.table",
}
__all__ = ["LoadRequest", "LoadResult", "RestApiError", "Warehouse", "Window", "load_config", "load_table"]


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
