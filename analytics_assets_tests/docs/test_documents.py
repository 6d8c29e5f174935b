"""What the documents say agrees with the code and the files."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import create_model

from analytics_assets.rest_api.config import COMPONENT, RestApiConfig, load_config, parse_config
from analytics_assets_tests.docs import pictures, reference
from analytics_assets_tests.docs.markdown import (
    DOCUMENTS,
    FENCE,
    README,
    Block,
    anchors,
    blocks,
    generated,
    links,
    section,
    table_rows,
)
from analytics_assets_tests.support.project import ROOT

DOCS = ROOT / "docs"
PACKAGE = ROOT / "analytics_assets"
TESTS = ROOT / "analytics_assets_tests"
MAX_README_LINES = 150
README_SECTIONS = [
    "Quickstart", "Add an API", "Run", "Guarantees", "Speed", "Configuration", "Documentation", "Limitations",
]  # fmt: skip
# A complete API; a fragment in a document replaces a part of it.
BASE: dict[str, Any] = {
    "client": {"base_url": "https://api.example.com"},
    "resource_defaults": {
        "primary_key": "id",
        "endpoint": {"data_selector": "data", "paginator": {"type": "offset", "limit": 100}},
    },
    "resources": [{"name": "employees"}],
    "partitions": {"cadence": "daily", "start": "2026-10-01"},
}
RESOURCE_KEYS = ("endpoint", "columns", "schema")
ENDPOINT_KEYS = ("paginator", "incremental", "error_handler")
MIN_QUOTED_CHARACTERS = 10


def by_place(block: Block) -> str:
    return str(block)


def test_readme_is_short_and_in_order() -> None:
    assert len(README.read_text().splitlines()) <= MAX_README_LINES
    assert re.findall(r"^## (.+)$", README.read_text(), re.MULTILINE) == README_SECTIONS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_resolve(document: Path) -> None:
    for target in links(document):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            file = (document.parent / path).resolve() if path else document
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target


def test_readme_links_every_page() -> None:
    linked = {(ROOT / target).resolve() for target in links(README)}
    assert {page for page in DOCUMENTS if page != README} <= linked


def test_pictures_are_few_and_small() -> None:
    taken = list(pictures.IMAGES.glob("*.png"))
    assert len(taken) <= pictures.MAX_PICTURES
    assert sum(picture.stat().st_size for picture in taken) <= pictures.MAX_BYTES


def test_every_picture_is_in_a_document() -> None:
    shown = {(document.parent / target).resolve() for document in DOCUMENTS for target in links(document)}
    assert set(pictures.IMAGES.iterdir()) <= shown


@pytest.mark.parametrize("block", blocks("yaml"), ids=by_place)
def test_yaml_is_valid(block: Block, tmp_path: Path) -> None:
    document = yaml.safe_load(block.text)
    if "type" in document:
        file = tmp_path / "payroll" / "defs.yaml"
        file.parent.mkdir()
        file.write_text(block.text)
        load_config(file)
    else:
        parse_config(with_fragment(document))


def with_fragment(fragment: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of BASE with the fragment in its place."""
    resource: dict[str, Any] = {"name": "employees"}
    resource |= {key: fragment[key] for key in RESOURCE_KEYS if key in fragment}
    if endpoint := {key: fragment[key] for key in ENDPOINT_KEYS if key in fragment}:
        resource["endpoint"] = endpoint
    attributes = {key: value for key, value in fragment.items() if key not in (*RESOURCE_KEYS, *ENDPOINT_KEYS)}
    return {**BASE, "resources": [resource], **attributes}


def test_dialect_page_equals_the_models() -> None:
    """If this fails, run `python -m analytics_assets_tests.docs.reference`."""
    assert generated(reference.PAGE.read_text(), reference.MARKER) == reference.reference()


def test_every_model_has_a_section() -> None:
    models = {model.__name__ for model in [*reference.SECTIONS.values(), *reference.SAME_KEYS]}
    assert set(RestApiConfig.model_json_schema()["$defs"]) <= models


def test_every_key_has_a_meaning() -> None:
    rows = list(table_rows(reference.reference()))
    assert [key for key, *_, meaning in rows if not meaning] == []


def test_every_example_of_the_dialect_page_is_valid() -> None:
    for title, model in reference.SECTIONS.items():
        properties = model.model_json_schema()["properties"]
        for name, field in model.model_fields.items():
            if (key := field.alias or name) in properties:
                value = yaml.safe_load(reference.example(title, key, properties[key]))
                annotated: dict[str, Any] = {name: (field.annotation, field)}
                create_model("Example", **annotated).model_validate({key: value})


def test_every_variable_is_documented() -> None:
    listed = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    page = (DOCS / "configuration.md").read_text()
    assert set(re.findall(r"`(ANALYTICS_\w+)`", page)) == {name for name in listed if name.startswith("ANALYTICS_")}
    for document in DOCUMENTS:
        assert set(re.findall(r"ANALYTICS_\w*[A-Z]", document.read_text())) <= set(listed), document.name


def test_guarantees_name_tests_that_exist() -> None:
    named = [path for _, tests in table_rows((DOCS / "guarantees.md").read_text()) for path in tests.split("`")[1::2]]
    assert [path for path in named if not (TESTS / path).is_file()] == []
    reliability = {f"reliability/{file.name}" for file in (TESTS / "reliability").glob("test_*.py")}
    assert reliability <= set(named)


def test_architecture_names_files_that_exist() -> None:
    page = DOCS / "architecture.md"
    rows = list(table_rows(section(page, "Where to change what")))
    assert len(rows) >= 10
    for _, places in rows:
        for path in re.findall(r"`((?:[\w.]+/)+[\w.]*|[\w.]+\.py)`", places):
            assert (PACKAGE / path).exists() or (ROOT / path).exists() or [*PACKAGE.rglob(path)], path


def test_architecture_tree_is_the_tree() -> None:
    [tree] = FENCE.findall(section(DOCS / "architecture.md", "The tree"))
    folders: list[Path] = [ROOT]
    for line in tree[1].splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        path = folders[depth] / name
        assert path.exists(), path
        folders[depth + 1 :] = [path]


def test_quoted_errors_are_in_the_code() -> None:
    """`…` stands for a value."""
    quoted = [row[0].strip("`").split("…") for row in table_rows((DOCS / "errors.md").read_text())]
    assert [parts for parts in quoted if max(map(len, parts)) < MIN_QUOTED_CHARACTERS] == []
    assert [parts for parts in quoted if not any(in_order(parts, text) for text in code_texts())] == []


def in_order(parts: list[str], text: str) -> bool:
    return re.search(".*?".join(re.escape(part.strip()) for part in parts), text, re.DOTALL) is not None


@cache
def code_texts() -> list[str]:
    """Return all texts of the package but its docstrings; `…` stands for a value in them, too."""
    texts = []
    for file in PACKAGE.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        texts += [text for node in nodes if id(node) not in docstrings and (text := text_of(node))]
    return texts


def text_of(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(value) or "…" for value in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left) + text_of(node.right)
    return ""


def test_the_component_type_is_the_one_of_the_code() -> None:
    assert set(re.findall(r"[\w.]+\.RestApi\b", README.read_text())) == {COMPONENT}
