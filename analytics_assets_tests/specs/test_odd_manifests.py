"""Manifests with an odd shape: one error that names the file and the key, never an exception of Python."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from analytics_assets.rest_api.errors import ConfigError
from analytics_assets.specs import convert
from analytics_assets.specs.airbyte import convert_manifest
from analytics_assets_tests.specs.manifest_shapes import SHAPES, SYNC, Component, stream
from analytics_assets_tests.specs.test_manifest_fields import EXTRA

STREAMS = [each for shape in SHAPES.values() for each in shape.streams]
MANIFEST: Component = {
    "type": "DeclarativeSource",
    "streams": [{**stream("windows", "/windows", incremental_sync=SYNC), "decoder": {"type": "JsonDecoder"}}, EXTRA],
    "spec": {"type": "Spec", "connection_specification": {"properties": {"api_key": {"type": "string"}}}},
    "concurrency_level": {"default_concurrency": 2},
    "api_budget": {"policies": [{"rates": [{"limit": 1, "interval": "PT1S"}], "matchers": [{"method": "GET"}]}]},
}
ODD_VALUES: tuple[Any, ...] = (
    None, 7, -1, 1e308, True, "", "{{", "{{ config['x'] }}", "{% if %}", "{{ stream_slice.start_time }}", "\x00", [],
    ["x"], [None], [[]], [{}], {}, {"type": "X"}, {"type": {"a": 1}}, {"$ref": "#/streams/0"}, {"$ref": 7}, "#/nowhere",
    {"$parameters": {"type": "X"}}, "x" * 5000, "²", 10**400, {None: 1}, {7: {}}, "{a}{b}", "{resources.x.y}",
    "{start}",
)  # fmt: skip
LOOP = {"definitions": {"a": {"b": "#/definitions/a"}}, "streams": [{"$ref": "#/definitions/a"}]}


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, (dict, list)):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*place, key)
            yield from places(child, (*place, key))


def changed(document: Any, chance: random.Random) -> Any:
    """A copy in which one part is removed, renamed or replaced by an odd value."""
    document = copy.deepcopy(document)
    *outer, last = chance.choice(list(places(document)))
    holder = document
    for step in outer:
        holder = holder[step]
    action = chance.randrange(6)
    if action == 0:
        del holder[last]
    elif action == 1 and isinstance(holder, dict):
        holder[f"{last}x"] = holder.pop(last)
    else:
        holder[last] = copy.deepcopy(chance.choice(ODD_VALUES))
    return document


@pytest.mark.parametrize("seed", range(4))
def test_changed_manifest_is_converted_or_rejected_with_an_error(seed: int) -> None:
    chance = random.Random(seed)
    outcomes = set()
    for _ in range(70):
        document = {**MANIFEST, "streams": [*MANIFEST["streams"], chance.choice(STREAMS)]}
        for _ in range(chance.choice((1, 1, 3))):
            document = changed(document, chance)
        try:
            outcomes.add(bool(convert_manifest(document, "shop").to_yaml()))
        except ConfigError:
            outcomes.add(False)
    assert outcomes == {True, False}, "some are converted, some are rejected"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (None, "is empty: it must be one of OpenAPI 3 (`openapi`), Airbyte low-code manifest (`streams`)"),
        ([], "has no known format: it must be one of OpenAPI 3 (`openapi`)"),
        ({"type": "DeclarativeSource"}, "streams: is required: a list of streams"),
        ({"type": "DeclarativeSource", "streams": 7}, "streams: is required: a list of streams"),
        ({"streams": []}, "streams: contains no stream"),
        ({"streams": [], "dynamic_streams": [{}]}, "dynamic_streams: the connector finds its streams when it runs"),
        ({"streams": [{"$ref": "#/definitions/x"}]}, "streams.0: the reference '#/definitions/x' leads nowhere"),
        ({"streams": [{"$ref": 7}]}, "streams.0.$ref: must be a text such as"),
        ({"streams": [{"$ref": "#/a", "name": "b"}], "a": "c"}, "streams.0.$ref: '#/a' is not a mapping"),
        (LOOP, "streams.0.b: the reference '#/definitions/a' leads to itself"),
        ({"streams": [{"retriever": [[[{"a": "#/streams"}]]]}]}, "the reference '#/streams' leads to itself"),
    ],
)  # fmt: skip
def test_error_names_the_file_and_the_key(document: Any, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_text(yaml.safe_dump(document) if document is not None else "", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        convert(file, api="shop")
    assert str(caught.value).startswith(f"{file}: ")
    assert expected in str(caught.value)


def test_half_of_a_character_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_text('{"streams": [{"name": "a\\ud800"}]}', encoding="utf-8")
    with pytest.raises(ConfigError, match="contains a half of a character"):
        convert(file, api="shop")


def test_manifest_that_grows_by_its_references_is_an_error() -> None:
    definitions: Component = {"a0": ["x"] * 10}
    definitions |= {f"a{level}": [f"#/definitions/a{level - 1}"] * 10 for level in range(1, 8)}
    with pytest.raises(ConfigError, match="is too deep or too large"):
        convert_manifest({"streams": [{"a": "#/definitions/a7"}], "definitions": definitions}, "shop")


def test_parameters_that_lead_to_themselves_are_an_error() -> None:
    inner = {"a": {"b": {"type": "RequestOption"}}}
    with pytest.raises(ConfigError, match=r"`\$parameters` lead to themselves"):
        convert_manifest({"streams": [stream("items", "/items") | {"$parameters": inner}]}, "shop")
