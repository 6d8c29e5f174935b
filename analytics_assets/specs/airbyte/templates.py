"""Jinja templates of a manifest, as their syntax trees: nothing is evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes

Path = tuple[str | int, ...]
BLOCK = re.compile(r"\{\{.*?\}\}", re.DOTALL)
MAX_TEMPLATE = 20_000
TIME_FUNCTIONS = frozenset({"now_utc", "today_utc", "day_delta", "today_with_timezone", "now_local", "today"})
# Filters that give their input, or a text of it.
TRANSPARENT_FILTERS = frozenset({"default", "d", "string", "trim", "tojson", "int", "safe"})
_ENVIRONMENT = Environment()  # noqa: S701 (parses only)


class NotExpressibleError(Exception):
    """A template or a component that a defs.yaml cannot express."""


@dataclass(frozen=True)
class Text:
    """A literal text."""

    value: str


@dataclass(frozen=True)
class Expression:
    """What stands between `{{` and `}}`.

    Attributes:
        node: Its syntax tree.
        source: The expression with its braces, for messages.
    """

    node: nodes.Expr
    source: str


def is_template(value: Any) -> bool:
    """Whether a value is a text with a template in it."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def parse(text: str) -> list[Text | Expression]:
    """The parts of a template.

    Raises:
        NotExpressibleError: It is no valid template, or contains statements.
    """
    if len(text) > MAX_TEMPLATE:
        raise NotExpressibleError("a template of more than 20,000 characters")
    try:
        body = _ENVIRONMENT.parse(text).body
    except (TemplateSyntaxError, RecursionError, ValueError, OverflowError):
        raise NotExpressibleError(f"the template {shortened(text)}, which is not valid") from None
    parts: list[Text | Expression] = []
    outputs = [child for node in body if isinstance(node, nodes.Output) for child in node.nodes]
    sources = BLOCK.findall(text)
    if len(sources) != sum(not isinstance(child, nodes.TemplateData) for child in outputs):
        sources = [text] * len(outputs)
    for node in body:
        if not isinstance(node, nodes.Output):
            raise NotExpressibleError(f"the template {shortened(text)}, which contains statements")
        for child in node.nodes:
            if isinstance(child, nodes.TemplateData):
                parts.append(Text(child.data))
            else:
                parts.extend(flatten(child, sources.pop(0)))
    return parts


def expression(text: Any) -> Expression | None:
    """The only expression of a template; None if there is other text or nothing."""
    if not is_template(text):
        return None
    parts = [part for part in parse(text.strip()) if not (isinstance(part, Text) and not part.value.strip())]
    if len(parts) == 1 and isinstance(parts[0], Expression):
        return parts[0]
    return None


def flatten(node: nodes.Expr, source: str) -> Iterator[Text | Expression]:
    """The parts of a concatenation of texts."""
    if isinstance(node, nodes.Const) and isinstance(node.value, (str, int, float)):
        yield Text(_constant_text(node.value))
    elif isinstance(node, nodes.Concat):
        for child in node.nodes:
            yield from flatten(child, source)
    elif isinstance(node, nodes.Add) and any(_is_text(child) for child in (node.left, node.right)):
        yield from flatten(node.left, source)
        yield from flatten(node.right, source)
    else:
        yield Expression(node, source)


def _is_text(node: nodes.Expr) -> bool:
    if isinstance(node, nodes.Add):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, nodes.Const) and isinstance(node.value, str)


def _constant_text(value: Any) -> str:
    return str(value)


def path_of(node: nodes.Node | None) -> Path | None:
    """The path that an expression reads, such as `("response", "meta", "next")`; None if it does something else."""
    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr):
        return _extended(node.node, node.attr)
    if isinstance(node, nodes.Getitem):
        index = constant(node.arg)
        return _extended(node.node, index) if isinstance(index, (str, int)) else None
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "get" and node.args:
        key = constant(node.args[0])
        return _extended(node.node.node, key) if isinstance(key, (str, int)) else None
    if isinstance(node, nodes.Filter) and node.name in TRANSPARENT_FILTERS:
        return path_of(node.node)
    if isinstance(node, nodes.CondExpr) and is_nothing(node.expr2):
        return path_of(node.expr1)
    if isinstance(node, nodes.Or) and is_nothing(node.right):
        return path_of(node.left)
    return None


def constant(node: nodes.Node | None) -> Any:
    """The value of a literal; a new object for other expressions."""
    if isinstance(node, nodes.Const):
        return node.value
    if isinstance(node, nodes.Neg) and isinstance(node.node, nodes.Const) and isinstance(node.node.value, (int, float)):
        return -node.node.value
    return object()


def is_nothing(node: nodes.Node | None) -> bool:
    """Whether an expression is None, empty or left out."""
    if node is None or (isinstance(node, nodes.Name) and node.name in ("None", "null")):
        return True
    if isinstance(node, (nodes.List, nodes.Dict)):
        return not node.items
    return isinstance(node, nodes.Const) and node.value in (None, "", False)


def default_of(node: nodes.Node) -> Any:
    """The literal that an expression has if its path has no value: `x or 'a'`, `x.get('k', 'a')`."""
    candidates: list[nodes.Node | None] = []
    if isinstance(node, nodes.Or):
        candidates.append(node.right)
    if isinstance(node, nodes.CondExpr):
        candidates.append(node.expr2)
    if isinstance(node, nodes.Filter) and node.name in ("default", "d"):
        candidates.extend(node.args[:1])
    if isinstance(node, nodes.Call):
        candidates.extend(node.args[1:2])
    values = [value for each in candidates if isinstance(value := constant(each), (str, int, float, bool))]
    return values[0] if values else None


def names_in(node: nodes.Node) -> set[str]:
    """The variables and functions that an expression uses."""
    found = {each.name for each in node.find_all(nodes.Name)}
    return found | ({node.name} if isinstance(node, nodes.Name) else set())


def paths_in(node: nodes.Node) -> list[Path]:
    """The longest paths that an expression reads."""
    if (path := path_of(node)) is not None:
        return [path]
    return [path for child in node.iter_child_nodes() for path in paths_in(child)]


def _extended(node: nodes.Node, key: str | int) -> Path | None:
    before = path_of(node)
    return None if before is None else (*before, key)


def shortened(text: str) -> str:
    """A template as messages show it."""
    text = " ".join(text.split())
    return text if len(text) <= 160 else f"{text[:157]}..."
