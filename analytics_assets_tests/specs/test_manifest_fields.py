"""Fields of a manifest's components: carried, known to be without effect, or reported."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from analytics_assets.specs.airbyte import convert_manifest
from analytics_assets.specs.airbyte.coverage.check import FIELDS
from analytics_assets.specs.airbyte.coverage.field import Use
from analytics_assets.specs.document import ApiDocument
from analytics_assets_tests.specs.manifest_shapes import SHAPES, SYNC, Component, child_of, stream

Place = tuple[str | int, ...]
EXTRA = stream(
    "extra",
    "/extra",
    incremental_sync=SYNC,
    transformations=[
        {"type": "RemoveFields", "field_pointers": [["a"]]},
        {"type": "AddFields", "fields": [{"type": "AddedFieldDefinition", "path": ["b"], "value": "{{ record.c }}"}]},
    ],
    schema_loader={"type": "InlineSchemaLoader", "schema": {"properties": {"a": {"type": "string"}}}},
    requester={
        "authenticator": {
            "type": "SelectiveAuthenticator",
            "authenticator_selection_path": ["kind"],
            "authenticators": {"a": {"type": "NoAuth"}},
        },
        "error_handler": {
            "type": "CompositeErrorHandler",
            "error_handlers": [
                {
                    "type": "DefaultErrorHandler",
                    "backoff_strategies": [
                        {"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": 1},
                        {"type": "WaitTimeFromHeader", "header": "retry-after"},
                        {"type": "WaitUntilTimeFromHeader", "header": "reset"},
                    ],
                }
            ],
        },
    },
)
MANIFESTS: list[Component] = [{"streams": copy.deepcopy(shape.streams)} for shape in SHAPES.values()]
MANIFESTS.append({"streams": [EXTRA]})


def components(value: Any, place: Place = ()) -> Iterator[tuple[Place, Component]]:
    """All components of a manifest besides copies of streams, with their places."""
    if isinstance(value, dict):
        if "type" in value:
            yield place, value
        for key, child in value.items():
            if key not in ("schema", "stream"):
                yield from components(child, (*place, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from components(child, (*place, index))


def at(value: Any, place: Place) -> Any:
    for step in place:
        value = value[step]
    return value


# One component of each type: the manifest that has it, and its place.
COMPONENTS = {each["type"]: (manifest, place) for manifest in MANIFESTS for place, each in components(manifest)}


def convert_changed(kind: str, changes: Component, removed: str | None = None) -> ApiDocument:
    manifest, place = COMPONENTS[kind]
    changed = copy.deepcopy(manifest)
    component = at(changed, place)
    component.update(changes)
    component.pop(removed, None)
    return convert_manifest(changed, "shop")


@pytest.mark.parametrize("kind", sorted(COMPONENTS))
def test_unknown_or_misspelled_key_of_a_component_is_reported_at_its_place(kind: str) -> None:
    document = convert_changed(kind, {"surprise": 1})
    assert not document.is_whole
    assert f"# not carried: the key surprise of {kind}, which is not known" in document.to_yaml()
    for key, value in at(*COMPONENTS[kind]).items():
        if key != "type":
            document = convert_changed(kind, {f"{key}_": value}, removed=key)
            assert f"# not carried: the key {key}_ of {kind}, which is not known" in document.to_yaml()


@pytest.mark.parametrize("kind", sorted(COMPONENTS))
def test_key_of_another_component_is_reported_without_a_change_of_rows(kind: str) -> None:
    document = convert_changed(kind, {"stop_condition" if kind != "CursorPagination" else "fields": "{{ a }}"})
    assert any("where the connector ignores it" in message for message in document.messages())
    assert document.is_whole


@pytest.mark.parametrize("kind", sorted(COMPONENTS))
def test_value_with_another_shape_and_missing_field_are_reported(kind: str) -> None:
    for key, field in FIELDS[kind].items():
        if field.use is Use.CARRIED and field.shape:
            document = convert_changed(kind, {key: 3.5 if "text" not in field.shape else {}})
            wrong = convert_changed(kind, {key: [{}, 3.5]})
            assert field.accepts(3.5) or f"the key {key} of {kind}, which is not" in str(
                [*document.messages(), *wrong.messages()]
            )
        if field.is_required:
            document = convert_changed(kind, {}, removed=key)
            assert any(f"{kind} without {key}" in message for message in document.messages())


LOST = [(kind, key) for kind in COMPONENTS for key, field in FIELDS[kind].items() if field.use is Use.LOST]


@pytest.mark.parametrize(("kind", "key"), LOST)
def test_field_that_is_not_carried_is_reported_if_it_has_a_value(kind: str, key: str) -> None:
    field = FIELDS[kind][key]
    document = convert_changed(kind, {key: "a"})
    assert f"# not carried: {field.reason}" in document.to_yaml()
    assert document.is_whole is not field.changes_rows
    assert convert_changed(kind, {key: False}).is_whole


def test_parameters_are_no_keys_of_components() -> None:
    each = stream("items", "{{ parameters['place'] }}")
    document = convert_manifest({"streams": [{**each, "$parameters": {"place": "/items", "kind": 1}}]}, "shop")
    assert not document.not_carried


def test_type_that_a_field_cannot_have_is_reported() -> None:
    for kind, name in (("RequestPath", "page_token_option"), ("MinMaxDatetime", "start_datetime")):
        document = convert_changed(kind, {"type": "Other"})
        assert not document.is_whole
        assert f"# not carried: the {name} of type Other" in document.to_yaml()
    document = convert_changed("InlineSchemaLoader", {"type": "CustomSchemaLoader"})
    assert document.is_whole, "columns are taken from the rows"
    assert "# not carried: the schema_loader of type CustomSchemaLoader" in document.to_yaml()


TASKS = stream("tasks", "/tasks", router=child_of(stream("projects", "/projects"), "project"))
OTHER = stream("projects", "/projects", requester={"request_parameters": {"state": "open"}})


@pytest.mark.parametrize(
    ("manifest", "text", "changes_rows"),
    [
        ({"streams": [OTHER, TASKS]}, "the parent projects, which differs from the stream of this name", True),
        ({"streams": [stream("a", "/a"), stream("a", "/b")]}, "another stream of the name a", True),
        ({"streams": [stream("a", "/a"), "b"]}, "an entry of `streams` that is not a stream", True),
        (
            {"streams": [{"type": "ConditionalStreams", "condition": "{{ config.x }}", "streams": [OTHER]}]},
            "the condition {{ config.x }} of streams",
            False,
        ),
        ({"streams": [OTHER], "spec": {"$ref": "#/definitions/a"}}, "the rules that change settings", True),
        ({"streams": [OTHER], "concurrency_level": {"wrong": 1}}, "the key wrong of ConcurrencyLevel", True),
        ({"streams": [OTHER], "api_budget": {"type": "Other"}}, "the api_budget of type Other", True),
    ],
)
def test_parts_of_a_manifest_beside_its_streams_are_reported(
    manifest: Component, text: str, changes_rows: bool
) -> None:
    rules = {"a": {"type": "Spec", "config_normalization_rules": {"transformations": [{}]}}}
    document = convert_manifest({**copy.deepcopy(manifest), "definitions": rules}, "shop")
    assert f"# not carried: {text}" in document.to_yaml()
    assert document.is_whole is not changes_rows


def test_same_parent_with_another_schema_is_no_difference() -> None:
    listed = stream("projects", "/projects", schema_loader={"type": "InlineSchemaLoader", "schema": {}})
    assert convert_manifest({"streams": [listed, copy.deepcopy(TASKS)]}, "shop").is_whole
