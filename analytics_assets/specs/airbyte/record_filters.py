"""Record filters of a manifest that keep the rows which a load keeps anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import nodes

from analytics_assets.specs.airbyte.renderer import BOUNDS, SLICES
from analytics_assets.specs.airbyte.settings import Setting, Settings
from analytics_assets.specs.airbyte.templates import (
    NotExpressibleError,
    Path,
    constant,
    expression,
    is_template,
    path_of,
    paths_in,
)

# Functions and filters that only change how a time is written.
TIME_FORMATTERS = frozenset({"format_datetime", "timestamp", "str_to_datetime", "int", "float", "string"})
MIRRORED = {"gt": "lt", "gteq": "lteq", "lt": "gt", "lteq": "gteq"}


class RecordFilter:
    """The filter of one stream.

    Attributes:
        unset: The optional settings without which the filter keeps all records.
    """

    def __init__(self, condition: Any, settings: Settings, sync: Any, cursor_path: str | None) -> None:
        """
        Args:
            condition: The template of the filter.
            settings: The settings of the connector.
            sync: The component `incremental_sync` of the stream.
            cursor_path: The `cursor_path` of the resource; None if loads have no window.
        """
        self._condition, self._settings, self._cursor_path = condition, settings, cursor_path
        start = sync.get("start_datetime") if isinstance(sync, Mapping) else None
        self._starts = _setting_paths(start.get("datetime") if isinstance(start, Mapping) else start)
        self.unset: dict[str, Setting] = {}

    def keeps_all(self) -> bool:
        """Whether it keeps all records that the load keeps, if optional settings are not set."""
        try:
            part = expression(self._condition)
        except NotExpressibleError:
            return False
        return part is not None and all(
            self._is_of_window(each) or self._truth(each) is True for each in _conjuncts(part.node)
        )

    def drops_missing(self, key: Sequence[str]) -> bool:
        """Whether it drops the records without a value of a key, and no other records."""
        try:
            part = expression(self._condition)
        except NotExpressibleError:
            return False
        paths = [_present_path(each) for each in _conjuncts(part.node)] if part else []
        return bool(key) and None not in paths and {path[1:] for path in paths if path} == {(name,) for name in key}

    def _is_of_window(self, node: nodes.Expr) -> bool:
        """Whether it compares the cursor with a bound of the window."""
        if self._cursor_path is None or not isinstance(node, nodes.Compare) or len(node.ops) != 1:
            return False
        operand = node.ops[0]
        left, right, operator = _time_path(node.expr), _time_path(operand.expr), operand.op
        if right and right[0] == "record":
            left, right, operator = right, left, MIRRORED.get(operator, "")
        if not left or not right or left[0] != "record" or ".".join(map(str, left[1:])) != self._cursor_path:
            return False
        bound = "start" if right in self._starts else BOUNDS.get(str(right[-1])) if right[0] in SLICES else None
        return (bound, operator) in {("start", "gt"), ("start", "gteq"), ("end", "lt"), ("end", "lteq")}

    def _truth(self, node: nodes.Expr) -> bool | None:
        """Whether it is true without the optional settings; None if it depends on the record."""
        if isinstance(node, nodes.Not):
            inner = self._truth(node.node)
            return None if inner is None else not inner
        if isinstance(node, (nodes.And, nodes.Or)):
            decisive = isinstance(node, nodes.Or)
            operands = {self._truth(node.left), self._truth(node.right)}
            return decisive if decisive in operands else None if None in operands else not decisive
        if isinstance(node, nodes.CondExpr):
            test = self._truth(node.test)
            chosen = None if test is None else node.expr1 if test else node.expr2
            return self._truth(chosen) if chosen is not None else None
        if isinstance(value := constant(node), bool):
            return value
        return False if self._is_unset(path_of(node)) else None

    def _is_unset(self, path: Path | None) -> bool:
        if path is None or path[0] != "config" or len(path) == 1:
            return False
        setting = self._settings.find(path[1:])
        if setting.is_required or setting.default not in (None, "", [], False):
            return False
        self.unset[setting.name] = setting
        return True


def _present_path(node: nodes.Expr) -> Path | None:
    """The path of `record.a is not none`, `record.a != None` and `record.a not in [None]`."""
    tested: nodes.Expr | None = None
    if isinstance(node, nodes.Not) and isinstance(node.node, nodes.Test) and node.node.name == "none":
        tested = node.node.node
    elif isinstance(node, nodes.Compare) and len(node.ops) == 1:
        operand = node.ops[0]
        listed = operand.expr.items if isinstance(operand.expr, nodes.List) else []
        is_absence = (operand.op == "ne" and _is_none(operand.expr)) or (
            operand.op == "notin" and len(listed) == 1 and _is_none(listed[0])
        )
        tested = node.expr if is_absence else None
    path = path_of(tested)
    return path if path and path[0] == "record" else None


def _is_none(node: nodes.Node) -> bool:
    return constant(node) is None or (isinstance(node, nodes.Name) and node.name in ("none", "None", "null"))


def _conjuncts(node: nodes.Expr) -> list[nodes.Expr]:
    return [*_conjuncts(node.left), *_conjuncts(node.right)] if isinstance(node, nodes.And) else [node]


def _time_path(node: nodes.Expr) -> Path | None:
    """The path of a time, also inside of calls that only format it."""
    if isinstance(node, nodes.Filter) and node.name in TIME_FORMATTERS and node.node is not None:
        return _time_path(node.node)
    if isinstance(node, nodes.Call) and node.args and isinstance(node.node, nodes.Name):
        return _time_path(node.args[0]) if node.node.name in TIME_FORMATTERS else None
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "strftime":
        return _time_path(node.node.node)
    return path_of(node)


def _setting_paths(template: Any) -> set[Path]:
    """The settings that a template reads."""
    try:
        part = expression(template) if is_template(template) else None
    except NotExpressibleError:
        return set()
    return {path for path in paths_in(part.node) if path[0] == "config"} if part else set()
