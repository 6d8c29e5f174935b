"""The embedded demo APIs: a real HTTP server with real authentication, so that the first run needs no credentials.

`builtin` describes the two APIs, `embedded` starts them inside a process that loads them, and
`python -m analytics_assets.sandbox` runs them alone.
"""

from analytics_assets.sandbox.api import Api, Endpoint
from analytics_assets.sandbox.app import Sandbox
from analytics_assets.sandbox.auth import ApiKey
from analytics_assets.sandbox.filters import TimeFilter
from analytics_assets.sandbox.login import Login
from analytics_assets.sandbox.oauth2 import OAuth2
from analytics_assets.sandbox.pagination import CursorPagination, OffsetPagination
from analytics_assets.sandbox.server import serve

__all__ = [
    "Api",
    "ApiKey",
    "CursorPagination",
    "Endpoint",
    "Login",
    "OAuth2",
    "OffsetPagination",
    "Sandbox",
    "TimeFilter",
    "serve",
]
