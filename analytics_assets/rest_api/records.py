"""Records: the objects of a page, read without a dict for each, and their values as Arrow arrays.

Once the fields of a resource are known, its records are read into structs that take nothing but those fields, and in
each only what its column holds. A page that holds anything else is refused, and read the exact way: as dicts.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from analytics_assets.rest_api.config import Kind
from analytics_assets.rest_api.decoding import EXACT_DIGITS, decode, number

NULL = Raw(b"null")
STRICT: Mapping[Kind | None, Any] = {"text": str | None, "bigint": int | None, "bool": bool | None}
AS_WRITTEN: frozenset[Kind | None] = frozenset({"double", "json"})  # their digits and their text are kept
SPACED = (b'": ', b", ", b"\n")


class Field(NamedTuple):
    """A field, its column, and the kind that all its values are of; None if they have to be looked at one by one."""

    name: str
    column: str
    kind: Kind | None


@dataclass(frozen=True)
class Records:
    """Records that one reader read."""

    fields: Sequence[Field]
    structs: list[Any]

    def __len__(self) -> int:
        return len(self.structs)

    def values(self) -> Iterator[tuple[Field, Sequence[Any]]]:
        """The values of each field; Raw where they are kept as they are written."""
        yield from zip(self.fields, zip(*map(msgspec.structs.astuple, self.structs), strict=True), strict=True)

    def dicts(self) -> list[dict[str, Any]]:
        names = [field.name for field in self.fields]
        columns = [map(plain, values) for _, values in self.values()]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


PageRecords = Records | list[Any]


def read_dicts(records: bytes) -> list[Any]:
    """The records of a JSON list as dicts; what is no object is left as it is."""
    values: list[Any] = decode(records)
    return values


def merged(first: PageRecords, second: PageRecords) -> PageRecords | None:
    """The records of two pages as those of one; None if they were read differently."""
    if isinstance(first, Records) and isinstance(second, Records) and first.fields is second.fields:
        return Records(first.fields, first.structs + second.structs)
    if isinstance(first, list) and isinstance(second, list):
        return first + second
    return None


class Reader:
    """Reads lists of records that have no other fields than these."""

    def __init__(self, fields: Sequence[Field]) -> None:
        """Raises ValueError for names of fields that structs cannot have."""
        self._fields = tuple(fields)
        names = {f"f{number}": field.name for number, field in enumerate(fields)}
        types = [
            (name, Raw, NULL) if field.kind in AS_WRITTEN else (name, STRICT.get(field.kind, Any), None)
            for name, field in zip(names, fields, strict=True)
        ]
        struct = msgspec.defstruct("Record", types, rename=names, forbid_unknown_fields=True, gc=False)
        self._decoder = msgspec.json.Decoder(list[struct], float_hook=number)  # type: ignore[valid-type]

    def read(self, records: bytes) -> Records | None:
        """The records; None if one has another field, or a value of another kind."""
        with suppress(msgspec.DecodeError, ValueError, RecursionError):
            return Records(self._fields, self._decoder.decode(records))
        return None


def to_array(values: Sequence[Any], kind: Kind | None, arrow: pa.DataType) -> pa.Array | None:
    """The values of a field whose kind is known; None if some are not of the kind after all."""
    try:
        if kind == "double":
            return doubles(values)
        if kind == "json":
            return json_texts(values)
        return pa.array(values, arrow) if kind in STRICT else None
    except (ValueError, OverflowError):  # Arrow's errors among them
        return None


def plain(value: Any) -> Any:
    return decode(value) if isinstance(value, Raw) else value


def doubles(values: Sequence[Raw]) -> pa.Array | None:
    """JSON numbers as doubles; None if not all are numbers that a double holds with all their digits."""
    texts = _texts(values)
    parsed = texts.cast(pa.float64())
    lengths = pc.binary_length(texts)
    if pc.any(pc.is_inf(parsed)).as_py():
        return None
    if (pc.max(lengths).as_py() or 0) <= EXACT_DIGITS:
        return parsed
    odd = pc.and_(pc.greater(lengths, EXACT_DIGITS), pc.not_equal(parsed.cast(pa.string()), texts))
    exact = all(type(number(text)) is float for text in texts.filter(odd).to_pylist())
    return parsed if exact else None


def json_texts(values: Sequence[Raw]) -> pa.Array | None:
    """Objects and lists as their JSON, without the spaces between its parts; None if other values are among them."""
    texts = _texts(values)
    nested = pc.or_(pc.starts_with(texts, "{"), pc.starts_with(texts, "["))
    return texts if pc.all(nested).as_py() is not False else None


def _texts(values: Sequence[Raw]) -> pa.Array:
    """The JSON of the values, null for null.

    Raises:
        pa.ArrowInvalid: it is no UTF-8.
        OverflowError: it is more than an array takes.
    """
    data = b"".join(values)
    if any(space in data for space in SPACED):
        values = [Raw(msgspec.json.format(value, indent=-1)) for value in values]
        data = b"".join(values)
    ends = array("i", accumulate(map(len, values), initial=0))
    written = pa.Array.from_buffers(pa.binary(), len(values), [None, pa.py_buffer(ends), pa.py_buffer(data)])
    texts = written.cast(pa.string())  # checks that it is UTF-8
    return pc.if_else(pc.equal(texts, "null"), None, texts) if b"null" in data else texts
