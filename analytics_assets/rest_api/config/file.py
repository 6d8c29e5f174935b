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

from analytics_assets.rest_api.config.api import RestApiConfig
from analytics_assets.rest_api.config.model import Place, Problem, in_words, nearest
from analytics_assets.rest_api.config.resources import SNAKE_CASE
from analytics_assets.rest_api.errors import ConfigError

MAX_BYTES = 250_000
MAX_DEPTH = 50
# Dagster's keys of a component file. It takes two more, which both run code: a template is code, a module is.
FILE_KEYS = ("type", "attributes", "requirements")
CODE_KEYS = ("post_processing", "template_vars_module")
TAG = "tag:yaml.org,2002:"
SCALARS = frozenset(TAG + name for name in ("null", "bool", "int", "float", "str"))
TEXTS = frozenset({TAG + "timestamp", TAG + "value"})  # dates stay as written, as Dagster leaves them


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
    reader = YamlReader(path)
    document = reader.document()
    problems = [*reader.problems, *_file_problems(document)]
    api = path.resolve().parent.name
    if not re.fullmatch(SNAKE_CASE.pattern, api):
        problems.append(((), f"the folder's name, {api!r}, names the API: it must be {SNAKE_CASE.words}"))
    if problems:
        raise _config_error(problems, str(path), reader.lines)
    return parse_config(document["attributes"], file=str(path), lines=reader.lines)


def parse_config(
    attributes: object, *, file: str | None = None, lines: Mapping[Place, int] | None = None
) -> RestApiConfig:
    """The API that the value of `attributes:` describes.

    Raises:
        ConfigError: all that is wrong with it, a line each, with file and line as far as they are known.
    """
    try:
        return RestApiConfig.model_validate(attributes)
    except ValidationError as error:
        problems = [(("attributes", *each["loc"]), in_words(each)) for each in error.errors(include_url=False)]
    raise _config_error(problems, file, lines or {})


def _file_problems(document: object) -> list[Problem]:
    if not isinstance(document, dict):
        return [((), f"must be a mapping with the keys {' and '.join(FILE_KEYS[:2])}")]
    problems: list[Problem] = []
    for key in document:
        if key in CODE_KEYS:
            problems.append(((key,), "is not taken, as it runs code; define the assets in Python for that"))
        elif key not in FILE_KEYS:
            hint = nearest(key, FILE_KEYS)
            problems.append(((key,), f"unknown key{hint or ';'} allowed: {', '.join(FILE_KEYS)}"))
    if not isinstance(document.get("attributes"), dict):
        problems.append((("attributes",), "is required: a mapping with the keys " + ", ".join(RestApiConfig.keys())))
    return problems


def _config_error(problems: Iterable[Problem], file: str | None, lines: Mapping[Place, int]) -> ConfigError:
    """Each problem as `file:line path: message`, in the order of the file."""
    located = sorted(((_line(place, lines), place, message) for place, message in problems), key=lambda each: each[0])
    told = []
    for line, place, message in located:
        where = ":".join(str(part) for part in (file, line) if part)
        path = "".join(_step(part) for part in place).lstrip(".")
        told.append(f"{f'{where} {path}'.strip()}: {message}")
    return ConfigError("\n".join(told))


def _line(place: Place, lines: Mapping[Place, int]) -> int:
    """The line of a key, or of the nearest one above it where it is missing; 0 if there are no lines."""
    return next((lines[place[:length]] for length in range(len(place), -1, -1) if place[:length] in lines), 0)


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if re.fullmatch(r"\S+", part) and part.isprintable() else f"[{json.dumps(part[:100])}]"


class YamlReader(yaml.SafeLoader):
    """Plain values of one YAML document, and the line of each key and item. What could hide or multiply is refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[Place, int] = {}
        self.problems: list[Problem] = []
        self.depth = 0
        super().__init__(self._text())

    def _text(self) -> str:
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read: {error.strerror}") from None
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{self.path}: is larger than {MAX_BYTES} bytes, which no configuration needs")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise ConfigError(f"{self.path}:{line}: is not UTF-8 text") from None

    def document(self) -> Any:
        try:
            node = self.get_single_node()
        except yaml.YAMLError as error:
            raise ConfigError(f"{self.path}{_syntax_problem(error)}") from None
        return None if node is None else self._value(node, ())

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

    def _value(self, node: yaml.Node, place: Place) -> Any:
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode) and node.tag == TAG + "map":
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode) and node.tag == TAG + "seq":
            return [self._value(item, (*place, index)) for index, item in enumerate(node.value)]
        if node.tag in TEXTS:
            return node.value
        try:
            if node.tag in SCALARS:
                return self.construct_object(node)
        except ValueError:
            self.problems.append((place, "cannot be read as a number: put it in quotes"))
            return None
        self.problems.append((place, f"the YAML tag {node.tag.removeprefix(TAG)} is not taken"))
        return None

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in {TAG + "str", *TEXTS}:
                self.lines[(*place, "?")] = key_node.start_mark.line + 1
                self.problems.append(((*place, "?"), "a key must be text: put it in quotes"))
                continue
            key, line = key_node.value, key_node.start_mark.line + 1
            at: Place = (*place, key)
            if key in values:
                self.problems.append((place, f"the key {key!r} stands here twice, again on line {line}"))
                continue
            self.lines[at] = line
            values[key] = self._value(value_node, at)
        return values


def _syntax_problem(error: yaml.YAMLError) -> str:
    """`:line: what is wrong`, in the words of the YAML parser."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f":{error.problem_mark.line + 1}: {error.problem or 'is no valid YAML'}"
    return f": is no valid YAML: {getattr(error, 'reason', 'it cannot be read')}"
