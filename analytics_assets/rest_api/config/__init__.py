"""The dialect: what an API is, as a defs.yaml says it under `attributes:`, and as the rest of the package reads it.

Names that dlt has too mean what they mean in dlt. Nothing here reads a secret or the network, and nothing is executed.
"""

from analytics_assets.rest_api.config.api import Partitions, RestApiConfig, Schedule
from analytics_assets.rest_api.config.client import (
    ApiKeyConfig,
    Auth,
    BearerConfig,
    Client,
    HttpBasicConfig,
    OAuth2Config,
)
from analytics_assets.rest_api.config.columns import Column, DataType
from analytics_assets.rest_api.config.file import COMPONENT, Attributes, load_config, parse_config
from analytics_assets.rest_api.config.paginators import (
    CursorConfig,
    HeaderCursorConfig,
    HeaderLinkConfig,
    JsonLinkConfig,
    OffsetConfig,
    PageNumberConfig,
    PaginatorConfig,
    SinglePageConfig,
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
    "COMPONENT",
    "ApiKeyConfig",
    "Attributes",
    "Auth",
    "BearerConfig",
    "Client",
    "Column",
    "CursorConfig",
    "DataType",
    "Defaults",
    "Endpoint",
    "ErrorHandler",
    "HeaderCursorConfig",
    "HeaderLinkConfig",
    "HttpBasicConfig",
    "Incremental",
    "JsonLinkConfig",
    "OAuth2Config",
    "OffsetConfig",
    "PageNumberConfig",
    "PaginatorConfig",
    "Partitions",
    "ResolvedResource",
    "Resource",
    "RestApiConfig",
    "Schedule",
    "SecretRef",
    "SinglePageConfig",
    "StopCondition",
    "Value",
    "load_config",
    "parse_config",
]  # fmt: skip
