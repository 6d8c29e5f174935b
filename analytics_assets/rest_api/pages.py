"""Pages: the body of an answer, which part of it is the records, and what stands around them.

A wrong `data_selector` and an error sent with status 200 look alike from afar: neither leads to records, and both are
errors here, never an empty table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Raw

from analytics_assets.rest_api.decoding import BOM, decode
from analytics_assets.rest_api.errors import ConfigError, ResponseError
from analytics_assets.rest_api.records import PageRecords, read_dicts

MISSING: Final[Any] = object()
Step = str | int | None  # a name, an index, or None for each of the children
STEP = re.compile(
    r"""(?:^|(?<!^)\.)(?:(?P<name>[^.\[\]*'"]+) | (?P<all>\*))
      | \[(?P<each>\*)\]
      | \[(?P<index>-?\d+)\]
      | \[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]""",
    re.VERBOSE,
)
SHALLOW: msgspec.json.Decoder[Any] = msgspec.json.Decoder(dict[str, Raw] | list[Raw] | str | int | float | bool | None)
FIRST: dict[bytes, type] = {b"{": dict, b"[": list, b"n": type(None)}
SHOWN_NAMES = 10
FIELD_NAME = re.compile(r"[@$]?[A-Za-z_][\w.-]{0,39}")
TYPE_NAMES = {"NoneType": "null", "Decimal": "float"}


@lru_cache(maxsize=256)
def compile_path(path: str) -> tuple[Step, ...]:
    """The steps of a JSONPath of names, indices and wildcards.

    Raises:
        ConfigError: the path is written in another way.
    """
    rest = re.sub(r"^\$(?:$|\.(?=[^.])|(?=\[))", "", path.strip())
    steps: list[Step] = []
    at = 0
    while at < len(rest):
        found = STEP.match(rest, at)
        if not found:
            raise ConfigError(
                f"the path {path!r} cannot be read at {rest[at:]!r}: write names and indices as in `data.items`, "
                "`data[0].next`, `['a.b'].c`; a selector also `items.*.data`, and `$` for all of the body"
            )
        at = found.end()
        if found["index"] is not None:
            steps.append(int(found["index"]))
        else:
            steps.append(None if found["all"] or found["each"] else found["name"] or found["quoted"])
    return tuple(steps)


class Envelope:
    """An answer: records, cursors, links and totals are found in it by path, and only what is found is decoded."""

    def __init__(self, body: bytes) -> None:
        """Raises ResponseError if the body is no JSON."""
        self.root: Any = Raw(body.removeprefix(BOM).lstrip())
        self._opened: dict[int, Any] = {}
        try:
            self._open(self.root)
        except (msgspec.DecodeError, ValueError, RecursionError):
            self.root = decode(body)

    def find(self, path: str) -> Any:
        """The value at `path`, or MISSING. A name with dots of the body itself (`@odata.nextLink`) needs no quotes."""
        value = self._child(self.root, path)
        if value is MISSING:
            value = self.root
            for step in compile_path(path):
                if step is None:
                    raise ConfigError(f"the path {path!r} leads to many values where one is wanted: name an index")
                value = self._child(value, step)
        return decode(value) if isinstance(value, Raw) else value

    def matches(self, steps: Iterable[Step]) -> Iterable[Any]:
        """What the steps lead to, as it is written (Raw) or decoded; MISSING for each that leads nowhere."""
        values: Iterable[Any] = [self.root]
        for step in steps:
            values = self._children(values, step)
        return values

    def _children(self, values: Iterable[Any], step: Step) -> Iterator[Any]:
        for value in values:
            if step is not None:
                yield self._child(value, step)
                continue
            opened = self._open(value)
            if isinstance(opened, (dict, list)):
                yield from opened.values() if isinstance(opened, dict) else opened
            else:
                yield None if opened is None else MISSING

    def _child(self, value: Any, step: str | int) -> Any:
        opened = self._open(value)
        if isinstance(opened, dict) and isinstance(step, str):
            return opened.get(step, MISSING)
        if isinstance(opened, list) and isinstance(step, int) and -len(opened) <= step < len(opened):
            return opened[step]
        return MISSING

    def _open(self, value: Any) -> Any:
        """The value, its children as they are written. A body that only Python's reader takes is decoded already."""
        if not isinstance(value, Raw):
            return value
        if id(value) not in self._opened:
            self._opened[id(value)] = SHALLOW.decode(value)
        return self._opened[id(value)]


@dataclass(frozen=True)
class Page:
    records: PageRecords
    envelope: Envelope


class Selector:
    """Finds the records of a page.

    Everything that the selector leads to has to be records: a list of objects, or an object, which is one record. The
    body as a whole (`$`) has to be a list, as an object there may be an error. With a wildcard each branch has to lead
    somewhere. `allow_missing` takes what is absent or null for no records. `read` reads a JSON list of records.
    """

    def __init__(
        self, data_selector: str, *, allow_missing: bool = False, read: Callable[[bytes], PageRecords] = read_dicts
    ) -> None:
        self._selector = data_selector
        self._steps = compile_path(data_selector)
        self._allow_missing = allow_missing
        self._read = read

    def page(self, body: bytes) -> Page:
        """Raises ResponseError if the body is no JSON, or the selector does not lead to records."""
        envelope = Envelope(body)
        try:
            return Page(self._select(envelope, body), envelope)
        except ResponseError:
            decode(body)  # what is no JSON is told by its place in the body
            raise

    def _select(self, envelope: Envelope, body: bytes) -> PageRecords:
        written: list[bytes] = []
        decoded: list[Any] = []
        for value in envelope.matches(self._steps):
            kind = FIRST.get(bytes(memoryview(value)[:1])) if isinstance(value, Raw) else type(value)
            if kind is list or (kind is dict and self._steps):
                if not isinstance(value, Raw):
                    decoded += value if kind is list else [value]
                else:
                    written.append(value if kind is list else b"[%b]" % bytes(value))
            elif not (self._allow_missing and (kind is type(None) or value is MISSING)):
                plain = decode(value) if isinstance(value, Raw) else value
                found = "nothing" if plain is MISSING else f"a {_type(plain)}, not a list of records,"
                raise self._error(f"leads to {found}", body)
        records = decoded or self._read(bytes(written[0]) if len(written) == 1 else joined(written))
        if isinstance(records, list) and (bare := set(map(type, records)) - {dict}):
            raise self._error(f"leads to {', '.join(sorted(map(_type_name, bare)))} among the records", body)
        return records

    def _error(self, problem: str, body: bytes) -> ResponseError:
        remedy = (
            "" if self._allow_missing else "; if it means that there are no rows, set `allow_missing_selector: true`"
        )
        return ResponseError(
            f"`data_selector: {self._selector}` {problem} in the answer {summary(decode(body))}. "
            f"If the answer is an error, mend the request; if it is right, correct the selector{remedy}"
        )


def joined(lists: Iterable[bytes]) -> bytes:
    """JSON lists as one."""
    return b"[%b]" % b",".join(filter(None, (bytes(each)[1:-1].strip() for each in lists)))


def summary(value: Any, depth: int = 2) -> str:
    """The shape of an answer, such as `{data: list[50], next: str}`: names and types, never values."""
    if isinstance(value, list):
        return f"list[{len(value)}]"
    if not isinstance(value, dict):
        return _type(value)
    if not depth:
        return "{…}" if value else "{}"
    # A name that is no field's name may be data: objects keyed by people's addresses.
    names = [name if FIELD_NAME.fullmatch(name) else "?" for name in list(value)[:SHOWN_NAMES]]
    shown = [f"{name}: {summary(child, depth - 1)}" for name, child in zip(names, value.values(), strict=False)]
    more = [f"… {len(value) - SHOWN_NAMES} more"] if len(value) > SHOWN_NAMES else []
    return "{" + ", ".join(shown + more) + "}"


def _type(value: Any) -> str:
    return _type_name(type(value))


def _type_name(kind: type) -> str:
    return TYPE_NAMES.get(kind.__name__, kind.__name__)
