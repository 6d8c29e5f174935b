"""Templates of requests as texts of a defs.yaml: settings, partitions and windows become placeholders."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import nodes

from analytics_assets.specs.airbyte.endpoints.load_times import LoadTime, SettingOrTime, formatted, read_load_time
from analytics_assets.specs.airbyte.settings import Setting, Settings, snake_case
from analytics_assets.specs.airbyte.templates import (
    TIME_FUNCTIONS,
    Expression,
    NotExpressibleError,
    Path,
    Text,
    constant,
    default_of,
    expression,
    flatten,
    is_template,
    names_in,
    parse,
    path_of,
    paths_in,
    shortened,
)

SLICES = frozenset({"stream_slice", "stream_partition", "stream_interval"})
RUN_TIME = SLICES | {
    "response",
    "record",
    "last_record",
    "next_page_token",
    "headers",
    "download_target",
    "config_value",
}
BOUNDS = {"start_time": "start", "start_date": "start", "end_time": "end", "end_date": "end"}


class AbsentValueError(NotExpressibleError):
    """A value that the connector does not have: it is sent as an empty text, or not sent."""


class OmittedValueError(Exception):
    """An optional setting without a default: what contains it is not sent."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting.name)
        self.setting = setting


@dataclass
class Scope:
    """What the templates of one stream can use.

    Attributes:
        partitions: Placeholders by the path below a slice: `("project_id",)` is `{resources.projects.id}`.
        has_window: Whether `{start}` and `{end}` can be used.
        time_format: The format of the window's bounds in requests.
        bounds: The bounds of the window, `start` or `end`, by their names in a slice.
        position: The placeholder of the page, `page` or `offset`; None if the paginator has none.
    """

    partitions: dict[Path, str] = field(default_factory=dict)
    has_window: bool = False
    time_format: str | None = None
    bounds: Mapping[str, str] = field(default_factory=lambda: BOUNDS)
    position: str | None = None


