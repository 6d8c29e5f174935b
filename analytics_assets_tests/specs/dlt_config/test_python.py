"""Configurations of dlt in Python code: read without being run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.config import load_config
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets.specs import ApiDocument, convert

SECRET = "sk_live_4242"  # in the source, and nowhere else


def converted(code: str, folder: Path, *, suffix: str = ".py", only: tuple[str, ...] = ()) -> ApiDocument:
    """The code as defs.yaml, which the loader accepts and which has no secret in it."""
    source = folder / f"pipeline{suffix}"
    source.write_text(code)
    document = convert(source, api="shop", only=only)
    file = folder / "shop" / "defs.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(document.to_yaml())
    load_config(file)
    assert SECRET not in document.to_yaml() + "".join(document.messages())
    assert document.to_yaml() == convert(source, api="shop", only=only).to_yaml()
    return document


def source(client: str = "", resource: str = "", before: str = "", after: str = "") -> str:
    """Code with one resource."""
    return f"""
import os
import dlt
import pendulum
from dlt.sources.rest_api import rest_api_source

{before}
config = {{
    "client": {{"base_url": "https://api.example.com/v1/", {client}}},
    "resources": [
        {{
            "name": "users",
            "primary_key": "id",
            "write_disposition": "merge",
            "endpoint": {{"path": "users", "data_selector": "data", "paginator": "header_link"}},
            {resource}
        }},
    ],
}}
{after}
source = rest_api_source(config)
raise SystemExit("this code was run")
"""


AUTH: dict[str, tuple[str, dict[str, Any]]] = {
    "dlt.secrets": (
        '{"type": "bearer", "token": dlt.secrets["sources.shop.api_token"]}',
        {"type": "bearer", "token": {"env": "SHOP_API_TOKEN"}},
    ),
    "environment": (
        '{"type": "bearer", "token": os.environ["MY_TOKEN"]}',
        {"type": "bearer", "token": {"env": "MY_TOKEN"}},
    ),
    "getenv": (
        '{"type": "bearer", "token": os.getenv("MY_TOKEN", "none")}',
        {"type": "bearer", "token": {"env": "MY_TOKEN"}},
    ),
    "literal": (
        f'{{"type": "api_key", "name": "X-Key", "api_key": "{SECRET}"}}',
        {"type": "api_key", "name": "X-Key", "api_key": {"env": "SHOP_API_KEY"}},
    ),
    "class": (
        'BearerTokenAuth(token=dlt.secrets["api_token"])',
        {"type": "bearer", "token": {"env": "SHOP_API_TOKEN"}},
    ),
    "basic": (
        '{"type": "http_basic", "username": "me", "password": dlt.secrets["password"]}',
        {"type": "http_basic", "username": "me", "password": {"env": "SHOP_PASSWORD"}},
    ),
}


@pytest.mark.parametrize(("code", "auth"), AUTH.values(), ids=AUTH)
def test_credentials_are_named(code: str, auth: dict[str, Any], tmp_path: Path) -> None:
    document = converted(source(client=f'"auth": {code}'), tmp_path)
    assert document.attributes["client"]["auth"] == auth
    assert document.is_whole


def test_secret_in_the_source_is_said_without_its_value(tmp_path: Path) -> None:
    client = f'"auth": {{"type": "bearer", "token": "{SECRET}"}}, "headers": {{"X-Api-Key": "{SECRET}"}}'
    document = converted(source(client=client), tmp_path)
    assert document.messages() == [
        "client.auth.token: the value in the source, a secret: set SHOP_TOKEN to it",
        "client.headers.X-Api-Key: the value in the source, a secret: set SHOP_X_API_KEY to it",
    ]


SHAPES = {
    "constants and f-strings": """
HOST = "api.example.com"
CLIENT = {"base_url": f"https://{HOST}/v" + "1"}
PAGES = {"paginator": {"type": "offset", "limit": 50 }, "data_selector": "data"}
config = {"client": CLIENT, "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
          "resources": [{"name": "users", "endpoint": {"path": "users", **PAGES}}]}
""",
    "function that returns it": """
def config(token=dlt.secrets.value):
    return {"client": {"base_url": "https://api.example.com/v1", "auth": {"type": "bearer", "token": token}},
            "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
            "resources": [{"name": "users", "endpoint": {"path": "users", "data_selector": "data",
                                                         "paginator": OffsetPaginator(50)}}]}
