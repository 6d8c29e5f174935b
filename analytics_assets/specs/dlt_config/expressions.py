"""Expressions of Python code: evaluates literals, constants, references and the classes of dlt. No code is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

MAX_DEPTH = 50
# A class of dlt -> the `type` of its dictionary, and the keys of its positional arguments.
CLASSES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "BearerTokenAuth": ("bearer", ("token",)),
    "APIKeyAuth": ("api_key", ("name", "api_key", "location")),
    "HttpBasicAuth": ("http_basic", ("username", "password")),
    "OAuth2ClientCredentials": ("oauth2_client_credentials", ("access_token_url", "client_id", "client_secret")),
    "OffsetPaginator": ("offset", ("limit", "offset", "offset_param", "limit_param", "total_path")),
    "PageNumberPaginator": ("page_number", ("base_page", "page", "page_param", "total_path")),
    "JSONResponseCursorPaginator": ("cursor", ("cursor_path", "cursor_param")),
    "JSONLinkPaginator": ("json_link", ("next_url_path",)),
    "JSONResponsePaginator": ("json_link", ("next_url_path",)),
    "HeaderLinkPaginator": ("header_link", ("links_next_key",)),
    "HeaderCursorPaginator": ("header_cursor", ("cursor_key", "cursor_param")),
    "SinglePagePaginator": ("single_page", ()),
}


@dataclass(frozen=True)
class Reference:
    """A value that is set outside of the code.

    Attributes:
        name: The name of an environment variable, or a path in `dlt.secrets` or `dlt.config`.
        is_variable: Whether it is the former.
    """

    name: str
    is_variable: bool = False


@dataclass(frozen=True)
class Mixed:
    """A text with references in it, such as an f-string.

    Attributes:
        parts: Texts and references.
    """

    parts: tuple[str | Reference, ...]


@dataclass(frozen=True)
class Unread:
    """A value that only running the code would give.

    Attributes:
        line: Its line in the file.
        what: What it is, without the code, which may contain a secret.
        file: The name of the file.
    """

    line: int
    what: str
    file: str = ""

    def __str__(self) -> str:
        """For messages."""
        return f"{self.what} at {self.file}:{self.line}"


@dataclass
class Scope:
    """The assignments that a name can mean: those of the module, and those of the function around.

    Attributes:
        names: The expression of each name.
        functions: The functions of the module.
        file: The name of the file.
    """

    names: dict[str, ast.expr] = field(default_factory=dict)
    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)
    file: str = ""


def assignments(body: list[Any]) -> dict[str, ast.expr]:
    """The names that are assigned once."""
    found: dict[str, list[ast.expr]] = {}
    for statement in body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(statement.value)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            found.setdefault(statement.target.id, []).append(statement.value)
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, ast.expr]:
    """The parameters with a default. `dlt.secrets.value` stands for the secret of the parameter's name."""
    arguments = [*function.args.posonlyargs, *function.args.args]
    pairs = [
        *zip(arguments[len(arguments) - len(function.args.defaults) :], function.args.defaults, strict=True),
        *zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True),
    ]
    parameters: dict[str, ast.expr] = {}
    for argument, default in pairs:
        if default is None:
            continue
        if ast.unparse(default) in ("dlt.secrets.value", "dlt.config.value"):
            key = ast.copy_location(ast.Constant(argument.arg), default)
            source = ast.copy_location(ast.Name("dlt_secrets"), default)
            default = ast.copy_location(ast.Subscript(source, key), default)
        parameters[argument.arg] = default
    return parameters


