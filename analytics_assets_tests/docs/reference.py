"""Write the tables of docs/dialect.md from the models: `python -m analytics_assets_tests.docs.reference`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from analytics_assets.rest_api.config import (
    RestApiConfig,
    api,
    auth,
    checks,
    client,
    columns,
    endpoints,
    error_handler,
    paginators,
    resources,
)
from analytics_assets_tests.docs.markdown import with_generated
from analytics_assets_tests.support.project import ROOT

PAGE = ROOT / "docs" / "dialect.md"
MARKER = "reference"
EXAMPLES = yaml.load(Path(__file__).with_name("dialect_examples.yaml").read_text(), yaml.BaseLoader)  # values as text
ALL_SECTIONS = "all sections"
SECTIONS: dict[str, type[BaseModel]] = {
    "attributes": RestApiConfig,
    "client": client.Client,
    "auth oauth2": auth.OAuth2Config,
    "auth login": auth.LoginConfig,
    "login request": auth.LoginRequest,
    "auth api_key": auth.ApiKeyConfig,
    "auth bearer": auth.BearerConfig,
    "auth http_basic": auth.HttpBasicConfig,
    "resource": resources.Resource,
    "endpoint": endpoints.EndpointConfig,
    "paginator offset": paginators.OffsetConfig,
    "paginator page_number": paginators.PageNumberConfig,
    "paginator cursor": paginators.CursorConfig,
    "paginator json_link": paginators.JsonLinkConfig,
    "paginator header_link": paginators.HeaderLinkConfig,
    "paginator header_cursor": paginators.HeaderCursorConfig,
    "paginator single_page": paginators.SinglePageConfig,
    "incremental": endpoints.Incremental,
    "load time": endpoints.LoadTime,
    "error_handler": error_handler.ErrorHandler,
    "response_action": error_handler.ResponseAction,
    "backoff": error_handler.Backoff,
    "column": columns.ColumnConfig,
    "schema": columns.JsonSchema,
    "schema property": columns.JsonSchemaProperty,
    "schema_contract": resources.SchemaContract,
    "checks": checks.Checks,
    "partitions": api.Partitions,
    "schedule": api.Schedule,
}
# Models that hold the keys of others: their own keys are in the table of the other.
SAME_KEYS: dict[type[BaseModel], type[BaseModel]] = {
    resources.ResourceDefaults: resources.Resource,
    endpoints.EndpointDefaults: endpoints.EndpointConfig,
    columns.NamedColumn: columns.ColumnConfig,
}
FIRST_KEYS = ("type", "name", "path")
# Required once `resource_defaults` and the resource are put together.
REQUIRED_IN_THE_END = ("data_selector", "paginator")


def reference() -> str:
    """Return all tables as Markdown."""
    return "\n".join(line for title, model in SECTIONS.items() for line in _section(title, model))


def _section(title: str, model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema()
    yield from (f"### {title}", "", f"{schema['description']}", "")
    yield from ("| key | type | default | example | meaning |", "|---|---|---|---|---|")
    required = schema.get("required", [])
    aliases = getattr(model, "aliases", {})
    for key in sorted(fields(model), key=_rank):
        if property_ := schema["properties"].get(key):
            synonyms = [synonym for synonym, name in aliases.items() if name == key]
            also = f" dlt's name `{synonyms[0]}` is accepted too." if synonyms else ""
            is_required = key in required or bool(synonyms and fields(model)[key].is_required())
            default = "required" if is_required else _default(model, key, property_)
            meaning = property_.get("description", "") or ("The kind." if key == "type" else "")
            sample = f"`{_cell(f'{key}: {example(title, key, property_)}')}`"
            yield f"| `{key}` | {_type(property_)} | {default} | {sample} | {_cell(meaning + also)} |"
    yield ""


def example(title: str, key: str, property_: dict[str, Any]) -> str:
    """Return a value of a key as YAML text: a written one, or a word that the model lists and is not the default."""
    for written in (EXAMPLES.get(title, {}), EXAMPLES[ALL_SECTIONS]):
        if key in written:
            return str(written[key])
    if "const" not in property_ and property_.get("type") == "boolean":
        return _literal(not property_["default"])
    words = property_.get("enum") or [property_.get("const")]
    assert words != [None], f"dialect_examples.yaml has no example of {title!r}, {key!r}"
    return _literal(next((word for word in words if word not in (None, property_.get("default"))), words[0]))


def fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model by their keys in the YAML."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _rank(key: str) -> int:
    """Put what identifies an object first and what all paginators share last; the others keep their order."""
    if key in paginators.PaginatorConfigBase.model_fields:
        return len(FIRST_KEYS) + 1
    return FIRST_KEYS.index(key) if key in FIRST_KEYS else len(FIRST_KEYS)


def _default(model: type[BaseModel], key: str, property_: dict[str, Any]) -> str:
    default = property_.get("default")
    if default is None and issubclass(model, resources.ResourceDefaults | endpoints.EndpointDefaults):
        if key in REQUIRED_IN_THE_END:
            return "required"
        resolved = endpoints.Endpoint if issubclass(model, endpoints.EndpointDefaults) else resources.ResolvedResource
        field = resolved.model_fields.get(key)
        default = None if field is None else field.get_default()
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float | int | str) and default != "":
        return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
    if isinstance(default, list) and default:
        return f"`{default}`"
    return ""


def _type(schema: dict[str, Any]) -> str:
    """Describe a JSON schema in a few words."""
    if "then" in schema and schema.get("if") == {"type": "array"}:
        one, many = _type(schema["else"]), _type(schema["then"]["items"])
        return f"{one}, or a list" if one == many else f"{one}, or a list of {many}"
    if schema.get("if") == {"type": "null"}:
        return _type(schema["else"])
    if "$ref" in schema:
        return _link(schema["$ref"])
    if "allOf" in schema and "properties" in schema:
        return ", ".join(dict.fromkeys(_branches(schema["allOf"])))
    if {"env", "secret"} <= schema.get("properties", {}).keys():
        reference = "text or `{env: NAME}`" if "string" in schema["type"] else "`{env: NAME}`"
        named = "now" in schema["properties"]
        return f"{reference} or [{{now: FORMAT}}](#load-time), or a list" if named else reference
    if "const" in schema:
        return f"`{_literal(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{_literal(value)}`" for value in schema["enum"] if value is not None)
    types = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])
    one = " or ".join(_named(name, schema) for name in types if name not in ("null", "array"))
    if "array" not in types:
        return one or "any"
    many = _named("array", schema)
    if one and many == f"list of {one}":
        return f"{one}, or a list"
    return f"{one} or {many}" if one else many


def _branches(branches: list[dict[str, Any]]) -> Iterator[str]:
    for branch in branches:
        if reference := branch["then"].get("$ref"):
            yield _link(reference)


def _named(name: str, schema: dict[str, Any]) -> str:
    if name == "array":
        return f"list of {_type(schema['items'])}"
    if name == "object":
        of = schema.get("additionalProperties")
        return f"mapping of names to {_type(of)}" if isinstance(of, dict) else "mapping"
    words = {"string": "text", "boolean": "`true`, `false`"}.get(name, name)
    if name == "integer" and "exclusiveMinimum" in schema:
        schema = {**schema, "minimum": schema["exclusiveMinimum"] + 1}
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    bounds = [] if low is None else [f"{'from' if 'minimum' in schema else 'above'} {low:g}"]
    bounds += [f"to {schema['maximum']:g}"] if "maximum" in schema else []
    return " ".join([words, *bounds])


def _literal(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _link(ref: str) -> str:
    """Return a link to the section of the model that a `$ref` names."""
    by_name = {model.__name__: title for title, model in SECTIONS.items()}
    by_name |= {inner.__name__: by_name[outer.__name__] for inner, outer in SAME_KEYS.items()}
    title = by_name[ref.rpartition("/")[2]]
    return f"[{title.split()[-1]}](#{title.replace(' ', '-')})"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Write the tables into the page."""
    PAGE.write_text(with_generated(PAGE.read_text(), MARKER, reference()))


if __name__ == "__main__":
    main()
