"""Templates of a manifest, evaluated as its connector does; the bounds of windows stay open."""

from __future__ import annotations

import ast
import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, TemplateError, nodes

from analytics_assets_tests.specs.manifest_api.components import PARAMETERS, UnsupportedError

Path = tuple[Any, ...]
OPEN = re.compile("\x02(start|end|token)\\|(.*?)\x03")
METHODS = frozenset({"split", "items", "keys", "values", "strip", "lower", "replace", "startswith", "strftime"})


@dataclass(frozen=True)
class Open:
    """A value that is not known before the request: a bound of the window, or the token of a page.

    Attributes:
        name: `start`, `end` or `token`.
        format: How a bound is written.
    """

    name: str
    format: str = ""

    def __str__(self) -> str:
        return f"\x02{self.name}|{self.format}\x03"

    def __add__(self, other: object) -> str:
        return f"{self}{other}"

    def __radd__(self, other: object) -> str:
        return f"{other}{self}"

    def __mul__(self, other: object) -> Open:
        if (self.format, other) != ("%s", 1000):
            raise UnsupportedError(f"a bound times {other}")
        return Open(self.name, "%ms")

    def strftime(self, format: str) -> Open:
        """The bound in another format."""
        return Open(self.name, format)

    def split(self, separator: str) -> list[Open]:
        """The parts of the bound."""
        return [Open(self.name, part) for part in self.format.split(separator)]


def _reformatted(value: Any, format: str, *_: Any) -> Any:
    if not isinstance(value, Open):
        raise UnsupportedError("a formatted time that is not a bound of the window")
    return value.strftime(format)


def _passed(function: Any) -> Any:
    return lambda value, *rest: value if isinstance(value, Open) else function(value, *rest)


def _search(value: Any, pattern: str) -> str:
    found = re.search(pattern, str(value))
    return "" if found is None else found[1] if found.groups() else found[0]


ENVIRONMENT = Environment(autoescape=False)
ENVIRONMENT.globals |= {
    "format_datetime": _reformatted,
    "timestamp": lambda value: _reformatted(value, "%s"),
    "str_to_datetime": _passed(lambda _: _reformatted(None, "")),
}
ENVIRONMENT.filters |= {
    "regex_search": _search,
    "base64encode": lambda text: base64.b64encode(str(text).encode()).decode(),
    **{name: _passed(ENVIRONMENT.filters[name]) for name in ("int", "string", "float", "default")},
}


def render(text: Any, component: Mapping[str, Any], **context: Any) -> str:
    """The text of a template.

    Args:
        text: The template.
        component: The component that contains it: its parameters can be used.
        **context: What else can be used.
    """
    if not isinstance(text, str):
        return str(text)
    parameters = component.get(PARAMETERS) or {}
    try:
        for _ in range(2):  # a parameter can be a template
            if "{{" in text or "{%" in text:
                text = ENVIRONMENT.from_string(text).render(parameters=parameters, options=parameters, **context)
    except (TemplateError, TypeError, ValueError, AttributeError, KeyError) as error:
        raise UnsupportedError(f"the template {' '.join(str(text).split())[:80]}: {str(error)[:60]}") from None
    return str(text)


def evaluate(text: Any, component: Mapping[str, Any], **context: Any) -> Any:
    """The value of a template: a literal of Python, or a text."""
    if not isinstance(text, str):
        return text
    rendered = render(text, component, **context).strip() if "{{" in text else text
    try:
        return ast.literal_eval(rendered)
    except (ValueError, SyntaxError):
        return rendered


def matcher(text: str) -> re.Pattern[str]:
    """The pattern of the values that a rendered text can have. Its groups are the open values."""
    pattern, position, known = "", 0, set[str]()
    for found in OPEN.finditer(text):
        pattern += re.escape(text[position : found.start()])
        pattern += "(?:.+?)" if found[1] in known else f"(?P<{found[1]}>.+?)"
        known.add(found[1])
        position = found.end()
    return re.compile(pattern + re.escape(text[position:]), re.DOTALL)


def paths_in(text: Any, *roots: str) -> list[Path]:
    """The longest paths below these names in a template, such as `("response", "meta", "next")`."""
    if not isinstance(text, str) or "{{" not in text:
        return []
    found = dict.fromkeys(path for node in _expressions(text) if (path := _path(node)) and path[0] in roots)
    return [each for each in found if not any(other != each and other[: len(each)] == each for other in found)]


def constants_in(text: Any) -> list[str]:
    """The literal texts in the expressions of a template."""
    if not isinstance(text, str) or "{{" not in text:
        return []
    return [node.value for node in ENVIRONMENT.parse(text).find_all(nodes.Const) if isinstance(node.value, str)]


def _expressions(text: str) -> Iterator[nodes.Expr]:
    yield from ENVIRONMENT.parse(text).find_all(nodes.Expr)


def _path(node: nodes.Node) -> Path:
    if isinstance(node, nodes.Name):
        return (node.name,)
    step: Any = None
    if isinstance(node, nodes.Compare) and len(node.ops) == 1 and node.ops[0].op in ("in", "notin"):
        step, node = node.expr, node.ops[0]
        below = _path(node.expr)
        is_key = isinstance(step, nodes.Const) and re.fullmatch(r"[\w@.-]+", str(step.value))
        return (*below, step.value) if below and is_key else ()
    if isinstance(node, nodes.Getattr) and node.attr not in (*METHODS, "get"):
        below = _path(node.node)
        return (*below, node.attr) if below else ()
    if isinstance(node, nodes.Getitem):
        step, below = node.arg, _path(node.node)
    elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "get":
        step, below = node.args[0], _path(node.node.node)
    elif isinstance(node, nodes.Filter) and node.name == "last" and node.node is not None:
        below = _path(node.node)
        return (*below, -1) if below else ()
    else:
        return ()
    if isinstance(step, nodes.Neg) and isinstance(step.node, nodes.Const):
        return (*below, -step.node.value) if below else ()
    return (*below, step.value) if below and isinstance(step, nodes.Const) else ()
