"""The body of a response around its records: values are found by path, and decoded only when they are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Raw
from typing_extensions import Self

from analytics_assets.rest_api.errors import ConfigError, ResponseError
from analytics_assets.rest_api.extract.json_decoding import BOM, decode, decode_raw

MISSING: Final[Any] = object()

Step = str | int | None  # a name, an index, or None for a wildcard

STEP = re.compile(
    r"""(?:^|(?<!^)\.)(?:(?P<name>[^.\[\]*'"]+) | (?P<all>\*))
      | \[(?P<each>\*)\]
      | \[(?P<index>-?\d+)\]
      | \[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]""",
    re.VERBOSE,
)

MARK = b'["\\u0000"]'  # in place of the records: a JSON list that no API sends
SHALLOW: msgspec.json.Decoder[Any] = msgspec.json.Decoder(dict[str, Raw] | list[Raw] | str | int | float | bool | None)


@lru_cache(maxsize=256)
def compile_path(path: str) -> tuple[Step, ...]:
    """The steps of a JSONPath of names, indices and wildcards.

    Raises:
        ConfigError: The path has another syntax.
    """
    rest = re.sub(r"^\$(?:$|\.(?=[^.])|(?=\[))", "", path.strip())
    steps: list[Step] = []
    at = 0
    while at < len(rest):
        found = STEP.match(rest, at)
        if not found:
            raise ConfigError(
                f"the path {path!r} is not valid at {rest[at:]!r}: write names and indices as in `data.items`, "
                "`data[0].next`, `['a.b'].c`; a selector also `items.*.data`, and `$` for the whole body"
            )
        at = found.end()
        if found["index"] is not None:
            steps.append(int(found["index"]))
        else:
            steps.append(None if found["all"] or found["each"] else found["name"] or found["quoted"])
    return tuple(steps)


class Envelope:
    """A body in which records, cursors, links and totals are found by path. Only the values found are decoded."""

    def __init__(self, body: bytes) -> None:
        """Raises ResponseError if the body is not JSON."""
        self.root: Any = Raw(body.removeprefix(BOM).lstrip())
        self._opened: dict[int, Any] = {}
        try:
            self.open(self.root)
        except (msgspec.DecodeError, ValueError, RecursionError):
            self.root = decode(body)

    @classmethod
    def around(cls, body: bytes, path: tuple[str, ...]) -> Self | None:
        """The envelope of a body whose list at `path` is not scanned, since its records are decoded anyway.

        The list is assumed to end at the last bracket of the body. Whether it does is proven in two steps: the rest of
        the body, with a mark in place of the list, is JSON that has the mark at `path`; and what the mark stands for is
        a JSON list, which is known once it is decoded.

        Args:
            body: The body.
            path: The names that lead to the list, at least one.

        Returns:
            The envelope; None if the list is not found so.
        """
        opening = re.search(rb'"%b"\s*:\s*(?=\[)' % re.escape(path[-1].encode()), body)
        end = body.rfind(b"]") + 1
        if not opening or end <= opening.end():
            return None
        before, after = body[: opening.end()], body[end:]
        if MARK in before or MARK in after:
            return None
        with suppress(msgspec.DecodeError, ValueError, RecursionError, ResponseError):
            envelope = cls(before + MARK + after)
            *parents, name = path
            fields = envelope.root
            for parent in parents:
                fields = envelope._child(fields, parent)
            fields = envelope.open(fields)
            if isinstance(fields, dict) and fields.get(name) == Raw(MARK):
                fields[name] = Raw(memoryview(body)[opening.end() : end])  # not a copy: pages may be large
                return envelope
        return None

    def find(self, path: str) -> Any:
        """The value at `path`, or MISSING. A top-level name with dots (`@odata.nextLink`) needs no quotes."""
        value = self._child(self.root, path)
        if value is MISSING:
            value = self.root
            for step in compile_path(path):
                if step is None:
                    raise ConfigError(f"the path {path!r} leads to many values where one is expected: name an index")
                value = self._child(value, step)
        return decode_raw(value)

    def matches(self, steps: Iterable[Step]) -> Iterable[Any]:
        """The values that the steps lead to, encoded (Raw) or decoded; MISSING for each branch that leads nowhere."""
        values: Iterable[Any] = [self.root]
        for step in steps:
            values = self._children(values, step)
        return values

    def _children(self, values: Iterable[Any], step: Step) -> Iterator[Any]:
        for value in values:
            if step is not None:
                yield self._child(value, step)
                continue
            opened = self.open(value)
            if isinstance(opened, (dict, list)):
                yield from opened.values() if isinstance(opened, dict) else opened
            else:
                yield None if opened is None else MISSING

    def _child(self, value: Any, step: str | int) -> Any:
        opened = self.open(value)
        if isinstance(opened, dict) and isinstance(step, str):
            return opened.get(step, MISSING)
        if isinstance(opened, list) and isinstance(step, int) and -len(opened) <= step < len(opened):
            return opened[step]
        return MISSING

    def open(self, value: Any) -> Any:
        """The value with its children still encoded. A body that only Python's parser accepts is decoded."""
        if not isinstance(value, Raw):
            return value
        if id(value) not in self._opened:
            self._opened[id(value)] = SHALLOW.decode(value)
        return self._opened[id(value)]
