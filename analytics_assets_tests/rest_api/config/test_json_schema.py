"""The JSON schema for Dagster and editors: it accepts what loads, and reports problems at their key."""

# ruff: noqa: E501  (a case is a line)
from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from analytics_assets.rest_api.config import Attributes, parse_config
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets_tests.support.config_samples import (
    AUTH,
    EVERY_KEY,
    FIXTURES,
    NAME,
    PAGINATOR,
    PARTITIONS,
    attributes,
    edited,
    write,
)


def test_json_schema_accepts_what_loads() -> None:
    schema = Attributes.model_json_schema()
    Draft202012Validator.check_schema(schema)
    files = sorted(FIXTURES.rglob("defs.yaml"))
    assert len(files) >= 6
    for file in files:
        assert list(Draft202012Validator(schema).iter_errors(attributes(file))) == []


@dataclass(frozen=True, kw_only=True)
class SchemaProblem:
    old: str
    new: str
    path: list[str | int]
    message: str


SCHEMA_ERRORS = [
    SchemaProblem(old=PAGINATOR, new="paginator: {type: offset, limitt: 100, limit: 1}", path=["resource_defaults", "endpoint", "paginator"], message="Additional properties are not allowed ('limitt' was unexpected)"),
    SchemaProblem(old=PAGINATOR, new="paginator: {type: ofset, limit: 1}", path=["resource_defaults", "endpoint", "paginator", "type"], message="'ofset' is not one of ["),
    SchemaProblem(old=PAGINATOR, new="paginator: offset", path=["resource_defaults", "endpoint", "paginator"], message="'offset' is not one of ['page_number', 'header_link', 'header_cursor', 'single_page']"),
    SchemaProblem(old=AUTH, new="auth: {type: bearer, tken: {env: A}}", path=["client", "auth"], message="Additional properties are not allowed ('tken' was unexpected)"),
    SchemaProblem(old=AUTH, new="auth: [{type: bearer}]", path=["client", "auth", 0], message="'token' is a required property"),
    SchemaProblem(old=AUTH, new="auth: {type: oauth2, client_id: a, client_secret: {env: A}}", path=["client", "auth"], message="'token_url' is a required property"),
    SchemaProblem(old=NAME, new=f"{NAME}\n      columns: {{a: {{typ: string}}}}", path=["resources", 0, "columns", "a"], message="Additional properties are not allowed ('typ' was unexpected)"),
    SchemaProblem(old=NAME, new=f"{NAME}\n      schema: {{properties: {{a: {{type: strng}}}}}}", path=["resources", 0, "schema", "properties", "a", "type"], message="'strng' is not one of ["),
    SchemaProblem(old=PARTITIONS, new="partitons: {}", path=[], message="Additional properties are not allowed ('partitons' was unexpected)"),
]  # fmt: skip


@pytest.mark.parametrize("case", SCHEMA_ERRORS)
def test_json_schema_reports_problems_at_their_key(case: SchemaProblem, tmp_path: Path) -> None:
    schema = Draft202012Validator(Attributes.model_json_schema())
    errors = list(schema.iter_errors(attributes(write(tmp_path, edited(case.old, case.new)))))
    assert [list(error.absolute_path) for error in errors][:1] == [case.path]
    assert errors[0].message.startswith(case.message)


def test_json_schema_describes_keys() -> None:
    schema = Attributes.model_json_schema()
    assert set(schema["properties"]) == {
        "client",
        "docs_url",
        "sandbox",
        "resource_defaults",
        "resources",
        "checks",
        "partitions",
        "schedule",
    }
    cursor = schema["$defs"]["CursorConfig"]["properties"]
    assert cursor["cursor_param"]["description"] == "Query parameter of the cursor."
    page_number = schema["$defs"]["PageNumberConfig"]["properties"]
    assert page_number["base_page"]["description"] == "dlt's name for `start_from_page`."


def test_dagster_accepts_wrong_values_without_showing_them() -> None:
    """Its own messages repeat values, secrets among them."""
    wrong = {"client": {"auth": {"type": "bearer", "token": "hunter2"}}, "unknown": 1}
    assert TypeAdapter(Attributes).validate_python(wrong).root == wrong


def test_import_of_config_imports_neither_dagster_nor_dlt() -> None:
    code = (
        "import sys, analytics_assets.rest_api.config; print(sorted({'dagster', 'dlt', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


ODD_VALUES = [None, True, -1, float("nan"), "", "\ud800", "{{ 1/0 }}", [], [None], {}, {1: 2}, {"env": "X"}, "x" * 5000]


def key_paths(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    if isinstance(value, dict):
        for key, child in value.items():
            yield from key_paths(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from key_paths(child, (*path, index))


def replaced(document: Any, path: tuple[str | int, ...], value: object) -> Any:
    if not path:
        return value
    changed = copy.copy(document)
    changed[path[0]] = replaced(document[path[0]], path[1:], value)
    return changed


def test_any_value_anywhere_is_accepted_or_a_clear_error() -> None:
    """`dg check yaml`, which uses the JSON schema, accepts everything that loads."""
    document = attributes(EVERY_KEY)
    schema = Draft202012Validator(Attributes.model_json_schema())
    loaded, rejected = 0, []
    for path in key_paths(document):
        for odd in ODD_VALUES:
            changed = replaced(document, path, odd)
            try:
                parse_config(changed).resolved_resources()
            except ConfigError as error:
                rejected += str(error).splitlines()
            else:
                loaded += 1
                assert schema.is_valid(changed), (path, odd)
    assert loaded > 100
    assert len(rejected) > 1000
    assert {line.split(".")[0].split(":")[0] for line in rejected} == {"attributes"}
