"""Lists of manifests: as repeated parameters and lists in JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analytics_assets.specs import ApiDocument
from analytics_assets_tests.specs.manifest_shapes import Component
from analytics_assets_tests.specs.one_stream import convert_stream

LIST: Component = {"type": "array", "items": {"type": "string"}}
SPEC: Component = {
    "type": "Spec",
    "connection_specification": {
        "type": "object",
        "required": ["url", "api_key", "ids"],
        "properties": {
            "url": {"type": "string"},
            "api_key": {"type": "string"},
            "ids": LIST,
            "tags": LIST,
            "fields": {**LIST, "default": ["a", "b"]},
        },
    },
}


def converted(requester: Component, folder: Path) -> ApiDocument:
    return convert_stream(requester, SPEC, folder)


IDS = {"ids": [{"env": "SHOP_IDS"}]}
LISTS: dict[str, tuple[Any, Any, Any]] = {
    "list": (["a", "b"], ["a", "b"], None),
    "list of one": (["a"], "a", None),
    "required setting": ("{{ config['ids'] }}", "{ids}", IDS),
    "setting in a list": (["a", "{{ config['url'] }}"], ["a", "{url}"], {"url": {"env": "SHOP_URL"}}),
    "setting with a default": ("{{ config['fields'] }}", "{fields}", {"fields": ["a", "b"]}),
    "joined setting": ("{{ ','.join(config['ids']) }}", "{ids}", {"ids": {"env": "SHOP_IDS"}}),
    "optional setting": ("{{ config['tags'] }}", None, None),
}


@pytest.mark.parametrize("name", LISTS)
def test_list_of_a_parameter(name: str, tmp_path: Path) -> None:
    template, value, values = LISTS[name]
    document = converted({"request_parameters": {"ids": template}}, tmp_path)
    assert document.is_whole, document.messages()
    [resource] = document.attributes["resources"]
    assert resource["endpoint"].get("params") == ({"ids": value} if value else None)
    assert resource["endpoint"].get("values") == values


def test_list_of_a_body_stays_a_list(tmp_path: Path) -> None:
    body = {"ids": "{{ config['ids'] }}", "fields": ["a", "b"]}
    document = converted({"http_method": "POST", "request_body_json": body}, tmp_path)
    assert document.is_whole, document.messages()
    [resource] = document.attributes["resources"]
    assert resource["endpoint"]["json"] == {"ids": "{ids}", "fields": ["a", "b"]}
    assert resource["endpoint"]["values"] == IDS


@pytest.mark.parametrize("template", ["ids: {{ config['ids'] }}", [["a"], "b"]], ids=["in a text", "of lists"])
def test_other_lists_are_reported(template: Any, tmp_path: Path) -> None:
    document = converted({"request_parameters": {"ids": template}}, tmp_path)
    assert not document.is_whole
    assert "params" not in document.attributes["resources"][0]["endpoint"]