class Renderer:
    """Renders the templates of one stream.

    Attributes:
        values: The values of placeholders that were used, by name.
        used: The placeholders of partitions and windows that were used.
        formats: The time formats in which bounds of windows were used.
        notes: What a person has to decide, in sentences.
    """

    def __init__(self, settings: Settings, scope: Scope) -> None:
        self.settings, self.scope = settings, scope
        self.values: dict[str, Any] = {}
        self.used: set[str] = set()
        self.formats: set[str] = set()
        self.notes: list[str] = []

    def text(self, text: Any, *, name: str, is_optional: bool = False) -> str:
        """A text with its templates as placeholders.

        Args:
            text: The text.
            name: What the text is, such as the parameter's name: the name of a variable for what cannot be resolved.
            is_optional: Whether an optional setting without default may be left out.

        Raises:
            NotExpressibleError: A template has no placeholder.
            OmittedValueError: It contains an optional setting without default.
        """
        if isinstance(text, bool):
            return str(text).lower()
        if not is_template(text):
            return str(text)
        try:
            parts = parse(text)
        except NotExpressibleError:
            return self._computed(text, name)
        if (whole := expression(text)) and (found := self.setting(whole)) and found[0].is_list:
            return self._list(*found)
        rendered = ""
        for part in parts:
            if isinstance(part, Text):
                rendered += part.value
            else:
                rendered += self._expression(part, name, is_optional=is_optional)
        return rendered.strip() if parts and not isinstance(parts[0], Text) else rendered

    def setting(self, part: Expression) -> tuple[Setting, Any] | None:
        """The setting that an expression reads, and its default; None if it reads something else."""
        path = path_of(part.node)
        if path is None:
            path = _path_with_default(part.node)
        if path is None or path[0] != "config" or len(path) == 1:
            return None
        setting = self.settings.find(path[1:])
        default = default_of(part.node)
        return setting, setting.default if default is None else default

    def reference(self, name: str) -> dict[str, str]:
        """A reference to an environment variable."""
        return {"env": self.settings.variable(name)}

    def _expression(self, part: Expression, name: str, *, is_optional: bool) -> str:
        node = part.node
        if isinstance(node, nodes.CondExpr) and (chosen := self._branch(node)) is not None:
            pieces = flatten(chosen, part.source)
            return "".join(
                each.value if isinstance(each, Text) else self._expression(each, name, is_optional=is_optional)
                for each in pieces
            )
        if choice := SettingOrTime.of(part.node):
            return self._expression(self._chosen(choice, part.source), name, is_optional=is_optional)
        if found := self.setting(part):
            return self._setting(*found, is_optional=is_optional)
        if (placeholder := self._slice(part.node)) is not None:
            return placeholder
        if self._is_position(part.node):
            self.used.add(str(self.scope.position))
            return f"{{{self.scope.position}}}"
        if joined := _joined_setting(part.node):
            setting = self.settings.find(joined[1:])
            self.notes.append(f"{self.settings.variable(setting.name)}: several values are separated by commas.")
            is_omitted = is_optional and not setting.is_required and not setting.is_secret
            return self._setting(setting, None, is_optional=True) if is_omitted else self._value(setting.name)
        if time := read_load_time(part.node):
            return self._load_time(time, name, part.source)
        return self._computed(part.source, name, part.node)

    def _branch(self, node: nodes.CondExpr) -> nodes.Expr | None:
        """The branch of `a if stream_interval else b`, which depends on whether there is a slice."""
        path = path_of(node.test)
        if path is None or path[0] not in SLICES:
            return None
        steps = path[1:]
        has_window = self.scope.has_window and (not steps or steps[0] in self.scope.bounds)
        return node.expr1 if has_window or steps in self.scope.partitions else node.expr2

    def _setting(self, setting: Setting, default: Any, *, is_optional: bool) -> str:
        if default is not None and not setting.is_secret and not setting.is_required and _is_scalar(default):
            if default == "" and is_optional:
                raise OmittedValueError(setting)
            self.notes.append(f"{json.dumps(default)} is the default of the connector's setting {setting.name}.")
            return str(default).lower() if isinstance(default, bool) else str(default)
        if is_optional and not setting.is_required and not setting.is_secret:
            raise OmittedValueError(setting)
        if setting.is_list:
            raise NotExpressibleError(f"the setting {setting.name}, a list inside of a text")
        return self._value(setting.name)

    def _list(self, setting: Setting, default: Any) -> str:
        """The placeholder of a list, whose values are sent as repeated parameters or as a list in JSON."""
        if setting.is_required or setting.is_secret:
            reference = self.reference(setting.name)
            self.notes.append(f"{reference['env']}: several values are separated by commas.")
            return self._placeholder(setting.name, [reference])
        values = list(dict.fromkeys(default)) if isinstance(default, list) and all(map(_is_scalar, default)) else []
        if not values:
            raise OmittedValueError(setting)
        self.notes.append(f"{json.dumps(values)} is the default of the connector's setting {setting.name}.")
        return self._placeholder(setting.name, values)

    def _chosen(self, choice: SettingOrTime, source: str) -> Expression:
        """The setting if it is required or has a default, else the time of the load."""
        setting = self.settings.find(choice.path[1:])
        if setting.is_required or setting.default not in (None, ""):
            return Expression(choice.setting, source)
        self.notes.append(f"the time of the load stands for the connector's optional setting {setting.name}.")
        return Expression(choice.time, source)

    def _load_time(self, time: LoadTime, name: str, source: str) -> str:
        if (value := time.to_value()) is None:
            raise NotExpressibleError(f"the template {shortened(source)}, whose format of times is not known")
        return self._placeholder("today" if value == {"now": "date"} else name, value)

    def _value(self, name: str) -> str:
        return self._placeholder(name, self.reference(name))

    def _placeholder(self, name: str, value: Any) -> str:
        """The placeholder of a value, which gets another name if the name is reserved or has another value."""
        plain = snake_case(name)
        if plain in ("start", "end", "page", "offset", "resources", "incremental") or plain.startswith("dlt"):
            plain = f"the_{plain}"
        placeholder, number = plain, 1
        while self.values.setdefault(placeholder, value) != value:
            number += 1
            placeholder = f"{plain}_{number}"
        return f"{{{placeholder}}}"

    def _slice(self, node: nodes.Expr) -> str | None:
        node, format = formatted(node)
        path = path_of(node)
        if path is None or path[0] not in SLICES:
            return None
        steps = tuple(step for step in path[1:] if step not in ("cursor_slice", "_partition", "partition"))
        if len(steps) == 1 and steps[0] in self.scope.bounds and steps not in self.scope.partitions:
            if not self.scope.has_window:
                raise AbsentValueError("a time window without `incremental_sync`")
            self.formats.add(format or self.scope.time_format or "")
            self.used.add(self.scope.bounds[str(steps[0])])
            return f"{{{self.scope.bounds[str(steps[0])]}}}"
        if steps in self.scope.partitions:
            self.used.add(self.scope.partitions[steps])
            return self.scope.partitions[steps]
        for length in range(len(steps) - 1, 0, -1):  # a field of an object that the slice has
            above = self.scope.partitions.get(steps[:length], "")
            if above.startswith("{resources."):
                placeholder = f"{above[:-1]}.{'.'.join(map(str, steps[length:]))}}}"
                self.used.add(placeholder)
                return placeholder
        raise AbsentValueError(f"the value {'.'.join(map(str, path))}, which no parent or list gives")

    def _is_position(self, node: nodes.Expr) -> bool:
        if isinstance(node, nodes.Or):
            node = node.left
        path = path_of(node)
        return self.scope.position is not None and path is not None and path[0] == "next_page_token"

    def _computed(self, source: str, name: str, node: nodes.Expr | None = None) -> str:
        """A value that is computed from settings only: users compute it themselves.

        Raises:
            NotExpressibleError: It depends on the time, on a response or on a record.
        """
        used = names_in(node) if node is not None else set(re.findall(r"[A-Za-z_]\w*", source))
        if times := sorted(used & TIME_FUNCTIONS):
            raise NotExpressibleError(f"the template {shortened(source)}, which depends on the time ({times[0]})")
        if "config" not in used or used & RUN_TIME:
            raise NotExpressibleError(f"the template {shortened(source)}")
        if node is not None:
            settings = [self.settings.find(path[1:]) for path in paths_in(node) if path[0] == "config" and path[1:]]
            name = f"{settings[0].name}_{name}" if len(settings) == 1 else name
        # Templates of several streams that differ in their spaces only are one value.
        template = "".join(source.split()) if node is not None else source
        name, part = self.settings.computed_name(name, template, str(node))
        self.notes.append(f"{self.settings.variable(name)} is what the connector computes as {part}{shortened(source)}")
        return self._value(name)


def _path_with_default(node: nodes.Expr) -> Path | None:
    """The path of `config['a'] or 'b'` and `config['a'] if config['a'] else 'b'`."""
    if isinstance(node, nodes.Or) and isinstance(constant(node.right), (str, int, float)):
        return path_of(node.left)
    if isinstance(node, nodes.CondExpr) and isinstance(constant(node.expr2), (str, int, float)):
        path = path_of(node.expr1)
        return path if path is not None and path == path_of(node.test) else None
    return None


def _joined_setting(node: nodes.Expr) -> Path | None:
    """The path of `','.join(config['a'])` and `config['a'] | join(',')`."""
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "join":
        path = path_of(node.args[0]) if node.args and constant(node.node.node) == "," else None
    elif isinstance(node, nodes.Filter) and node.name == "join" and node.args and constant(node.args[0]) == ",":
        path = path_of(node.node)
    else:
        return None
    return path if path is not None and path[0] == "config" and len(path) > 1 else None


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool))
