# ruff: noqa: E501
"""Airbyte manifests of different shapes: converted, accepted by the loader, and loaded row by row from their server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from analytics_assets.specs import convert
from analytics_assets_tests.specs.manifest_api.loading import outcomes
from analytics_assets_tests.specs.manifest_api.server import ManifestApi, listening
from analytics_assets_tests.specs.manifest_shapes import (
    OAUTH,
    PROJECTS,
    SHAPES,
    SYNC,
    TASKS,
    Component,
    added,
    child_of,
    option,
    paginator,
    stream,
)

Server = tuple[list[ManifestApi], int]
CONFIG = {"api_key": "key-1234", "client_id": "client", "client_secret": "secret-1", "password": "secret-2", "account": "a7", "kind": "k"}  # fmt: skip


def manifest(streams: list[Component]) -> Component:
    properties = {name: {"type": "string"} for name in ("url", *CONFIG)}
    spec = {
        "type": "Spec",
        "connection_specification": {"type": "object", "required": [*properties], "properties": properties},
    }
    check = {"type": "CheckStream", "stream_names": [streams[0].get("name", "things")]}
    return {"version": "1.0.0", "type": "DeclarativeSource", "check": check, "streams": streams, "spec": spec}


def convert_to(folder: Path, document: Any) -> Any:
    file = folder / "manifest.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return convert(file, api="shop")


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    apis: list[ManifestApi] = []
    with listening(apis) as port:
        yield apis, port


@pytest.mark.parametrize("name", SHAPES)
def test_converted_manifest_loads_the_rows_of_its_api(name: str, served: Server, tmp_path: Path) -> None:
    apis, port = served
    file = tmp_path / "shop.yaml"
    streams = SHAPES[name].streams
    file.write_text(yaml.safe_dump(manifest(streams)), encoding="utf-8")
    [outcome] = outcomes(file, tmp_path, port, apis, names=[streams[-1]["name"]])
    assert outcome.problem == ""
    assert outcome.rows


def test_incremental_stream_becomes_windows(tmp_path: Path) -> None:
    attributes = convert_to(tmp_path, manifest([stream("items", "/items", incremental_sync=SYNC)])).attributes
    assert attributes["resources"][0]["endpoint"]["incremental"] == {
        "cursor_path": "updated_at",
        "start_param": "since",
        "end_param": "until",
    }
    assert attributes["partitions"] == {"cadence": "daily", "start": "2026-10-01"}


def test_pages_in_a_form_are_sent_in_data(tmp_path: Path) -> None:
    form = SHAPES["form by GET"].streams
    endpoint = convert_to(tmp_path, manifest(form)).attributes["resources"][0]["endpoint"]
    assert endpoint == {
        "path": "/items",
        "method": "GET",
        "data": {},
        "data_selector": "data",
        "paginator": {"type": "page_number", "start_from_page": 0, "limit": 2, "page_body_path": "page"},
    }


def test_page_size_in_the_parameter_of_the_position_is_not_sent(tmp_path: Path) -> None:
    pages = paginator({"type": "OffsetIncrement", "page_size": 2}, option("offset"), "offset")
    [resource] = convert_to(tmp_path, manifest([stream("items", "/items", pages=pages)])).attributes["resources"]
    assert resource["endpoint"]["paginator"] == {
        "type": "offset",
        "limit": 2,
        "offset_param": "offset",
        "limit_param": None,
    }


def test_references_and_parameters_are_resolved(tmp_path: Path) -> None:
    base = stream("items", "{{ parameters['path'] }}")
    document = manifest([{"$ref": "#/definitions/items", "$parameters": {"path": "/things", "name": "things"}}])
    document["definitions"] = {"items": {key: value for key, value in base.items() if key != "name"}}
    [resource] = convert_to(tmp_path, document).attributes["resources"]
    assert (resource["name"], resource["endpoint"]["path"]) == ("things", "/things")


def test_grandchild_has_the_values_of_both_parents(tmp_path: Path) -> None:
    path = "/projects/{{ stream_partition.parent_slice.project }}/tasks/{{ stream_partition.task }}/notes"
    notes = stream("notes", path, router=child_of(TASKS, "task"))
    resources = {
        each["name"]: each for each in convert_to(tmp_path, manifest([PROJECTS, TASKS, notes])).attributes["resources"]
    }
    assert resources["notes"]["endpoint"]["path"] == (
        "/projects/{resources.tasks._projects_id}/tasks/{resources.tasks.id}/notes"
    )
    assert resources["tasks"]["include_from_parent"] == ["id"]


LOSSES: dict[str, tuple[Component, str]] = {
    "record filter": ({"record_selector": {**PROJECTS["retriever"]["record_selector"], "record_filter": {"condition": "{{ record.a }}"}}}, "record filter"),
    "custom retriever": ({"type": "CustomRetriever", "class_name": "a.b"}, "a.b"),
    "custom router": ({"partition_router": {"type": "CustomPartitionRouter", "class_name": "a.c"}}, "a.c"),
    "XML": ({"decoder": {"type": "XmlDecoder"}}, "XmlDecoder"),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_parts_that_change_rows_are_reported_and_commented(name: str, tmp_path: Path) -> None:
    parts, text = LOSSES[name]
    each = stream("items", "/items")
    each["retriever"] = each["retriever"] | parts
    document = convert_to(tmp_path, manifest([each]))
    assert not document.is_whole
    assert any(text in message for message in document.messages())
    assert any("# not carried: " in line and text in line for line in document.to_yaml().splitlines())


def test_values_that_users_compute_have_names_of_their_own(tmp_path: Path) -> None:
    parts = "{{ 'a' if config['kind'] else 'b' }}"
    streams = [
        stream("items", f"/{{{{ config['kind'][:2] ~ '/' ~ config['kind'][2:] }}}}/{parts}/items"),
        stream("orders", f"/{parts}/orders"),
        stream("parts", f"/{parts.replace(' ', '  ')}/parts"),
    ]
    document = convert_to(tmp_path, manifest(streams))
    paths = [each["endpoint"]["path"] for each in document.attributes["resources"]]
    assert paths == ["/{kind_path}/{kind_path_2}/{kind_path_3}/items", "/{kind_path_3}/orders", "/{kind_path_3}/parts"]
    text = document.to_yaml()
    assert "SHOP_KIND_PATH_2 is what the connector computes as part 2 of {{ config['kind'][:2]" in text
    assert f"SHOP_KIND_PATH_3 is what the connector computes as {parts}" in text


SELECTED = {"type": "ApiKeyAuthenticator", "api_token": "{{ config['client_id'] }}", "inject_into": option("key")}


def test_alternative_with_a_part_of_the_variables_of_another_is_after_it(tmp_path: Path) -> None:
    auth = {"type": "SelectiveAuthenticator", "authenticators": {"key": SELECTED, "oauth": OAUTH}}
    document = convert_to(tmp_path, manifest([stream("items", "/items", auth=auth)]))
    assert [each["type"] for each in document.attributes["client"]["auth"]] == ["oauth2", "api_key"]


def test_key_of_a_parent_that_the_connector_computes_is_reported(tmp_path: Path) -> None:
    users = stream("users", "/users") | {"transformations": [added("number", "{{ record.url.split('/')[-1] }}")]}
    posts = stream("posts", "/users/{{ stream_slice.user }}/posts", router=child_of(users, "user", parent_key="number"))
    document = convert_to(tmp_path, manifest([users, posts]))
    assert any("the parent's key number, which the connector computes" in each for each in document.messages())
    assert not document.is_whole
