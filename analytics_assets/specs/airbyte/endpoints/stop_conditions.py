"""Conditions that end a read, as paths and operators."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jinja2 import nodes

from analytics_assets.specs.airbyte.templates import Path, constant, path_of

SHORT_PAGE = "last_page_size"
FLAG = re.compile(r"(has_?(more|next)|more|have_next|next_page_available|_page$)", re.IGNORECASE)


@dataclass(frozen=True)
class StopCondition:
    """One condition that ends a read: a path, and `false`, `true`, `null`, `empty` or `falsy`."""

    path: str
    operator: str

    @property
    def is_flag(self) -> bool:
        return self.operator == "false" or bool(FLAG.search(self.path.rsplit(".", 1)[-1]))

    def is_implied(self, place: str, kind: str, selector: str) -> bool:
        """Whether the paginator ends there without it."""
        if self.path == SHORT_PAGE:  # no page follows a short one, or an empty one
            return True
        if kind in ("header_link", "header_cursor") and self.path.startswith("headers"):
            return True
        is_end = self.operator in ("null", "empty", "falsy")
        if is_end and place and self.path.startswith(f"{place}."):
            return True
        if is_end and self.path and (place == self.path or place.startswith((f"{self.path}.", f"{self.path}["))):
            return True
        return "[-1]" in place and (self.path in (selector, "") or (self.operator == "falsy" and selector == self.path))

    @classmethod
    def of(cls, node: nodes.Expr) -> StopCondition | None:
        """The condition that an expression states; None if it states something else."""
        if isinstance(node, nodes.Not):
            if isinstance(node.node, nodes.Test) and node.node.name == "defined":
                return cls._at(node.node.node, "null")
            return cls._at(node.node, "falsy")
        if isinstance(node, nodes.Test):
            operators = {"none": "null", "undefined": "null", "false": "false", "true": "true"}
            return cls._at(node.node, operators[node.name]) if node.name in operators else None
        if isinstance(node, nodes.Compare) and len(node.ops) == 1:
            return cls._compared(node, node.ops[0])
        return cls._at(node, "true")

    @classmethod
    def _compared(cls, node: nodes.Compare, operand: nodes.Operand) -> StopCondition | None:
        if operand.op == "notin" and isinstance(key := constant(node.expr), str):
            path = path_of(operand.expr)
            return cls._of_path((*path, key), "null") if path is not None else None
        value = constant(operand.expr)
        length = path_of(node.expr.node) if isinstance(node.expr, nodes.Filter) and node.expr.name == "length" else None
        if operand.op == "eq" and value == 0 and value is not False and length is not None:
            return cls._of_path(length, "empty")
        if path_of(node.expr) == ("last_page_size",) and operand.op in ("eq", "lt", "lteq"):
            return cls(SHORT_PAGE, "empty")
        is_none = isinstance(operand.expr, nodes.Name) and operand.expr.name in ("none", "None", "null")
        if operand.op == "eq" and (value is None or is_none):
            return cls._at(node.expr, "null")
        if operand.op == "eq" and value == "":
            return cls._at(node.expr, "empty")
        if operand.op in ("eq", "ne") and (value is True or value is False):
            return cls._at(node.expr, "true" if (operand.op == "eq") == value else "false")
        return None

    @classmethod
    def _at(cls, node: nodes.Expr, operator: str) -> StopCondition | None:
        path = path_of(node)
        return None if path is None else cls._of_path(path, operator)

    @classmethod
    def _of_path(cls, path: Path, operator: str) -> StopCondition | None:
        if path[0] == "last_record":
            return cls("", operator)
        if path[0] == "headers":
            return cls("headers", operator)
        return cls(json_path(path[1:]), operator) if path[0] == "response" and len(path) > 1 else None


def is_of_link(path: Path) -> bool:
    """Whether a path is that of the header with the links, of the next link or of its URL."""
    return path[0] == "headers" and (len(path) < 3 or path[-1] in ("next", "url"))


def is_text_of_cursor(node: nodes.Expr, place: str) -> bool:
    """Whether a condition compares the cursor at a place with a text.

    A request for the page of this text fails, has no rows or repeats a page, which fails too: no row differs silently.
    """
    if not isinstance(node, nodes.Compare) or len(node.ops) != 1 or node.ops[0].op != "eq":
        return False
    path = path_of(node.expr)
    is_cursor = path is not None and path[0] == "response" and json_path(path[1:]) == place
    return is_cursor and isinstance(constant(node.ops[0].expr), str)


def json_path(steps: Path) -> str:
    """Keys and indexes as a JSONPath."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[^.\[\]*'\"]+", step):
            text += f".{step}" if text else step
        else:
            text += f"['{step}']" if text else f"$['{step}']"
    return text or "$"


def alternatives(node: nodes.Expr) -> list[nodes.Expr]:
    """The operands of `a or b`."""
    return [*alternatives(node.left), *alternatives(node.right)] if isinstance(node, nodes.Or) else [node]
