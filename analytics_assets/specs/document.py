"""The document that a specification is converted to: the attributes of a defs.yaml, with comments at their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]
"""The place of a value below `attributes`, such as `("resources", 0, "endpoint", "paginator")`."""

COMPONENT = "analytics_assets.components.RestApi"
MAX_LINE = 110
INDENT = "  "


@dataclass(frozen=True)
class NotCarried:
    """A part of the specification that the defs.yaml cannot express.

    Attributes:
        path: Where it would be in the defs.yaml.
        what: The part, and what happens without it.
        changes_rows: Whether the loaded rows differ without it: rows that are missing, additional or different.
    """

    path: KeyPath
    what: str
    changes_rows: bool


@dataclass
class ApiDocument:
    """A defs.yaml that is built from a specification.

    Attributes:
        api: The name of the API.
        attributes: The value of `attributes:`, as nested dictionaries and lists.
        title: Lines of the comment at the beginning of the file.
        not_carried: What the file cannot express, in the order of the specification.
    """

    api: str
    attributes: dict[str, Any] = field(default_factory=dict)
    title: list[str] = field(default_factory=list)
    not_carried: list[NotCarried] = field(default_factory=list)
    _comments: dict[KeyPath, list[str]] = field(default_factory=dict)

    def decide(self, path: KeyPath, text: str) -> None:
        """Add a comment where a person has to decide.

        Args:
            path: The place. If it does not exist, the comment is at the end of the nearest place above it.
            text: What to decide, in one sentence.
        """
        self._comment(path, f"decide: {text}")

    def skip(self, path: KeyPath, what: str, *, changes_rows: bool) -> None:
        """Record a part that the file cannot express, and add a comment at its place.

        Args:
            path: The place, as for `decide`.
            what: The part, and what happens without it.
            changes_rows: Whether the loaded rows differ without it.
        """
        what = " ".join(what.split())
        entry = NotCarried(path, what, changes_rows)
        if entry not in self.not_carried:
            self.not_carried.append(entry)
        self._comment(path, f"not carried: {what}")

    def remove_resource(self, index: int) -> None:
        """Remove a resource, with the comments in it; what it does not carry stays recorded."""

        def moved(path: KeyPath) -> KeyPath:
            is_later = len(path) > 1 and path[0] == "resources" and isinstance(path[1], int) and path[1] > index
            return ("resources", int(path[1]) - 1, *path[2:]) if is_later else path

        removed = ("resources", index)
        self.attributes["resources"].pop(index)
        self._comments = {moved(path): texts for path, texts in self._comments.items() if path[:2] != removed}
        self.not_carried = [
            NotCarried(("resources",) if each.path[:2] == removed else moved(each.path), each.what, each.changes_rows)
            for each in self.not_carried
        ]

    @property
    def is_whole(self) -> bool:
        """Whether the file loads the rows that the specification describes."""
        return not any(entry.changes_rows for entry in self.not_carried)

    def messages(self) -> list[str]:
        """One line for each part that is not carried, for the console: its place and what it is."""
        return [f"{self._place(entry.path)}: {entry.what}" for entry in self.not_carried]

    def to_yaml(self) -> str:
        """The text of the defs.yaml. The same document gives the same text."""
        lines = [*(f"# {line}".rstrip() for line in self.title), f"type: {COMPONENT}", "attributes:"]
        places: dict[KeyPath, list[str]] = {}
        for path, texts in self._comments.items():
            places.setdefault(_nearest(self.attributes, path), []).extend(texts)
        lines.extend(f"{INDENT}# {text}" for text in places.pop((), ()))
        lines.extend(_mapping(self.attributes, (), INDENT, places))
        return "\n".join(lines) + "\n"

    def _comment(self, path: KeyPath, text: str) -> None:
        text = " ".join(text.split())  # one line, whatever a specification contains
        texts = self._comments.setdefault(path, [])
        if text not in texts:
            texts.append(text)

    def _place(self, path: KeyPath) -> str:
        """The path with the names of resources in place of their numbers."""
        parts: list[str] = []
        value: Any = self.attributes
        for step in path:
            value = value[step] if _has(value, step) else None
            is_named = isinstance(step, int) and isinstance(value, dict) and isinstance(value.get("name"), str)
            if is_named:
                parts[-1:] = [str(value["name"])]
            else:
                parts.append(str(step))
        return ".".join(parts) or self.api


def _has(value: Any, step: str | int) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def _nearest(value: Any, path: KeyPath) -> KeyPath:
    """The longest part of the path that exists."""
    for length, step in enumerate(path):
        if not _has(value, step):
            return path[:length]
        value = value[step]
    return path


def _mapping(values: Mapping[str, Any], path: KeyPath, indent: str, places: Mapping[KeyPath, list[str]]) -> list[str]:
    lines: list[str] = []
    for key, value in values.items():
        here = (*path, key)
        lines.extend(f"{indent}# {text}" for text in places.get(here, ()))
        lines.extend(_entry(f"{indent}{_scalar(key)}:", value, here, indent, places))
    return lines


def _entry(head: str, value: Any, path: KeyPath, indent: str, places: Mapping[KeyPath, list[str]]) -> list[str]:
    """A key with its value: on one line if it is short and without comments inside."""
    is_block = isinstance(value, (dict, list)) and value and _is_block(head, value, path, places)
    if isinstance(value, str) and _is_literal(value):
        return [f"{head} |{_chomping(value)}", *_literal(value, indent + INDENT)]
    if not is_block:
        return [f"{head} {_flow(value)}"]
    if isinstance(value, dict):
        return [head, *_mapping(value, path, indent + INDENT, places)]
    return [head, *_items(value, path, indent + INDENT, places)]


def _items(values: list[Any], path: KeyPath, indent: str, places: Mapping[KeyPath, list[str]]) -> list[str]:
    lines: list[str] = []
    for index, value in enumerate(values):
        here = (*path, index)
        comments = [f"{indent}# {text}" for text in places.get(here, ())]
        head = f"{indent}-"
        if isinstance(value, dict) and value and (_is_block(head, value, here, places) or path == ("resources",)):
            first, *rest = _mapping(value, here, indent + INDENT, places)
            while first.startswith(f"{indent}{INDENT}# "):  # a comment of the first key stands before the item
                comments.append(first.removeprefix(INDENT))
                first, *rest = rest
            lines.extend([*comments, f"{head} {first.lstrip()}", *rest])
        else:
            lines.extend([*comments, *_entry(head, value, here, indent, places)])
    return lines


def _is_block(head: str, value: Any, path: KeyPath, places: Mapping[KeyPath, list[str]]) -> bool:
    if any(place[: len(path)] == path and len(place) > len(path) for place in places):
        return True
    return _has_literal(value) or _depth(value) > 2 or len(head) + 1 + len(_flow(value)) > MAX_LINE


def _depth(value: Any) -> int:
    if not isinstance(value, (dict, list)):
        return 0
    children = value.values() if isinstance(value, dict) else value
    return 1 + max((_depth(child) for child in children), default=0)


def _has_literal(value: Any) -> bool:
    if isinstance(value, (dict, list)):
        return any(_has_literal(child) for child in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and _is_literal(value)


def _is_literal(text: str) -> bool:
    """Whether a text of several lines can be a literal block: no tabs, odd characters, or spaces where YAML counts."""
    lines = text.split("\n")
    return (
        len(lines) > 1
        and lines[0][:1] not in ("", " ")
        and text.replace("\n", "").isprintable()
        and not any(line.endswith(" ") for line in lines)
        and not text.endswith("\n\n")
    )


def _chomping(text: str) -> str:
    return "" if text.endswith("\n") else "-"


def _literal(text: str, indent: str) -> Iterator[str]:
    return (f"{indent}{line}".rstrip() for line in text.removesuffix("\n").split("\n"))


def _scalar(value: Any) -> str:
    return _flow(value)


class _Dumper(yaml.SafeDumper):
    """Without aliases, which the loader of a defs.yaml rejects."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _flow(value: Any) -> str:
    """The value on one line."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return text.removesuffix("\n").removesuffix("\n...")
