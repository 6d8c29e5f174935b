"""Records: the objects of a page, decoded without a dict for each.

Once the fields of a resource are known, its records are decoded into structs of exactly these fields and types. A page
with anything else is rejected by the struct decoder, and decoded as dicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Raw

from analytics_assets.rest_api.config import DataType
from analytics_assets.rest_api.extract.json_decoding import decode, decode_raw, number

NULL = Raw(b"null")
NESTED = (b"{", b"[")
# From here on a double may be a whole number that was rounded.
LIMIT_OF_DOUBLES = 2**53 - 1
STRICT: Mapping[DataType | None, Any] = {
    "text": str | None,
    "bigint": int | None,
    "double": Annotated[float, Meta(ge=-LIMIT_OF_DOUBLES, le=LIMIT_OF_DOUBLES)] | None,
    "bool": bool | None,
}


class Field(NamedTuple):
    """A field of the records.

    Attributes:
        name: Its name in the JSON.
        column: Its column.
        data_type: The type of all its values; None if the values have to be checked one by one.
        is_written_text: Whether its values are strings and other scalars that become text as they are written.
    """

    name: str
    column: str
    data_type: DataType | None = None
    is_written_text: bool = False

    @property
    def struct_type(self) -> tuple[Any, Any]:
        """The type and the default of the field in a struct."""
        if self.is_written_text or self.data_type == "json":
            return Raw, NULL
        return STRICT.get(self.data_type, Any), None

    def decode_all(self, values: Sequence[Any]) -> list[Any]:
        """The values of a struct's field as they would be in a dict."""
        if self.is_written_text:
            return list(map(as_written, values))
        return list(values if self.data_type in STRICT else map(decode_raw, values))


@dataclass(frozen=True)
class Records:
    """Records that one reader decoded into structs."""

    fields: Sequence[Field]
    structs: list[Any]

    def __len__(self) -> int:
        return len(self.structs)

    def values(self) -> Iterator[tuple[Field, Sequence[Any]]]:
        """The values of each field; Raw where their JSON text is needed."""
        columns = zip(*map(msgspec.structs.astuple, self.structs), strict=True) if self.structs else repeat(())
        yield from zip(self.fields, columns)  # noqa: B905

    def dicts(self) -> list[dict[str, Any]]:
        """The records as dicts of all fields."""
        names = [field.name for field in self.fields]
        columns = [field.decode_all(values) for field, values in self.values()]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


PageRecords = Records | list[Any]


def read_dicts(records: bytes) -> list[Any]:
    """The records of a JSON list as dicts; an element that is not an object is returned as it is.

    Raises:
        ResponseError: It is not JSON.
    """
    values: list[Any] = decode(records)
    return values


def concat_records(first: PageRecords, second: PageRecords) -> PageRecords | None:
    """The records of two pages together; None if they were decoded differently."""
    if isinstance(first, Records) and isinstance(second, Records) and first.fields is second.fields:
        return Records(first.fields, first.structs + second.structs)
    if isinstance(first, list) and isinstance(second, list):
        return first + second
    return None


class Reader:
    """Decodes lists of records that have no other fields than these."""

    def __init__(self, fields: Sequence[Field], skipped: Iterable[str] = ()) -> None:
        """
        Args:
            fields: The fields of the records.
            skipped: Names of fields that records may have too, and that are not decoded.

        Raises:
            ValueError: A struct cannot have a field of such a name.
        """
        self._fields = tuple(fields)
        names = {f"f{number}": field.name for number, field in enumerate(fields)}
        types = [(name, *field.struct_type) for name, field in zip(names, fields, strict=True)]
        for index, name in enumerate(skipped):  # after the others: values() ends before them
            names[f"s{index}"] = name
            types.append((f"s{index}", Raw, NULL))
        struct = msgspec.defstruct("Record", types, rename=names, forbid_unknown_fields=True, gc=False)
        self._decoder = msgspec.json.Decoder(list[struct], float_hook=number)  # type: ignore[valid-type]

    def read(self, records: bytes) -> Records | None:
        """The records; None if one has another field, or a value of another type."""
        with suppress(msgspec.DecodeError, ValueError, RecursionError):
            return Records(self._fields, self._decoder.decode(records))
        return None


def as_written(value: Raw) -> Any:
    """A string's value, another scalar's JSON text, None for null; objects and lists are decoded."""
    text = bytes(value)
    if text.startswith((b'"', *NESTED)):
        return decode(text)
    return None if text == b"null" else text.decode()


def scalars_as_written(records: bytes, dicts: Sequence[dict[str, Any]], fields: Sequence[str]) -> None:
    """Replaces scalars in dicts by their JSON text, which keeps 1.50 as it is.

    Args:
        records: The JSON list that the dicts were decoded from.
        dicts: The records, changed in place.
        fields: Names of the fields.
    """
    # JSON that msgspec does not decode, such as half of a surrogate pair, leaves the shortest text of a number.
    with suppress(msgspec.DecodeError, ValueError, RecursionError):
        for record, raw in zip(dicts, msgspec.json.decode(records, type=list[dict[str, Raw]]), strict=True):
            for field in fields:
                if not isinstance(record.get(field), (str, dict, list, type(None))):
                    record[field] = as_written(raw[field])