""",
    "source with a parameter and helpers": """
def pages(): return {"type": "offset", "limit": 50}
@dlt.source
def shop(base_url: str = "https://api.example.com/v1", *, token: str = dlt.secrets.value):
    config: RESTAPIConfig = dict(client=dict(base_url=base_url, auth={"type": "bearer", "token": token}),
        resource_defaults={"primary_key": "id", "write_disposition": "merge"},
        resources=[*[{"name": "users", "endpoint": {"path": "users", "data_selector": "data", "paginator": pages()}}]])
    yield from rest_api_resources(config)
""",
}


@pytest.mark.parametrize("code", SHAPES.values(), ids=SHAPES)
def test_shapes_of_code(code: str, tmp_path: Path) -> None:
    document = converted(code, tmp_path)
    assert document.messages() == []
    assert document.attributes["client"]["base_url"] == "https://api.example.com/v1"
    [users] = document.attributes["resources"]
    assert users["endpoint"] == {
        "path": "users",
        "data_selector": "data",
        "paginator": {"type": "offset", "limit": 50},
    }


NOT_CARRIED = {
    "call": (
        '"headers": {"X-Time": now()}',
        "",
        "client.headers.X-Time: a call of now at pipeline.py:9: code is not run",
        False,
    ),
    "session": ('"session": requests.Session()', "", "a call of requests.Session", False),
    "map": ("", '"processing_steps": [{"map": lambda row: row}]', "records are loaded unchanged", False),
    "contract": ("", '"schema_contract": {"tables": "freeze"}', "users.schema_contract.tables: `tables`: ", False),
    "table name": ("", '"table_name": "people"', "the table's name 'people'", True),
    "nesting": ("", '"max_table_nesting": 0', "`max_table_nesting`", True),
    "misspelled": ("", '"primary_kee": "id"', "did you mean 'primary_key'?", False),
}


@pytest.mark.parametrize(("client", "resource", "message", "whole"), NOT_CARRIED.values(), ids=NOT_CARRIED)
def test_what_is_not_carried_is_said(client: str, resource: str, message: str, whole: bool, tmp_path: Path) -> None:
    document = converted(source(client=client, resource=resource), tmp_path)
    assert message in "\n".join(document.messages())
    assert "# not carried: " in document.to_yaml()
    assert document.is_whole is whole


def test_incremental_and_children(tmp_path: Path) -> None:
    code = """
