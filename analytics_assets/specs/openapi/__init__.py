"""OpenAPI 3.0 and 3.1 documents: list endpoints become resources."""

from analytics_assets.specs.openapi.api import convert_openapi, is_openapi

__all__ = ["convert_openapi", "is_openapi"]
