"""Small OpenAPI documents for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analytics_assets.rest_api.config import RestApiConfig, load_config
from analytics_assets.specs import ApiDocument
from analytics_assets.specs.openapi import convert_openapi

TASK = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}


def query(**schemas: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Query parameters by name."""
    return [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()]


def list_of(record: Mapping[str, Any], **envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a response: a bare list, or records in `data` besides other fields."""
    records = {"type": "array", "items": record}
    return {"type": "object", "properties": {"data": records, **envelope}} if envelope else records


def get(
    schema: Mapping[str, Any],
    parameters: Sequence[Mapping[str, Any]] = (),
    *,
    headers: Mapping[str, Any] | None = None,
    **operation: Any,
) -> dict[str, Any]:
    """The item of a path with a GET."""
    response = {"description": "", "content": {"application/json": {"schema": schema}}, "headers": headers or {}}
    return {"get": {"parameters": list(parameters), "responses": {"200": response}, **operation}}


def document(paths: Mapping[str, Any], **keys: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {"title": "Shop", "version": "1"}, "paths": paths, **keys}


def converted(document: Mapping[str, Any], folder: Path, only: Sequence[str] = ()) -> tuple[ApiDocument, RestApiConfig]:
    """The document as defs.yaml, and that file as it is loaded."""
    result = convert_openapi(document, "shop", only)
    file = folder / "shop" / "defs.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(result.to_yaml(), encoding="utf-8")
    return result, load_config(file)


def endpoint(result: ApiDocument, number: int = 0) -> dict[str, Any]:
    """The endpoint of a resource with the defaults that it uses."""
    defaults = result.attributes.get("resource_defaults", {}).get("endpoint", {})
    return {**defaults, **result.attributes["resources"][number]["endpoint"]}
