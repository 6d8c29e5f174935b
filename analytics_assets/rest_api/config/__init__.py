"""The dialect: what an API is, as a defs.yaml says it under `attributes:`, and as the rest of the package reads it.

Names that dlt has too mean what they mean in dlt. Nothing here reads a secret or the network, and nothing is executed.
"""

from analytics_assets.rest_api.config.api import Partitions, RestApiConfig, Schedule
from analytics_assets.rest_api.config.client import ApiKey, Auth, Bearer, Client, HttpBasic, OAuth2
from analytics_assets.rest_api.config.columns import Column, Kind
from analytics_assets.rest_api.config.file import COMPONENT, Attributes, load_config, parse_config
from analytics_assets.rest_api.config.paginators import (
    Cursor,
    HeaderCursor,
    HeaderLink,
    JsonLink,
    Offset,
    PageNumber,
    Paginator,
    SinglePage,
    StopCondition,
)
from analytics_assets.rest_api.config.resources import (
    Defaults,
    Endpoint,
    ErrorHandler,
    Incremental,
    ResolvedResource,
    Resource,
)
from analytics_assets.rest_api.config.values import SecretRef, Value

__all__ = [
    "COMPONENT", "ApiKey", "Attributes", "Auth", "Bearer", "Client", "Column", "Cursor", "Defaults", "Endpoint",
    "ErrorHandler",
    "HeaderCursor", "HeaderLink", "HttpBasic", "Incremental", "JsonLink", "Kind", "OAuth2", "Offset", "PageNumber",
    "Paginator", "Partitions", "ResolvedResource", "Resource", "RestApiConfig", "Schedule", "SecretRef", "SinglePage",
    "StopCondition", "Value", "load_config", "parse_config",
]  # fmt: skip
