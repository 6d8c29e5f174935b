"""Reads one YAML document: plain values, and the line of each key and list item.

Rejects what could hide or multiply values (aliases, tags, duplicate keys, deep nesting), and what Dagster's own YAML
reader cannot read.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError
from yaml.reader import ReaderError

from analytics_assets.rest_api.config.parsing.validation import KeyPath, Problem
from analytics_assets.rest_api.errors import ConfigError

MAX_BYTES = 250_000  # a hundred times the built-in files; parsing takes about a second
MAX_DEPTH = 50  # the deepest valid configuration has 9 levels; Python's recursion limit is 1000
TAG = "tag:yaml.org,2002:"
SCALAR_TAGS = frozenset(TAG + name for name in ("null", "bool", "int", "float", "str", "value"))
DATE_TAG = TAG + "timestamp"
SURROGATE = re.compile("[\ud800-\udfff]")
# What libyaml and PyYAML's own parser read differently: tabs, line breaks other than \n, tags, `?`, directives, and
# comments in the first line of block texts.
READ_DIFFERENTLY = re.compile("[!?\t\r\x85\u2028\u2029\ufeff]|^%|[|>][-+0-9]*#", re.MULTILINE)


class YamlReader(yaml.SafeLoader):
    """One YAML document.

    Attributes:
        document: The values. Dates stay text, as in Dagster.
        lines: The line of each key and item, from 1.
        problems: Values that cannot be read; they are None in `document`.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [resolver for resolver in resolvers if resolver[0] != DATE_TAG]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        """Read the text.

        Raises:
            yaml.YAMLError: The text is not valid YAML.
            ValueError: An escape sequence names a character that does not exist.
            OverflowError: Likewise.
        """
        super().__init__(text)
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self._depth = 0
        node = self.get_single_node()
        self.document: Any = None if node is None else self._value(node, ())
        self.lines.setdefault((), 1)  # an empty file

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The next node.

        Raises:
            ComposerError: It is an alias, or nested too deeply.
        """
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise ComposerError(
                None, None, "aliases (*name) are not supported: repeat the value, or use `resource_defaults`", mark
            )
        if self._depth >= MAX_DEPTH:
            raise ComposerError(None, None, f"nested deeper than {MAX_DEPTH} levels", mark)
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode) and SURROGATE.search(node.value):
            self.problems.append((path, "contains half of a character (\\ud800 to \\udfff)"))
            return None
        if isinstance(node, yaml.MappingNode) and node.tag == TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == TAG + "seq":
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        try:
            if node.tag in SCALAR_TAGS:
                return self.construct_object(node)
        except (ValueError, LookupError, ConstructorError):  # ConstructorError: a lone `=`, which Dagster cannot read
            self.problems.append((path, f"cannot be read as {node.tag.removeprefix(TAG)}: put it in quotes"))
            return None
        self.problems.append((path, f"the YAML tag {node.tag.removeprefix(TAG)} is not supported"))
        return None

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            is_text = (
                isinstance(key_node, yaml.ScalarNode)
                and key_node.tag == TAG + "str"
                and not SURROGATE.search(key_node.value)
            )
            key = key_node.value if is_text else "?"
            key_path: KeyPath = (*path, key)
            if is_text and key_path in self.lines:
                self.problems.append((key_path, f"duplicate key, again on line {key_node.start_mark.line + 1}"))
                continue
            self.lines[key_path] = key_node.start_mark.line + 1
            if not is_text:
                self.problems.append((key_path, "a key must be text: put it in quotes"))
            values[key] = self._value(value_node, key_path)
        return values


class LibyamlReader(YamlReader):
    """A document whose events are from libyaml's parser, which takes a fifth of the time."""

    def __init__(self, text: str) -> None:
        events = yaml.cyaml.CParser(text)  # type: ignore[attr-defined]  # not part of every PyYAML
        self.check_event = events.check_event  # type: ignore[method-assign]
        self.peek_event = events.peek_event  # type: ignore[method-assign]
        self.get_event = events.get_event  # type: ignore[method-assign]
        super().__init__(text)


def parse_yaml(text: str, path: Path) -> YamlReader:
    """Parse the text of a file.

    Raises:
        ConfigError: It is not valid YAML. The message names file and line.
    """
    if yaml.__with_libyaml__ and not READ_DIFFERENTLY.search(text):
        # PyYAML's own parser decides about what libyaml refuses: its errors are the same on all systems.
        with suppress(yaml.YAMLError, ValueError, OverflowError):
            reader = LibyamlReader(text)
            if isinstance(reader.document, dict):  # the two number the lines of an empty document differently
                return reader
    try:
        return YamlReader(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        problem = " ".join(part for part in (error.context, error.problem) if part)
    except ReaderError as error:
        line = text.count("\n", 0, error.position)
        problem = "contains a character that YAML does not allow"
    except (ValueError, OverflowError):
        escape = re.search(r"\\U(?!000|0010)", text)
        line = text.count("\n", 0, escape.start() if escape else 0)
        problem = "contains an escape (\\U...) for a character that does not exist"
    raise ConfigError(f"{path}:{line + 1}: {problem}")


def read_text(path: Path, *, max_bytes: int = MAX_BYTES) -> str:
    """Read a file.

    Args:
        path: The file.
        max_bytes: The largest size that is read.

    Raises:
        ConfigError: The file cannot be read, is too large, or is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > max_bytes:
        raise ConfigError(f"{path}:1: is larger than {max_bytes} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text") from None
