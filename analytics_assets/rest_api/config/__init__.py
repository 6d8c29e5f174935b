"""The configuration: what a defs.yaml says about an API under `attributes:`, as validated models.

Keys that dlt's `rest_api` has too mean the same. Nothing here reads a secret, uses the network or runs code.
"""

from analytics_assets.rest_api.config.api import Partitions, RestApiConfig, Schedule
from analytics_assets.rest_api.config.auth import (
    REFRESH_TOKEN,
    ApiKeyConfig,
    Auth,
    BearerConfig,
    HttpBasicConfig,
    LoginConfig,
    LoginRequest,
    OAuth2Config,
)
from analytics_assets.rest_api.config.client import Client
from analytics_assets.rest_api.config.columns import Column, DataType
from analytics_assets.rest_api.config.endpoints import BodyFormat, Endpoint, Incremental, LoadTime
from analytics_assets.rest_api.config.error_handler import Backoff, ErrorHandler, ResponseAction
from analytics_assets.rest_api.config.loader import COMPONENT, Attributes, load_config, parse_config, resource_lines
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
from analytics_assets.rest_api.config.request import (
    PARENT_PREFIX,
    WINDOW_PLACEHOLDERS,
    Method,
    placeholder_names,
    placeholders_in,
    position_name,
    split_text,
)
from analytics_assets.rest_api.config.resources import (
    Parent,
    ResolvedResource,
    Resource,
    ResourceDefaults,
    for_each_column,
)
from analytics_assets.rest_api.config.values import SecretRef, Value

__all__ = [
    "COMPONENT",
    "PARENT_PREFIX",
    "REFRESH_TOKEN",
    "WINDOW_PLACEHOLDERS",
    "ApiKeyConfig",
    "Attributes",
    "Auth",
    "Backoff",
    "BearerConfig",
    "BodyFormat",
    "Client",
    "Column",
    "CursorConfig",
    "DataType",
    "Endpoint",
    "ErrorHandler",
    "HeaderCursorConfig",
    "HeaderLinkConfig",
    "HttpBasicConfig",
    "Incremental",
    "JsonLinkConfig",
    "LoadTime",
    "LoginConfig",
    "LoginRequest",
    "Method",
    "OAuth2Config",
    "OffsetConfig",
    "PageNumberConfig",
    "PaginatorConfig",
    "Parent",
    "Partitions",
    "ResolvedResource",
    "Resource",
    "ResourceDefaults",
    "ResponseAction",
    "RestApiConfig",
    "Schedule",
    "SecretRef",
    "SinglePageConfig",
    "StopCondition",
    "Value",
    "for_each_column",
    "load_config",
    "parse_config",
    "placeholder_names",
    "placeholders_in",
    "position_name",
    "resource_lines",
    "split_text",
]  # fmt: skip
