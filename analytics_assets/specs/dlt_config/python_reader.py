"""Finds the dictionary of a `rest_api` source in Python code, without running the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analytics_assets.rest_api.errors import ConfigError
from analytics_assets.specs.dlt_config.expressions import Evaluator, Scope, assignments, parameters_of

FENCE = re.compile(r"^```[ \t]*(?:python|py)[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL | re.IGNORECASE)


def is_python(path: Path, text: str) -> bool:
    """Whether a file is Python code, or a document with blocks of it."""
    return path.suffix == ".py" or (path.suffix not in (".json", ".yaml", ".yml") and bool(FENCE.search(text)))


def read_python(path: Path, text: str) -> Any:
    """The dictionary of the `rest_api` source in a file, with `Reference`, `Mixed` and `Unread` in it.

    Raises:
        ConfigError: The file is not Python, or has no such dictionary.
    """
    blocks = [(text, 0)]
    if path.suffix != ".py":
        blocks = [(found[1], text.count("\n", 0, found.start(1))) for found in FENCE.finditer(text)]
    problem = f"{path}: has no dictionary with `client` and `resources`, as `rest_api_source` takes it"
    for code, lines_before in blocks:
        try:
            module = ast.parse(code)
        except (SyntaxError, ValueError, RecursionError) as error:
            line = (getattr(error, "lineno", None) or 1) + lines_before
            if path.suffix == ".py":
                raise ConfigError(f"{path}:{line}: is not valid Python") from None
            continue
        ast.increment_lineno(module, lines_before)
        for node, scope in _dictionaries(module, path.name):
            value = Evaluator(scope).value(node)
            if isinstance(value, dict) and {"client", "resources"} <= value.keys():
                return value
    raise ConfigError(problem)


def _dictionaries(module: ast.Module, file: str) -> Iterator[tuple[ast.expr, Scope]]:
    """The expressions that may be the configuration: dictionaries, each with the names around it."""
    by_name = {each.name: each for each in module.body if isinstance(each, ast.FunctionDef)}
    scope = Scope(assignments(module.body), by_name, file)
    functions = [node for node in ast.walk(module) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    for function in functions:
        names = {**scope.names, **parameters_of(function), **assignments(list(ast.walk(function)))}
        yield from ((node, Scope(names, scope.functions, file)) for node in _candidates(function))
    yield from ((node, scope) for node in _candidates(module))


def _candidates(node: ast.AST) -> Iterator[ast.expr]:
    for child in ast.walk(node):
        is_dict_call = isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id == "dict"
        if isinstance(child, ast.Dict) or is_dict_call:
            yield child  # type: ignore[misc]
