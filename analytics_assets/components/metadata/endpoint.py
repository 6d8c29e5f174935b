"""The metadata of an endpoint: how it is requested, and which fields its records have."""

from __future__ import annotations

from typing import Any

import dagster as dg

from analytics_assets import rest_api
from analytics_assets.rest_api.auth.secret_reader import reference_name
from analytics_assets.rest_api.config import ApiKeyConfig, Client, Endpoint, ResolvedResource, SecretRef

NO_AUTHENTICATION = "none"
NO_FILTER = "none: each load reads all rows"


def endpoint_description(api: str, resource: ResolvedResource) -> str:
    """The first line of an endpoint's page, and its text in the graph."""
    endpoint = resource.endpoint
    docs = f" [Documentation]({resource.docs_url})" if resource.docs_url else ""
    return f"`{endpoint.method} {endpoint.path}` of the {api} API: where `{api}/{resource.name}` is loaded from.{docs}"


def endpoint_metadata(client: Client, resource: ResolvedResource) -> dict[str, Any]:
    """The metadata of an endpoint's asset, from the YAML alone."""
    endpoint = resource.endpoint
    url = endpoint_url(client, endpoint)
    metadata: dict[str, Any] = {
        "method": endpoint.method,
        "url": url if isinstance(client.base_url, SecretRef) else dg.MetadataValue.url(url),
        "authentication": authentication(client, endpoint),
        "paginator": endpoint.paginator.type,
        "data_selector": endpoint.data_selector,
        "window_filter": window_filter(endpoint),
    }
    if resource.docs_url:
        metadata["docs"] = dg.MetadataValue.url(resource.docs_url)
    if resource.columns:
        metadata["dagster/column_schema"] = declared_fields(resource)
    return metadata


def endpoint_url(client: Client, endpoint: Endpoint) -> str:
    """The URL without query, such as `https://api.example.com/v1/users` or `$SHOP_BASE_URL/v1/orders`."""
    base = client.base_url
    return (
        f"{f'${reference_name(base)}' if isinstance(base, SecretRef) else base}".rstrip("/")
        + "/"
        + (endpoint.path.lstrip("/"))
    )


def authentication(client: Client, endpoint: Endpoint) -> str:
    """The kinds of authentication, such as `oauth2 or api_key (query)`."""
    alternatives = client.auth if endpoint.auth is None else endpoint.auth
    return (
        " or ".join(
            f"{auth.type} ({auth.location})" if isinstance(auth, ApiKeyConfig) else auth.type for auth in alternatives
        )
        or NO_AUTHENTICATION
    )


def window_filter(endpoint: Endpoint) -> str:
    """How a window is requested, such as `updated_from, updated_to (iso8601)`."""
    incremental = endpoint.incremental
    if incremental is None:
        return NO_FILTER
    start, end = incremental.start_param or "{start}", incremental.end_param or "{end}"
    return f"{start}, {end} ({incremental.format})"


def declared_fields(resource: ResolvedResource) -> dg.TableSchema:
    """The fields that the YAML declares, by their paths in a record."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(field, column.data_type, column.description) for field, column in resource.columns.items()
        ]
    )


def observation_metadata(result: rest_api.LoadResult, *, source: str) -> dict[str, Any]:
    """The metadata of the observation that a load reports for its endpoint."""
    statistics, metrics = result.statistics, result.metrics
    observed = {"status": metrics.last_status, "total": statistics.api_total}
    return {
        "url": dg.MetadataValue.url(result.url),
        **{name: number for name, number in observed.items() if number is not None},
        "requests": metrics.requests,
        "retries": metrics.retries,
        "pages": statistics.pages,
        "rows": statistics.fetched,
        "bytes_received": metrics.bytes_received,
        "api_seconds": round(metrics.api_seconds, 3),
        "window": str(result.window) if result.window else "all history",
        "source": source,
    }
