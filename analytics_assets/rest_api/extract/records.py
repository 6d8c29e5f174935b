"""Records: the objects of a page, read without a dict for each, and their values as Arrow arrays.

Once the fields of a resource are known, its records are read into structs that take nothing but those fields, and in
each only what its column holds. A page that holds anything else is refused, and read the exact way: as dicts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from analytics_assets.rest_api.config import DataType
from analytics_assets.rest_api.extract.json_decoding import decode, number

NULL = Raw(b"null")
STRICT: Mapping[DataType | None, Any] = {"text": str | None, "bigint": int | None, "bool": bool | None}
KEPT_AS_JSON: frozenset[DataType | None] = frozenset({"double", "json"})  # their digits and their text are kept


class Field(NamedTuple):
    """A field, its column, and the kind that all its values are of; None if they have to be looked at one by one."""

    name: str
    column: str
    data_type: DataType | None


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
        columns = [map(decode_raw, values) for _, values in self.values()]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


PageRecords = Records | list[Any]


def read_dicts(records: bytes) -> list[Any]:
    """The records of a JSON list as dicts; what is no object is left as it is."""
    values: list[Any] = decode(records)
    return values


def concat_records(first: PageRecords, second: PageRecords) -> PageRecords | None:
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
            (name, Raw, NULL) if field.data_type in KEPT_AS_JSON else (name, STRICT.get(field.data_type, Any), None)
            for name, field in zip(names, fields, strict=True)
        ]
        struct = msgspec.defstruct("Record", types, rename=names, forbid_unknown_fields=True, gc=False)
        self._decoder = msgspec.json.Decoder(list[struct], float_hook=number)  # type: ignore[valid-type]

    def read(self, records: bytes) -> Records | None:
        """The records; None if one has another field, or a value of another kind."""
        with suppress(msgspec.DecodeError, ValueError, RecursionError):
            return Records(self._fields, self._decoder.decode(records))
        return None


def decode_raw(value: Any) -> Any:
    return decode(value) if isinstance(value, Raw) else value
