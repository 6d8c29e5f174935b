"""Authentication: how the requests to an API are signed."""

from __future__ import annotations

from typing import Annotated

from analytics_assets.rest_api.config.auth.login import REFRESH_TOKEN, LoginConfig, LoginRequest
from analytics_assets.rest_api.config.auth.oauth2 import OAuth2Config
from analytics_assets.rest_api.config.auth.static import ApiKeyConfig, BearerConfig, HttpBasicConfig
from analytics_assets.rest_api.config.parsing.model import ByType

Auth = Annotated[
    OAuth2Config | LoginConfig | ApiKeyConfig | BearerConfig | HttpBasicConfig,
    ByType((OAuth2Config, LoginConfig, ApiKeyConfig, BearerConfig, HttpBasicConfig)),
]

__all__ = [
    "REFRESH_TOKEN",
    "ApiKeyConfig",
    "Auth",
    "BearerConfig",
    "HttpBasicConfig",
    "LoginConfig",
    "LoginRequest",
    "OAuth2Config",
]
