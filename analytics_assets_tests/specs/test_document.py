"""The text of a converted document: valid YAML that holds the attributes, with comments at their places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from analytics_assets.rest_api.config.parsing.yaml_reader import parse_yaml
from analytics_assets.specs.document import ApiDocument

ATTRIBUTES: dict[str, Any] = {
    "client": {"base_url": "https://api.example.com", "auth": {"type": "bearer", "token": {"env": "SHOP_API_TOKEN"}}},
    "resources": [
        {
            "name": "orders",
            "primary_key": ["id"],
            "endpoint": {
                "path": "/v1/orders",
                "params": {"status": "any", "day": "2026-10-01", "on": "yes", "number": "01"},
                "json": {
                    "query": "query {\n  orders { id }\n}\n",
                    "empty": {},
                    "list": [],
                    "deep": {"a": [{"b": [1]}]},
                },
                "paginator": {"type": "offset", "limit": 100},
            },
        },
        {"name": "items", "endpoint": {"path": "/v1/items", "data_selector": "$", "paginator": "single_page"}},
    ],
}


def attributes_in(text: str) -> Any:
    reader = parse_yaml(text, Path("defs.yaml"))
    assert not reader.problems
    return reader.document["attributes"]


def test_text_holds_the_attributes() -> None:
    assert attributes_in(ApiDocument("shop", ATTRIBUTES).to_yaml()) == ATTRIBUTES


TEXTS = (
    *("", " a", "a ", "a\nb", "\na", "  a\nb", "a\n\n", "a: b", "# a", "{start}", "a #b", "null", "1", "1e3", "'", '"'),
    *("a\tb\nc", "\u2028", "-", "...", "a\n\nb\n", "a\n  b", "*", "&a", "%", "@", "~", "=", "2026-10-01", "a\r\nb"),
    *("é", "\x07", "# a\nb"),
)


@pytest.mark.parametrize("value", TEXTS)
def test_any_text_is_written_exactly(value: str) -> None:
    attributes = {"params": {"a": value, "deeper": {"list": [{"b": [value]}, value]}}, "longer": [value] * 60}
    assert attributes_in(ApiDocument("shop", attributes).to_yaml()) == attributes


def test_comments_stand_at_their_places() -> None:
    document = ApiDocument("shop", ATTRIBUTES, title=["The API shop."])
    document.decide(("resources", 0, "primary_key"), "Is id unique?")
    document.skip(("resources", 0, "endpoint", "paginator"), "a stop condition", changes_rows=True)
    document.skip(("resources", 1, "endpoint", "incremental", "start"), "a time\nfilter", changes_rows=False)
    text = document.to_yaml()
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "# The API shop."
    assert lines[lines.index("# decide: Is id unique?") + 1] == "primary_key: [id]"
    assert lines[lines.index("# not carried: a stop condition") + 1] == "paginator: {type: offset, limit: 100}"
    assert lines.index("# not carried: a time filter") > lines.index("- name: items")
    assert attributes_in(text) == ATTRIBUTES


def test_comment_of_the_first_key_of_an_item_stands_before_the_item() -> None:
    document = ApiDocument("shop", {"resources": [{"name": "a"}, {"name": "b"}]})
    document.decide(("resources", 1, "name"), "Which name?")
    lines = [line.strip() for line in document.to_yaml().splitlines()]
    assert lines[lines.index("# decide: Which name?") + 1] == "- name: b"


def test_parts_that_change_rows_make_the_document_incomplete() -> None:
    document = ApiDocument("shop", ATTRIBUTES)
    document.skip(("resources", 1, "endpoint"), "a cache", changes_rows=False)
    assert document.is_whole
    document.skip(("resources", 1, "endpoint", "paginator"), "a record filter", changes_rows=True)
    document.skip(("resources", 1, "endpoint", "paginator"), "a record filter", changes_rows=True)
    assert not document.is_whole
    assert document.messages() == ["items.endpoint: a cache", "items.endpoint.paginator: a record filter"]


def test_same_document_gives_the_same_text_and_no_aliases() -> None:
    shared = {"a": {"b": [1, 2]}}
    document = ApiDocument("shop", {"one": shared, "two": shared})
    assert document.to_yaml() == document.to_yaml()
    assert yaml.safe_load(document.to_yaml())["attributes"] == {"one": shared, "two": shared}