config = {
    "client": {"base_url": "https://api.example.com"},
    "resource_defaults": {"primary_key": "id", "write_disposition": "merge",
                          "endpoint": {"data_selector": "$", "paginator": {"type": "single_page"}}},
    "resources": [
        {"name": "Repos", "endpoint": {"path": "repos", "params": {
            "state": "all",
            "since": {"type": "incremental", "cursor_path": "updated_at",
                      "initial_value": pendulum.datetime(2024, 5, 1).to_iso8601_string()}}}},
        {"name": "events", "endpoint": {"path": "events", "params": {"from": "{incremental.start_value}"},
            "incremental": {"cursor_path": "at", "initial_value": 1714521600, "lag": 3600}}},
        {"name": "issueComments", "include_from_parent": ["id"], "endpoint": {
            "path": "repos/{repo}/comments",
            "params": {"repo": {"type": "resolve", "resource": "Repos", "field": "id"}}}},
        {"name": "labels", "endpoint": {"path": "repos/{resources.Repos.id}/labels"}},
        "tags",
    ],
}
"""
    document = converted(code, tmp_path)
    assert document.messages() == []
    repos, events, comments, labels, tags = document.attributes["resources"]
    assert repos["name"] == "repos"
    assert repos["endpoint"]["params"] == {"state": "all"}
    assert repos["endpoint"]["incremental"] == {"start_param": "since", "cursor_path": "updated_at"}
    assert events["endpoint"]["params"] == {"from": "{start}"}
    assert events["endpoint"]["incremental"] == {"cursor_path": "at", "format": "epoch_s", "lookback": "PT3600S"}
    assert comments["name"] == "issue_comments"
    assert comments["endpoint"]["params"] == {"repo": {"type": "resolve", "resource": "repos", "field": "id"}}
    assert labels["endpoint"]["path"] == "repos/{resources.repos.id}/labels"
    assert tags == {"name": "tags", "endpoint": {"path": "tags"}}
    assert document.attributes["partitions"] == {"cadence": "daily", "start": "2024-05-01"}


def test_what_dlt_detects_is_a_decision(tmp_path: Path) -> None:
    document = converted('config = {"client": {"base_url": "https://a.example"}, "resources": ["users"]}', tmp_path)
    assert document.to_yaml().count("# decide: dlt ") == 3
    [users] = document.attributes["resources"]
    assert users["write_disposition"] == "replace"


def test_body_without_a_method_is_a_decision(tmp_path: Path) -> None:
    body = '"json": {"a": 1}, "data_selector": "data", "paginator": "header_link"'
    code = f"""config = {{"client": {{"base_url": "https://a.example"}}, "resources": [
        {{"name": "users", "write_disposition": "replace", "endpoint": {{"path": "users", {body}}}}}]}}"""
    document = converted(code, tmp_path)
    assert document.to_yaml().count("# decide: dlt sends the body with a GET") == 1
    assert document.attributes["resources"][0]["endpoint"]["method"] == "GET"
    defaults = '"resource_defaults": {"endpoint": {"method": "POST"}}, "resources":'
    posted = converted(code.replace('"resources":', defaults), tmp_path)
    assert "method" not in posted.attributes["resources"][0]["endpoint"]


def test_text_with_a_secret_in_it_is_one_variable(tmp_path: Path) -> None:
    client = '"headers": {"Authorization": f"Token {dlt.secrets[\'token\']}"}'
    document = converted(source(client=client), tmp_path)
    assert document.attributes["client"]["headers"] == {"Authorization": {"env": "SHOP_AUTHORIZATION"}}
    assert "# decide: SHOP_AUTHORIZATION is the text of the source, with token in it" in document.to_yaml()


def test_json_and_only(tmp_path: Path) -> None:
    endpoint = {"path": "x", "data_selector": "$", "paginator": "single_page"}
    resources = [{"name": name, "primary_key": "id", "endpoint": endpoint} for name in ("users", "teams", "userGroups")]
    config = {"client": {"base_url": "https://a.example", "auth": {"type": "bearer", "token": SECRET}}}
    document = converted(json.dumps({**config, "resources": resources}), tmp_path, suffix=".json", only=("user*",))
    assert [each["name"] for each in document.attributes["resources"]] == ["users", "user_groups"]


WRONG = {
    "syntax": ("config = {", ".py", r"pipeline.py:1: is not valid Python"),
    "no dictionary": ("x = 1", ".py", "has no dictionary with `client` and `resources`"),
    "unknown list": ('c = {"client": {"base_url": "https://a"}, "resources": load()}', ".py", "`resources` a list"),
    "loop": ('a = b\nb = a\nc = {"client": {"base_url": "https://a"}, "resources": [a]}', ".py", "has no resources"),
    "base url": ('c = {"client": {"base_url": url()}, "resources": ["a"]}', ".py", "client.base_url is required"),
    "document": ("# Notes\n\n```python\nx = 1\n```\n", ".md", "has no dictionary"),
    "other JSON": ("{}", ".json", "has no known format: it must be one of OpenAPI 3 "),
}


@pytest.mark.parametrize(("code", "suffix", "message"), WRONG.values(), ids=WRONG)
def test_source_that_cannot_be_converted(code: str, suffix: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        converted(code, tmp_path, suffix=suffix)


def test_unknown_resource_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no resource matches 'userz'; there are: users"):
        converted(source(), tmp_path, only=("userz",))


def test_secret_in_path_or_parameters_becomes_no_text_of_the_file(tmp_path: Path) -> None:
    endpoint = {"path": f"users?state=all&app_token={SECRET}", "data_selector": "$", "paginator": "single_page"}
    headers = {"X-Session": SECRET, "X-Auth": f"Bearer {SECRET}"}
    config = {
        "client": {"base_url": "https://a.example", "headers": headers},
        "resources": [{"name": "users", "endpoint": {**endpoint, "params": {"sort_key": "id", "signature": SECRET}}}],
    }
    document = converted(json.dumps(config), tmp_path, suffix=".json")
    assert document.attributes["client"]["headers"]["X-Session"] == {"env": "SHOP_X_SESSION"}
    params = document.attributes["resources"][0]["endpoint"]["params"]
    assert params["state"] == "all"
    assert params["sort_key"] == "id"
