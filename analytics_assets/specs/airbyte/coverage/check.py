"""Finds the fields of a component that the converter does not carry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from analytics_assets.specs.airbyte.components import DEFAULT_TYPES, PARAMETERS, UNTYPED
from analytics_assets.specs.airbyte.coverage.field import Field, Use
from analytics_assets.specs.airbyte.coverage.requests import REQUESTS
from analytics_assets.specs.airbyte.coverage.streams import STREAMS

Place = tuple[str | int, ...]
FIELDS = STREAMS | REQUESTS
# Notes that the connector does not read, in every component.
NOTES = frozenset({"type", "description", "$comment", PARAMETERS})
# Names that are published in manifests although no current version of the format has them in any component.
FORMER_NAMES = frozenset({"incremental_cursor", "request_options_provider", "request_params"})
# The connector ignores these names in components without such a field, where they are left over from parameters.
FIELD_NAMES = FORMER_NAMES | {name for fields in FIELDS.values() for name in fields}
# Fields without components of the stream in them: values, and parents, which are resources of their own.
VALUES = UNTYPED | {"stream", "request_body_data", "value"}
MAX_NAME = 60
_OF_ONE_TYPE = (
    "page_size_option", "start_time_option", "end_time_option", "request_option", "parent_stream_configs",
    "start_datetime", "end_datetime", "fields", "response_filters", "login_requester",
)  # fmt: skip
# The possible types of components whose types the converters do not check.
TYPES: dict[str, tuple[str, ...]] = {
    **{name: (DEFAULT_TYPES[name],) for name in _OF_ONE_TYPE},
    "page_token_option": ("RequestOption", "RequestPath"),
    "inject_into": ("RequestOption",),
    "request_authentication": ("Bearer", "ApiKey"),
    "schema_loader": ("InlineSchemaLoader",),
    "spec": ("Spec",),
    "api_budget": ("HTTPAPIBudget",),
    "concurrency_level": ("ConcurrencyLevel",),
}
# Where in a resource the fields of a component would be.
PLACES: dict[str, Place] = {
    "retriever": ("endpoint",),
    "record_selector": ("endpoint", "data_selector"),
    "paginator": ("endpoint", "paginator"),
    "authenticator": ("endpoint", "auth"),
    "error_handler": ("endpoint", "error_handler"),
    "decoder": ("endpoint", "format"),
    "incremental_sync": ("endpoint", "incremental"),
    "transformations": ("columns",),
    "schema_loader": ("columns",),
}


class FieldProblem(NamedTuple):
    """A field that is not carried.

    Attributes:
        place: Where it would be in the resource.
        what: The field, and what happens without it.
        changes_rows: Whether rows differ without it.
    """

    place: Place
    what: str
    changes_rows: bool


def field_problems(component: Any, name: str = "", place: Place = ()) -> Iterator[FieldProblem]:
    """The fields of a component, and of the components in it, that are not carried.

    Args:
        component: The component, with references and parameters resolved.
        name: The field that contains it.
        place: Where it would be in the resource.
    """
    if isinstance(component, list):
        for each in component:
            yield from field_problems(each, name, place)
        return
    if not isinstance(component, dict):
        return
    expected = TYPES.get(name, (DEFAULT_TYPES.get(name, ""),))
    kind = str(component.get("type") or expected[0])
    if name in TYPES and kind not in expected:
        yield FieldProblem(place, f"the {name} of type {kind[:MAX_NAME]}", name != "schema_loader")
        return
    fields = FIELDS.get(kind)
    if fields is None:
        return  # the converter reports the whole component
    for key in fields:
        if fields[key].is_required and component.get(key) is None:
            yield FieldProblem(place, f"{kind} without {key}", True)
    own = {str(key): value for key, value in component.items() if key not in NOTES and value is not None}
    own = {key: value for key, value in own.items() if key in fields or key not in component.get(PARAMETERS, ())}
    if ignored := sorted((own.keys() - fields.keys()) & FIELD_NAMES):
        yield FieldProblem(place, f"{', '.join(ignored)} of {kind}, where the connector ignores it", False)
    for key in sorted(own.keys() - fields.keys() - FIELD_NAMES):
        yield FieldProblem(place, f"the key {key[:MAX_NAME]} of {kind}, which is not known", True)
    for key in [each for each in own if each in fields]:
        here = PLACES.get(key, place)
        yield from _problems_of(fields[key], f"the key {key} of {kind}", own[key], here)
        if fields[key].use is Use.CARRIED and key not in VALUES:
            yield from _inner_problems(key, own[key], here)


def _problems_of(field: Field, name: str, value: Any, place: Place) -> Iterator[FieldProblem]:
    if field.use is Use.LOST and value not in (False, "", [], {}):
        yield FieldProblem(place, field.reason, field.changes_rows)
    elif field.use is Use.CARRIED and not field.accepts(value):
        yield FieldProblem(place, f"{name}, which is not {field.shape.replace('|', ' or ')}", True)


def _inner_problems(key: str, value: Any, place: Place) -> Iterator[FieldProblem]:
    """The problems of the components in the value of a field."""
    if not isinstance(value, (dict, list)):
        return
    if key == "authenticators" and isinstance(value, dict):
        for each in value.values():
            yield from field_problems(each, key, place)
    elif isinstance(value, list) or "type" in value or key in DEFAULT_TYPES:
        yield from field_problems(value, key, place)
