"""Times of the load in templates, such as `now_utc().strftime('%Y-%m-%d')`, as values of a defs.yaml."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from jinja2 import nodes
from pydantic import TypeAdapter, ValidationError

from analytics_assets.rest_api.config.values import is_pattern
from analytics_assets.specs.airbyte.templates import Path, constant, path_of

FORMATS = {"%s": "epoch_s", "%ms": "epoch_ms", "%Y-%m-%d": "date"}
ISO_TEXT, ISO_SECONDS = "%Y-%m-%dT%H:%M:%S.%f+00:00", "%Y-%m-%dT%H:%M:%S+00:00"
MILLISECONDS = 1000
DURATION = TypeAdapter(timedelta)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class LoadTime:
    """A time of the load, as an expression computes it.

    Attributes:
        format: How it is written.
        shift: The difference to the time of the load.
        is_written: Whether a function of the template formats it.
        is_date: Whether it has no time of the day.
    """

    format: str
    shift: timedelta = timedelta()
    is_written: bool = False
    is_date: bool = False

    def to_value(self) -> dict[str, str] | None:
        """The value of `values`; None if a defs.yaml does not know the format."""
        format = FORMATS.get(self.format, self.format)
        if format not in FORMATS.values() and not is_pattern(format):
            return None
        if not self.shift:
            return {"now": format}
        days, rest = divmod(abs(self.shift), DAY)
        text = f"PT{int(abs(self.shift).total_seconds())}S" if rest else f"{days} day{'s' if days > 1 else ''}"
        return {"now": format, "minus" if self.shift < timedelta() else "plus": text}


NOW = LoadTime("%Y-%m-%d %H:%M:%S.%f+00:00")
TODAY = LoadTime("date", is_date=True)


def read_load_time(node: nodes.Node) -> LoadTime | None:
    """The time of the load that an expression computes; None for other expressions."""
    if isinstance(node, nodes.Filter) and node.name in ("string", "int", "trim") and node.node is not None:
        return read_load_time(node.node)
    if isinstance(node, (nodes.Add, nodes.Sub)):
        return _shifted(node)
    if not isinstance(node, nodes.Call):
        return None
    if isinstance(node.node, nodes.Getattr):
        return _method(read_load_time(node.node.node), node.node.attr, node)
    name = node.node.name if isinstance(node.node, nodes.Name) else ""
    if name == "now_utc":
        return NOW
    if name == "today_utc":
        return TODAY
    if name == "day_delta":
        return _day_delta(node)
    inner = read_load_time(node.args[0]) if node.args else None
    if name == "timestamp":
        return _written(inner, "%s")
    return _written(inner, _argument(node, 1, "format")) if name == "format_datetime" else None


@dataclass(frozen=True)
class SettingOrTime:
    """A setting of the connector, or a time of the load if users leave it out.

    Attributes:
        path: The path of the setting.
        setting: The expression with the setting.
        time: The expression with the time.
    """

    path: Path
    setting: nodes.Expr
    time: nodes.Expr

    @classmethod
    def of(cls, node: nodes.Node) -> SettingOrTime | None:
        """`config['a'] or now_utc()`, and the same by `if`, `get` or `default`; None for other expressions."""
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "format_datetime":
            inner = cls.of(node.args[0]) if node.args else None
            return inner and replace(inner, setting=_with(node, inner.setting), time=_with(node, inner.time))
        parts = _alternatives(node)
        path = path_of(parts[0]) if parts else None
        if parts is None or path is None or path[0] != "config" or len(path) == 1 or not read_load_time(parts[2]):
            return None
        return cls(path, parts[1], parts[2])


def _with(call: nodes.Call, value: nodes.Expr) -> nodes.Call:
    """The call with another first argument."""
    return nodes.Call(call.node, [value, *call.args[1:]], call.kwargs, None, None)


def _alternatives(node: nodes.Node) -> tuple[nodes.Expr, nodes.Expr, nodes.Expr] | None:
    """What is tested, the value if it is set, and the value if it is not."""
    if isinstance(node, nodes.Or):
        return node.left, node.left, node.right
    if isinstance(node, nodes.CondExpr) and node.expr2 is not None:
        return node.test, node.expr1, node.expr2
    if isinstance(node, nodes.Filter) and node.name in ("default", "d") and node.node is not None and node.args:
        return node.node, node.node, node.args[0]
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and len(node.args) == 2:
        setting = nodes.Getitem(node.node.node, node.args[0], "load")
        return (setting, setting, node.args[1]) if node.node.attr == "get" else None
    return None


def formatted(node: nodes.Expr) -> tuple[nodes.Expr, str | None]:
    """The inner expression of `x.strftime(f)`, `format_datetime(x, f)` and `timestamp(x)`, and the format."""
    while isinstance(node, nodes.Filter) and node.name in ("int", "string") and node.node is not None:
        node = node.node
    if isinstance(node, nodes.Mul) and constant(node.right) == MILLISECONDS:
        inner, format = formatted(node.left)
        return (inner, "%ms") if format == "%s" else (node, None)
    if (
        isinstance(node, nodes.Call)
        and isinstance(node.node, nodes.Name)
        and node.node.name == "timestamp"
        and node.args
    ):
        return node.args[0], "%s"
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "strftime":
        format = constant(node.args[0]) if node.args else None
        return (node.node.node, format) if isinstance(format, str) else (node, None)
    is_format = (
        isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "format_datetime"
    )
    if is_format and isinstance(node, nodes.Call) and len(node.args) > 1:
        format = constant(node.args[1])
        return (node.args[0], format) if isinstance(format, str) else (node, None)
    return node, None


def _shifted(node: nodes.Add | nodes.Sub) -> LoadTime | None:
    """`now_utc() - duration('P1D')`."""
    time, duration = read_load_time(node.left), node.right
    if not isinstance(duration, nodes.Call) or not isinstance(duration.node, nodes.Name) or time is None:
        return None
    text = _argument(duration, 0, "duration")
    try:
        length = DURATION.validate_python(text)
    except ValidationError:
        return None
    if re.search("[YM]", str(text).partition("T")[0]):  # years and months differ in length
        return None
    if time.is_written or duration.node.name != "duration" or (time.is_date and length % DAY):
        return None
    return replace(time, shift=time.shift + (length if isinstance(node, nodes.Add) else -length))


def _day_delta(node: nodes.Call) -> LoadTime | None:
    days, format = _argument(node, 0, "num_days"), _argument(node, 1, "format")
    if not isinstance(days, int):
        return None
    time = replace(NOW, shift=days * DAY, format="%Y-%m-%dT%H:%M:%S.%f%z")
    return _written(time, format) if isinstance(format, str) else time


def _method(time: LoadTime | None, name: str, node: nodes.Call) -> LoadTime | None:
    if time is None or time.is_written:
        return None
    if name == "strftime":
        return _written(time, _argument(node, 0, "format"))
    if name == "timestamp":
        return _written(time, "%s")
    if name == "isoformat":
        format = ISO_SECONDS if constant(node.args[-1] if node.args else None) == "seconds" else ISO_TEXT
        return _written(time, "%Y-%m-%d" if time.is_date else format)
    return time if name == "date" and time.is_date else None


def _written(time: LoadTime | None, format: Any) -> LoadTime | None:
    """The time in a format. A date has no time of the day, so that only formats of days are the same."""
    if time is None or time.is_written or not isinstance(format, str):
        return None
    if time.is_date and FORMATS.get(format) != "date":
        return None
    return replace(time, format=format, is_written=True)


def _argument(node: nodes.Call, position: int, name: str) -> Any:
    """A literal argument; a new object if there is none."""
    by_name = {each.key: each.value for each in node.kwargs}
    return constant(node.args[position] if len(node.args) > position else by_name.get(name))