class Evaluator:
    """Evaluates literals, constants, references and the classes of dlt."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._depth = 0

    def value(self, node: ast.expr) -> Any:
        """The value of an expression; `Unread` if the code would have to run."""
        if self._depth > MAX_DEPTH:
            return Unread(node.lineno, "a value that is nested too deeply, or refers to itself", self._scope.file)
        self._depth += 1
        try:
            read = getattr(self, f"_{type(node).__name__.lower()}", None)
            found = read(node) if read else None
        finally:
            self._depth -= 1
        return found if found is not None or _is_none(node) else Unread(node.lineno, _what(node), self._scope.file)

    def _constant(self, node: ast.Constant) -> Any:
        return node.value if isinstance(node.value, (str, int, float, bool)) else None

    def _dict(self, node: ast.Dict) -> Any:
        values: dict[str, Any] = {}
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            value = self.value(value_node)
            if key_node is None:  # **other
                if not isinstance(value, dict):
                    return None
                values.update(value)
                continue
            key = self.value(key_node)
            if not isinstance(key, (str, int)):
                return None
            values[str(key)] = value
        return values

    def _list(self, node: ast.List | ast.Tuple) -> Any:
        values: list[Any] = []
        for item in node.elts:
            value = self.value(item.value if isinstance(item, ast.Starred) else item)
            if isinstance(item, ast.Starred) and not isinstance(value, list):
                return None
            values.extend(value if isinstance(item, ast.Starred) else [value])
        return values

    _tuple = _list

    def _name(self, node: ast.Name) -> Any:
        return self.value(self._scope.names[node.id]) if node.id in self._scope.names else None

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        return -value if isinstance(node.op, ast.USub) and isinstance(value, (int, float)) else None

    def _binop(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Add) and isinstance(left, list) and isinstance(right, list):
            return left + right
        if isinstance(node.op, ast.Add):
            return _joined([left, right])
        if isinstance(node.op, ast.BitOr) and isinstance(left, dict) and isinstance(right, dict):
            return {**left, **right}
        return None

    def _joinedstr(self, node: ast.JoinedStr) -> Any:
        parts = [self.value(part.value if isinstance(part, ast.FormattedValue) else part) for part in node.values]
        is_plain = all(part.format_spec is None for part in node.values if isinstance(part, ast.FormattedValue))
        return _joined([str(part) if isinstance(part, (int, float)) else part for part in parts]) if is_plain else None

    def _subscript(self, node: ast.Subscript) -> Any:
        source = ast.unparse(node.value)
        key = self.value(node.slice)
        if isinstance(key, str) and source in ("dlt.secrets", "dlt.config", "dlt_secrets", "os.environ", "environ"):
            return Reference(key, is_variable=source.endswith("environ"))
        container = self.value(node.value)
        return container.get(key) if isinstance(container, dict) and isinstance(key, str) else None

    def _call(self, node: ast.Call) -> Any:
        name = ast.unparse(node.func)
        arguments = [self.value(argument) for argument in node.args]
        keywords = {each.arg: self.value(each.value) for each in node.keywords if each.arg}
        if name in ("os.getenv", "getenv", "os.environ.get", "environ.get") and arguments:
            return Reference(arguments[0], is_variable=True) if isinstance(arguments[0], str) else None
        if name in ("dlt.secrets.get", "dlt.config.get") and arguments and isinstance(arguments[0], str):
            return Reference(arguments[0])
        last = name.rpartition(".")[2]
        if last == "dict" and not arguments:
            return keywords
        if last in CLASSES:
            kind, keys = CLASSES[last]
            return {"type": kind, **dict(zip(keys, arguments, strict=False)), **keywords}
        if last == "incremental":
            return {
                "type": "incremental",
                **dict(zip(("cursor_path", "initial_value"), arguments, strict=False)),
                **keywords,
            }
        if last == "str" and len(arguments) == 1:
            return arguments[0]
        if last in ("isoformat", "to_iso8601_string", "to_date_string") and isinstance(node.func, ast.Attribute):
            moment = self.value(node.func.value)
            return moment[:10] if last == "to_date_string" and isinstance(moment, str) else moment
        if isinstance(node.func, ast.Name) and node.func.id in self._scope.functions and not arguments and not keywords:
            return self._returned(self._scope.functions[node.func.id])
        return _time(last, arguments)

    def _returned(self, function: ast.FunctionDef) -> Any:
        """What a function without branches returns."""
        returns = [each for each in ast.walk(function) if isinstance(each, ast.Return) and each.value]
        if len(returns) != 1:
            return None
        names = {**self._scope.names, **parameters_of(function), **assignments(function.body)}
        assert returns[0].value is not None
        inner = Evaluator(Scope(names, self._scope.functions, self._scope.file))
        inner._depth = self._depth
        return inner.value(returns[0].value)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _joined(parts: list[Any]) -> Any:
    """Texts and references as one text."""
    flat: list[str | Reference] = []
    for part in parts:
        if isinstance(part, Mixed):
            flat.extend(part.parts)
        elif isinstance(part, (str, Reference)):
            flat.append(part)
        else:
            return None
    if all(isinstance(part, str) for part in flat):
        return "".join(str(part) for part in flat)
    return flat[0] if len(flat) == 1 else Mixed(tuple(flat))


def _time(name: str, arguments: list[Any]) -> str | None:
    """A time that is written in the code, as ISO 8601."""
    try:
        if name in ("datetime", "DateTime") and all(isinstance(each, int) for each in arguments):
            return f"{datetime(*arguments).isoformat()}Z"
        if name in ("date", "Date") and all(isinstance(each, int) for each in arguments):
            return date(*arguments).isoformat()
    except (TypeError, ValueError, OverflowError):
        return None
    if name in ("parse", "fromisoformat") and len(arguments) == 1 and isinstance(arguments[0], str):
        return arguments[0]
    return None


def _what(node: ast.expr) -> str:
    if isinstance(node, ast.Call) and re.fullmatch(r"[\w.]+", name := ast.unparse(node.func)):
        return f"a call of {name}"
    if isinstance(node, ast.Name):
        return f"the name {node.id}"
    return {"Lambda": "a lambda", "IfExp": "a condition", "ListComp": "a loop"}.get(
        type(node).__name__, "an expression"
    )
