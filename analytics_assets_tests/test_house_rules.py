"""Size limits of modules, functions, folders and the README: what a reader can keep in mind at once."""

from __future__ import annotations

import ast
from pathlib import Path

from analytics_assets_tests.support.project import ROOT

PACKAGE = ROOT / "analytics_assets"
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 60  # a screen
MAX_MODULES_IN_FOLDER = 13  # without `__init__`
MAX_README_LINES = 150


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def line_count(file: Path) -> int:
    return len(file.read_text().splitlines())


def test_no_module_is_too_long() -> None:
    assert {
        str(file.relative_to(ROOT)): line_count(file) for file in modules() if line_count(file) > MAX_MODULE_LINES
    } == {}


def test_no_function_is_longer_than_a_screen() -> None:
    lengths = {
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for file in modules()
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES} == {}


def test_no_folder_has_too_many_modules() -> None:
    folders = {file.parent for file in modules()}
    counts = {str(folder.relative_to(ROOT)): len(list(folder.glob("[!_]*.py"))) for folder in folders}
    assert {folder: count for folder, count in counts.items() if count > MAX_MODULES_IN_FOLDER} == {}


def test_readme_is_short() -> None:
    assert line_count(ROOT / "README.md") <= MAX_README_LINES
