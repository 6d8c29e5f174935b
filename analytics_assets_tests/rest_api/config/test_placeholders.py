"""Placeholders: which braces are replaced, which are literal, and which are a mistake."""

from __future__ import annotations

from typing import Any

import pytest

from analytics_assets.rest_api.config import Endpoint, parse_config, placeholders_in, split_text
from analytics_assets.rest_api.errors import ConfigError

NAMES = ("start", "end", "page")
TASKS = "resources.projects.id"


def rendered(text: str, names: tuple[str, ...] = NAMES) -> str:
    """The text with each placeholder in angle brackets."""
    return "".join(literal + (f"<{name}>" if name else "") for literal, name in split_text(text, names))


TEXTS = [
    ("{start}", "<start>"),
    ("at >= {start} and at < {end}", "at >= <start> and at < <end>"),
    ("><{start}|{end}", "><<start>|<end>"),
    ("/v1/{resources.projects.id}/x", f"/v1/<{TASKS}>/x"),
    ("/v1/{resources.projects.owner.id}", "/v1/<resources.projects.owner.id>"),
    # other braces
    ("{users {name}}", "{users {name}}"),
    ("{users{name}}", "{users{name}}"),
    ("query { users(since: {start}) { name status } }", "query { users(since: <start>) { name status } }"),
    ('{"at": {"$gt": {start}}}', '{"at": {"$gt": <start>}}'),
    ("{ start }", "{ start }"),
    ("{}", "{}"),
    ("{", "{"),
    ("}}", "}"),  # doubled
    ("a{1,3}", "a{1,3}"),
    # all literal braces doubled, as dlt asks for
    ("{{users {{name}}}}", "{users {name}}"),
    ('{{"at": {start}}}', '{"at": <start>}'),
    ("{{{start}}}", "{<start>}"),
    ("{{start}}", "{start}"),
    ("{{events {{start}}}}", "{events {start}}"),
    ("{{{{start}}}}", "{{start}}"),
    # not all doubled: nothing is unescaped
    ("{users {{name}}}", "{users {{name}}}"),
    ("{a{{b}}", "{a{{b}}"),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_only_placeholders_are_replaced(text: str, expected: str) -> None:
    assert rendered(text) == expected


def test_names_that_the_endpoint_does_not_fill_in_are_literal() -> None:
    assert rendered("{events {start}} {end}", names=("end",)) == "{events {start}} <end>"


def endpoint(**keys: Any) -> Endpoint:
    return Endpoint.model_validate({"path": "/rows", "incremental": {"start_param": "since"}, **keys})


def test_placeholders_are_found_in_every_part() -> None:
    number, offset = {"type": "page_number"}, {"type": "offset", "limit": 1}
    assert placeholders_in(endpoint()) == set()
    assert placeholders_in(endpoint(path="/{start}/{page}", paginator=number)) == {"start", "page"}
    assert placeholders_in(endpoint(path="/{start}/{page}", paginator=offset)) == {"start"}
    assert placeholders_in(endpoint(path="/{resources.projects.id}")) == {TASKS}
    assert placeholders_in(endpoint(params={"q": "{end}"}, headers={"X-Since": "{start}"})) == {"start", "end"}
    assert placeholders_in(endpoint(json_={"a": [{"b": "{end}"}]})) == {"end"}
    assert placeholders_in(endpoint(data={"at": "{start}"})) == {"start"}
    assert placeholders_in(endpoint(data="skip {offset}", paginator=offset)) == {"offset"}


def described(**endpoint: Any) -> Any:
    return {
        "client": {"base_url": "https://api.example.com"},
        "partitions": {"cadence": "daily", "start": "2026-10-01"},
        "resources": [
            {
                "name": "rows",
                "primary_key": "id",
                "endpoint": {
                    "method": "POST",
                    "data_selector": "data",
                    "paginator": {"type": "page_number"},
                    "incremental": {"start_param": "since"},
                    **endpoint,
                },
            }
        ],
    }


LITERAL = [
    "query { users { name state } }",
    "{ viewer { status { end } } }",
    "{users{state}}",
    "{users(first: 10) {status}}",
    "query Events($after: String) { events(after: $after) { start } }",
    "fields=id,owner{name}",
    "{{users {{state}}}}",
    '{"$gt": 1}',
]


@pytest.mark.parametrize("key", ["params", "json", "data"])
@pytest.mark.parametrize("text", LITERAL)
def test_braces_of_graphql_and_json_are_accepted(key: str, text: str) -> None:
    [resource] = parse_config(described(**{key: {"query": text}})).resolved_resources()
    assert placeholders_in(resource.endpoint) == set()


MISTAKES = [
    ("{strat}", "unknown placeholder {strat}; did you mean {start}?"),
    ("since {strat}", "unknown placeholder {strat}; did you mean {start}?"),
    ('{"at": "{strat}"}', "unknown placeholder {strat}; did you mean {start}?"),
    ("{users(since: {strat}) {name}}", "unknown placeholder {strat}; did you mean {start}?"),
    ("{pages}", "unknown placeholder {pages}; did you mean {page}?"),
    ("{since}", "unknown placeholder {since}; allowed: {start}, {end}, {page}"),
    ("{offset}", "contains {offset}, which needs a paginator of type offset"),
    ("{{start}}", "is the text {start}, since doubled braces are literal: write {start}"),
    ("{{ page }}", "is the text {page}, since doubled braces are literal: write {page}"),
    ("{incremental.start_value}", "dlt's placeholder {incremental...} is not supported: write {start} or {end}"),
]


@pytest.mark.parametrize("key", ["params", "json", "data", "headers"])
@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_misspelled_placeholders_are_errors(key: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(described(**{key: {"query": text}}))
    assert str(caught.value) == f"attributes.resources[0].endpoint.{key}.query: {message}"


def test_page_in_a_text_takes_the_place_of_the_parameter() -> None:
    def page_param(paginator: dict[str, Any], path: str) -> str | None:
        [resource] = parse_config(described(path=path, paginator=paginator)).resolved_resources()
        found: str | None = getattr(resource.endpoint.paginator, f"{paginator['type'].partition('_')[0]}_param")
        return found

    number, offset = {"type": "page_number"}, {"type": "offset", "limit": 5}
    assert page_param(number, "/rows") == "page"
    assert page_param(number, "/rows/{page}") is None
    assert page_param({**number, "page_param": "p"}, "/rows/{page}") == "p"
    assert page_param(offset, "/rows/{offset}") is None


def test_bodies_of_defaults_and_resources_are_merged_by_key_as_in_dlt() -> None:
    config = described(json={"b": {"d": 2}})
    config["resource_defaults"] = {"endpoint": {"json": {"a": None, "b": {"c": 1}}, "headers": {"X-A": "{start}"}}}
    [resource] = parse_config(config).resolved_resources()
    assert resource.endpoint.json_ == {"a": None, "b": {"d": 2}}


def test_json_null_removes_the_body_of_the_defaults() -> None:
    config = described(json=None, data="all")
    config["resource_defaults"] = {"endpoint": {"json": {"a": 1}}}
    [resource] = parse_config(config).resolved_resources()
    assert (resource.endpoint.json_, resource.endpoint.data) == (None, "all")
