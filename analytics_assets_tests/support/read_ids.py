"""Reads an endpoint without loading it: the ids of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from analytics_assets.rest_api import config
from analytics_assets.rest_api.extract.reader import EndpointReader
from analytics_assets.rest_api.http.client import HttpClient


def read_ids(url: str, paginator: Mapping[str, Any], *, threads: int = 1, **endpoint: Any) -> list[Any]:
    """The ids that a read returns, in their order if there is one thread."""
    described = config.Endpoint.model_validate(
        {
            "path": url.rpartition("/")[2],
            "data_selector": "data",
            **endpoint,
            "paginator": paginator,
            "error_handler": {"max_retries": 0},
        }
    )
    reader = EndpointReader(described, HttpClient(url.rpartition("/")[0]), {}, threads=threads)
    return [record["id"] for page in reader.read_pages() for record in cast("list[Any]", page.records)]
