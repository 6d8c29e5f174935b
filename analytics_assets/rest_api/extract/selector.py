"""Pages: the body of an answer, which part of it is the records, and what stands around them.

A wrong `data_selector` and an error sent with status 200 look alike from afar: neither leads to records, and both are
errors here, never an empty table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msgspec import Raw

from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.extract.envelope import MISSING, Envelope, compile_path
from analytics_assets.rest_api.extract.json_decoding import decode
from analytics_assets.rest_api.extract.records import PageRecords, read_dicts

FIRST: dict[bytes, type] = {b"{": dict, b"[": list, b"n": type(None)}
SHOWN_NAMES = 10
FIELD_NAME = re.compile(r"[@$]?[A-Za-z_][\w.-]{0,39}")
TYPE_NAMES = {"NoneType": "null", "Decimal": "float"}


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
                decode_raw = decode(value) if isinstance(value, Raw) else value
                found = "nothing" if decode_raw is MISSING else f"a {_type(decode_raw)}, not a list of records,"
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
