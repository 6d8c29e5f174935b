"""The file that `dg scaffold` writes: it is valid, also with the keys that are comments in it. Its options."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from dagster.components import ScaffoldRequest

from analytics_assets.components.scaffold.scaffolder import RestApiScaffolder, ScaffoldOptions
from analytics_assets.components.scaffold.template import AUTH, PAGINATORS, render
from analytics_assets.rest_api.config import COMPONENT, load_config, parse_config
from analytics_assets_tests.support.config_samples import DatesAsText

TEXT = render("payroll", COMPONENT)
CHOICES = {
    "as it is": (),
    "private fields": ("exclude", "hash"),
    "windows": ("incremental", "partitions"),
    "a search": ("method", "json"),
    "a list of values": ("params", "for_each"),
    "a file": ("format", "data_selector"),
    "a child": ("- name", "  primary_key", "  include_from_parent", "  endpoint", "    path", "    error_handler"),
}


@pytest.mark.parametrize("keys", CHOICES.values(), ids=CHOICES)
def test_commented_keys_are_valid(keys: tuple[str, ...]) -> None:
    text = TEXT
    for key in keys:
        text, count = re.subn(rf"^( *)# ({key}: )", r"\1\2", text, flags=re.MULTILINE)
        if not count:  # a key above other keys
            text, count = re.subn(rf"^( *)# ({key}:)$", r"\1\2", text, flags=re.MULTILINE)
        assert count == 1, key
    parse_config(yaml.load(text, DatesAsText)["attributes"])


def test_every_commented_key_is_tried() -> None:
    commented = re.findall(r"^ *# ([- ]*\w+):(?: .*)?$", TEXT, re.MULTILINE)
    assert set(commented) == {key for keys in CHOICES.values() for key in keys}


def commented_keys(block: str) -> list[str]:
    return re.findall(r"^ *# (\w+: .*)$", block, re.MULTILINE)


@pytest.mark.parametrize("kind", AUTH)
def test_each_kind_of_authentication_is_valid_with_each_commented_key(kind: str) -> None:
    text = render("payroll", COMPONENT, auth=kind)
    for key in ["", *commented_keys(AUTH[kind])]:
        changed = text.replace(f"# {key.format(prefix='PAYROLL')}", key.format(prefix="PAYROLL"), 1) if key else text
        config = parse_config(yaml.load(changed, DatesAsText)["attributes"])
        assert [auth.type for auth in config.client.auth] == [kind]
        assert (changed != text) is bool(key)


@pytest.mark.parametrize("kind", PAGINATORS)
def test_each_paginator_is_valid_with_each_commented_key(kind: str) -> None:
    text = render("payroll", COMPONENT, paginator=kind)
    for key in ["", *commented_keys(PAGINATORS[kind])]:
        changed = text.replace(f"# {key}", key, 1) if key else text
        config = parse_config(yaml.load(changed, DatesAsText)["attributes"])
        assert config.resolved_resources()[0].endpoint.paginator.type == kind
        assert (changed != text) is bool(key)


def scaffold(folder: Path, **options: Any) -> Path:
    """Run the scaffolder for the API `shop` as dg does, which makes the folder."""
    params = ScaffoldOptions.model_validate(options)
    target = folder / "shop"
    target.mkdir(exist_ok=True)
    RestApiScaffolder().scaffold(
        ScaffoldRequest(
            type_name=COMPONENT, target_path=target, scaffold_format="yaml", project_root=None, params=params
        )
    )
    return target / "defs.yaml"


def openapi(folder: Path) -> str:
    record = {"type": "object", "properties": {"id": {"type": "integer"}}}
    content = {"application/json": {"schema": {"type": "array", "items": record}}}
    path = {"get": {"responses": {"200": {"description": "", "content": content}}}}
    schemes = {"key": {"type": "http", "scheme": "bearer"}, "tls": {"type": "mutualTLS"}}
    document = {
        "openapi": "3.0.3",
        "info": {"title": "Shop"},
        "paths": {"/users": path, "/orders": path},
        "components": {"securitySchemes": schemes},
    }
    file = folder / "openapi.json"
    file.write_text(json.dumps(document))
    return str(file)


def test_options_choose_authentication_and_paginator(tmp_path: Path) -> None:
    config = load_config(scaffold(tmp_path, auth="oauth2", paginator="cursor"))
    assert config.client.auth[0].type == "oauth2"
    assert config.resolved_resources()[0].endpoint.paginator.type == "cursor"


def test_specification_is_converted_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = scaffold(tmp_path, spec=openapi(tmp_path), only=["orders,users"])
    assert [resource.name for resource in load_config(file).resources] == ["users", "orders"]
    assert capsys.readouterr().out.splitlines() == [
        f"Wrote {file}.",
        "Not carried: client.auth: authentication by mutualTLS",
        "Set these environment variables, for example in .env: SHOP_BASE_URL, SHOP_API_TOKEN",
        "Next: correct the file where a comment says so, then run `dg check defs`.",
    ]
    first = file.read_bytes()
    file.unlink()
    assert scaffold(tmp_path, spec=openapi(tmp_path), only=["orders", "users"]).read_bytes() == first


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "kind of authentication": ({"auth": "berer"}, "--auth must be one of .*; did you mean 'bearer'?"),
    "paginator": ({"paginator": "pages"}, "--paginator must be one of offset, "),
    "type": ({"auth": 3}, "'auth' must be text"),
    "list": ({"spec": "a", "only": "users"}, "'only' must be a list of texts"),
    "option": ({"authh": "bearer"}, "unknown option 'authh': the options are auth, "),
    "both": ({"spec": "a", "auth": "bearer"}, "remove --auth and --paginator"),
    "only": ({"only": ["a"]}, "add --spec FILE"),
    "file": ({"spec": "missing.yaml"}, "missing.yaml: cannot be read"),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG)
def test_wrong_option_is_one_line_and_nothing_is_written(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match=message) as error:
        scaffold(tmp_path, **options)
    assert "\n" not in error.value.format_message()
    assert not list(tmp_path.rglob("*"))


def test_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    file = scaffold(tmp_path)
    text = file.read_text()
    with pytest.raises(click.ClickException, match="exists already"):
        scaffold(tmp_path, auth="oauth2")
    assert file.read_text() == text
