"""Pages: the body of an answer, which part of it is the records, and what stands around them.

A wrong `data_selector` and an error sent with status 200 look alike from afar: neither leads to records, and both are
errors here, never an empty table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import isinf
from typing import Any, Final, NoReturn

import msgspec

from analytics_assets.rest_api.errors import ConfigError, ResponseError

MISSING: Final[Any] = object()
Step = str | int | None  # a name, an index, or None for each of the children
STEP = re.compile(
    r"""(?:^|(?<!^)\.)(?:(?P<name>[^.\[\]*'"]+) | (?P<all>\*))
      | \[(?P<each>\*)\]
      | \[(?P<index>-?\d+)\]
      | \[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]""",
    re.VERBOSE,
)
BOM = b"\xef\xbb\xbf"
EXACT_DIGITS = 15  # a double holds every number of so many digits
MAX_INTEGER_DIGITS = 4300  # Python's own bound: reading more takes quadratic time
SHOWN_NAMES = 10
FIELD_NAME = re.compile(r"[@$]?[A-Za-z_][\w.-]{0,39}")
TYPE_NAMES = {"NoneType": "null", "Decimal": "float"}


def number(text: str) -> float | Decimal:
    """A number with a fraction or an exponent: a Decimal if a float would lose digits."""
    value = float(text)
    if isinf(value):
        raise ValueError("a number beyond the range of a double")
    if len(text) <= EXACT_DIGITS or repr(value) == text:
        return value
    exact = Decimal(text)
    return value if Decimal(repr(value)) == exact else exact


DECODER = msgspec.json.Decoder(float_hook=number)


def decode(body: bytes) -> Any:
    """The body's JSON, exact: integers of any size, fractions as they are.

    Raises:
        ResponseError: the body is no JSON; the message says what it is instead, never what it holds.
    """
    body = body.removeprefix(BOM)
    with suppress(msgspec.DecodeError, ValueError, RecursionError):
        return DECODER.decode(body)
    # Python's own reader takes what msgspec refuses wrongly (halves of surrogate pairs), and says what is wrong.
    return _decode_slowly(body)


def _decode_slowly(body: bytes) -> Any:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ResponseError(f"the answer is not valid UTF-8 at byte {error.start} of {len(body)}") from None
    if not text.strip():
        raise ResponseError("the answer is empty where JSON was expected")
    if text.lstrip().startswith("<"):
        raise ResponseError("the API answered HTML or XML, not JSON: check `base_url`, `path` and the credentials")
    try:
        return json.loads(text, parse_float=number, parse_int=_integer, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        problem = f"{error.msg} at character {error.pos} of {len(text)}"
    except ValueError as error:
        problem = f"it holds {error}"
    except RecursionError:
        problem = "it is nested deeper than can be read (about 1,000 levels)"
    raise ResponseError(f"the answer is no valid JSON: {problem}")


def _integer(text: str) -> int:
    if len(text) > MAX_INTEGER_DIGITS:
        raise ValueError(f"an integer of more than {MAX_INTEGER_DIGITS} digits")
    return int(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text}, which is no JSON number")


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


def _child(value: Any, step: str | int) -> Any:
    if isinstance(value, dict) and isinstance(step, str):
        return value.get(step, MISSING)
    if isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
        return value[step]
    return MISSING


class Envelope:
    """An answer, decoded once: cursors, links and totals are found in it by path."""

    def __init__(self, body: bytes) -> None:
        self.root = decode(body)

    def find(self, path: str) -> Any:
        """The value at `path`, or MISSING. A name with dots of the body itself (`@odata.nextLink`) needs no quotes."""
        if isinstance(self.root, dict) and path in self.root:
            return self.root[path]
        value = self.root
        for step in compile_path(path):
            if step is None:
                raise ConfigError(f"the path {path!r} leads to many values where one is wanted: name an index")
            value = _child(value, step)
        return value


@dataclass(frozen=True)
class Page:
    records: list[dict[str, Any]]
    envelope: Envelope


class Selector:
    """Finds the records of a page.

    Everything that the selector leads to has to be records: a list of objects, or an object, which is one record. The
    body as a whole (`$`) has to be a list, as an object there may be an error. With a wildcard each branch has to lead
    somewhere. `allow_missing` takes what is absent or null for no records.
    """

    def __init__(self, data_selector: str, *, allow_missing: bool = False) -> None:
        self._selector = data_selector
        self._steps = compile_path(data_selector)
        self._allow_missing = allow_missing

    def page(self, body: bytes) -> Page:
        envelope = Envelope(body)
        return Page(self._select(envelope.root), envelope)

    def records(self, body: bytes) -> list[dict[str, Any]]:
        return self.page(body).records

    def _select(self, root: Any) -> list[dict[str, Any]]:
        records: list[Any] = []
        for value in self._matches(root):
            if isinstance(value, list):
                records += value
            elif isinstance(value, dict) and self._steps:
                records.append(value)
            elif not (self._allow_missing and (value is None or value is MISSING)):
                found = "nothing" if value is MISSING else f"a {_type(value)}, not a list of records,"
                raise self._error(f"leads to {found}", root)
        if bare := set(map(type, records)) - {dict}:
            raise self._error(f"leads to {', '.join(sorted(map(_type_name, bare)))} among the records", root)
        return records

    def _matches(self, root: Any) -> Iterable[Any]:
        values: Iterable[Any] = [root]
        for step in self._steps:
            values = _children(values, step)
        return values

    def _error(self, problem: str, root: Any) -> ResponseError:
        remedy = (
            "" if self._allow_missing else "; if it means that there are no rows, set `allow_missing_selector: true`"
        )
        return ResponseError(
            f"`data_selector: {self._selector}` {problem} in the answer {summary(root)}. "
            f"If the answer is an error, mend the request; if it is right, correct the selector{remedy}"
        )


def _children(values: Iterable[Any], step: Step) -> Iterator[Any]:
    for value in values:
        if step is not None:
            yield _child(value, step)
        elif isinstance(value, (dict, list)):
            yield from value.values() if isinstance(value, dict) else value
        else:
            yield None if value is None else MISSING


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
