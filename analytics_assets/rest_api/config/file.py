"""Reads a defs.yaml: text to values with their lines, values to a configuration, problems to lines that people read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import GetJsonSchemaHandler, RootModel, ValidationError
from pydantic_core import CoreSchema
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError
from yaml.reader import ReaderError

from analytics_assets.rest_api.config.api import RestApiConfig
from analytics_assets.rest_api.config.model import KeyPath, Problem, problems_in, unknown_key
from analytics_assets.rest_api.config.resources import SNAKE_CASE
from analytics_assets.rest_api.errors import ConfigError

MAX_BYTES = 250_000
MAX_DEPTH = 50
COMPONENT = "analytics_assets.components.RestApi"
# Dagster's keys of a component file. It takes two more, which both run code: a template is code, a module is.
FILE_KEYS = ("type", "attributes", "requirements")
CODE_KEYS = ("post_processing", "template_vars_module")
TAG = "tag:yaml.org,2002:"
SCALARS = frozenset(TAG + name for name in ("null", "bool", "int", "float", "str", "value"))
DATE = TAG + "timestamp"
SURROGATE = re.compile("[\ud800-\udfff]")


class Attributes(RootModel[dict[str, Any]]):
    """What Dagster validates: any mapping, as its errors repeat values, secrets among them; `load_config` does better.

    The JSON schema is the dialect's, for editors and `dg check yaml`.
    """

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler.resolve_ref_schema(handler(RestApiConfig.__pydantic_core_schema__))


def load_config(path: Path) -> RestApiConfig:
    """The API that a defs.yaml describes; its name is that of the folder.

    Raises:
        ConfigError: all that is wrong with the file, a line each.
    """
    reader = _read(path)
    problems = [*reader.problems, *_file_problems(reader.document)]
    api = path.resolve().parent.name
    if not re.fullmatch(SNAKE_CASE.pattern, api):
        problems.append(((), f"the folder's name, {api!r}, names the API: it must be {SNAKE_CASE.words}"))
    if problems:
        raise _config_error(problems, str(path), reader.lines)
    return parse_config(reader.document["attributes"], file=str(path), lines=reader.lines)


def parse_config(
    attributes: object, *, file: str | None = None, lines: Mapping[KeyPath, int] | None = None
) -> RestApiConfig:
    """The API that the value of `attributes:` describes.

    Raises:
        ConfigError: all that is wrong with it, a line each, with file and line as far as they are known.
    """
    try:
        return RestApiConfig.model_validate(attributes)
    except ValidationError as error:
        problems: list[Problem] = [(("attributes", *place), message) for place, message in problems_in(error)]
    raise _config_error(problems, file, lines or {})


def _file_problems(document: object) -> list[Problem]:
    if not isinstance(document, dict):
        return [((), f"must be a mapping with the keys {' and '.join(FILE_KEYS[:2])}")]
    problems: list[Problem] = []
    for key in document:
        if key in CODE_KEYS:
            problems.append(((key,), "is not taken, as it runs code; define the assets in Python for that"))
        elif key not in FILE_KEYS:
            problems.append(((key,), unknown_key(key, FILE_KEYS)))
    if document.get("type") != COMPONENT:
        problems.append((("type",), f"must be {COMPONENT}"))
    if not _are_requirements(document.get("requirements")):
        problems.append((("requirements",), "must be {env: [NAME, ...]}, or left out"))
    if not isinstance(document.get("attributes"), dict):
        keys = ", ".join(RestApiConfig.known_keys())
        problems.append((("attributes",), f"is required: a mapping with the keys {keys}"))
    return problems


def _are_requirements(value: object) -> bool:
    """Whether Dagster takes it; its own errors are stack traces."""
    if value is None:
        return True
    names = value.get("env") if isinstance(value, dict) and value.keys() <= {"env"} else ()
    return names is None or (isinstance(names, list) and all(isinstance(name, str) for name in names))


def _config_error(problems: Iterable[Problem], file: str | None, lines: Mapping[KeyPath, int]) -> ConfigError:
    """Each problem as `file:line path: message`, in the order of the file."""
    located = sorted(((_line(place, lines), place, message) for place, message in problems), key=lambda each: each[0])
    told = []
    for line, place, message in located:
        where = ":".join(str(part) for part in (file, line) if part)
        path = "".join(_step(part) for part in place).lstrip(".")
        told.append(f"{f'{where} {path}'.strip()}: {message}")
    return ConfigError("\n".join(told))


def _line(place: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    """The line of a key, or of the nearest one above it where it is missing; 0 if there are no lines."""
    return next((lines[place[:length]] for length in range(len(place), -1, -1) if place[:length] in lines), 0)


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if re.fullmatch(r"\S+", part) and part.isprintable() else f"[{json.dumps(part[:100])}]"


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}:1: is larger than {MAX_BYTES} bytes, which no configuration needs")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text") from None


def _read(path: Path) -> YamlReader:
    """The file, read; what is no YAML at all is told in the words of the YAML parser."""
    text = _text(path)
    try:
        return YamlReader(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        problem = " ".join(part for part in (error.context, error.problem) if part)
    except ReaderError as error:
        line = text.count("\n", 0, error.position)
        problem = "holds a character that YAML does not take"
    except (ValueError, OverflowError):
        found = re.search(r"\\U(?!000|0010)", text)
        line = text.count("\n", 0, found.start() if found else 0)
        problem = "holds an escape (\\U...) for a character that does not exist"
    raise ConfigError(f"{path}:{line + 1}: {problem}")


class YamlReader(yaml.SafeLoader):
    """Plain values of one YAML document, and the line of each key and item. What could hide or multiply is refused."""

    # Dates stay as written, as Dagster leaves them.
    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [resolver for resolver in resolvers if resolver[0] != DATE]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self.depth = 0
        node = self.get_single_node()
        self.document: Any = None if node is None else self._value(node, ())
        self.lines.setdefault((), 1)  # an empty file

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise ComposerError(
                None, None, "aliases (*name) are not taken: repeat it, or use `resource_defaults`", mark
            )
        if self.depth >= MAX_DEPTH:
            raise ComposerError(None, None, f"nested deeper than {MAX_DEPTH} levels", mark)
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _value(self, node: yaml.Node, place: KeyPath) -> Any:
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode) and SURROGATE.search(node.value):
            self.problems.append((place, "holds half of a character (\\ud800 to \\udfff), which is no text"))
            return None
        if isinstance(node, yaml.MappingNode) and node.tag == TAG + "map":
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode) and node.tag == TAG + "seq":
            return [self._value(item, (*place, index)) for index, item in enumerate(node.value)]
        try:
            if node.tag in SCALARS:
                return self.construct_object(node)
        except (ValueError, LookupError, ConstructorError):  # the last for a lone `=`, which Dagster cannot read
            self.problems.append((place, f"cannot be read as {node.tag.removeprefix(TAG)}: put it in quotes"))
            return None
        self.problems.append((place, f"the YAML tag {node.tag.removeprefix(TAG)} is not taken"))
        return None

    def _mapping(self, node: yaml.MappingNode, place: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            readable = (
                isinstance(key_node, yaml.ScalarNode)
                and key_node.tag == TAG + "str"
                and not SURROGATE.search(key_node.value)
            )
            key = key_node.value if readable else "?"
            at: KeyPath = (*place, key)
            if readable and at in self.lines:
                self.problems.append((at, f"stands here twice, again on line {key_node.start_mark.line + 1}"))
                continue
            self.lines[at] = key_node.start_mark.line + 1
            if not readable:
                self.problems.append((at, "a key must be text: put it in quotes"))
            values[key] = self._value(value_node, at)
        return values
