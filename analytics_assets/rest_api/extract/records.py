"""Records: the objects of a page, whose types are proven without keeping an object for each value.

Once the fields of a resource are known, its records are decoded into structs of exactly these fields and types, and the
structs are dropped: the JSON can then be converted by a program that casts silently. A page with anything else is
rejected by the struct decoder, and decoded as dicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Raw

from analytics_assets.rest_api.config import DataType
from analytics_assets.rest_api.extract.json_decoding import decode, decode_raw, number

NULL = Raw(b"null")
NESTED = (b"{", b"[")
MAX_BIGINT = 2**63 - 1
MAX_WHOLE_DOUBLE = 2**53 - 1  # beyond, a double may be a whole number that was rounded
STRICT: Mapping[DataType | None, Any] = {
    "text": str | None,
    "bigint": Annotated[int, Meta(ge=-MAX_BIGINT - 1, le=MAX_BIGINT)] | None,
    "double": Annotated[float, Meta(ge=-MAX_WHOLE_DOUBLE, le=MAX_WHOLE_DOUBLE)] | None,
    "bool": bool | None,
}
encode = msgspec.json.Encoder(decimal_format="number").encode


class Field(NamedTuple):
    """A field of the records.

    Attributes:
        name: Its name in the JSON.
        column: Its column.
        data_type: The type of all its values in the JSON; None if the values have to be checked one by one.
        is_written_text: Whether its values are strings and other scalars that become text as they are written.
    """

    name: str
    column: str
    data_type: DataType | None = None
    is_written_text: bool = False

    @property
    def is_proven(self) -> bool:
        """Whether the struct decoder proves the type of its values; otherwise the values are kept."""
        return self.data_type in STRICT

    @property
    def struct_type(self) -> tuple[Any, Any]:
        """The type and the default of the field in a struct."""
        if self.is_written_text or self.data_type == "json":
            return Raw, NULL
        return STRICT.get(self.data_type, Any), None

    def decode_all(self, values: Sequence[Any]) -> list[Any]:
        """The kept values as they would be in a dict."""
        return list(map(as_written if self.is_written_text else decode_raw, values))


@dataclass(frozen=True)
class Records:
    """Records that one reader has proven.

    Attributes:
        fields: The fields of the records.
        pages: The JSON lists of the records, as the API sent them.
        complete: The same lists in which each record has each field of a proven type.
        count: The number of records.
        kept: The values of the fields whose type is not proven; Raw where their JSON text is needed.
        skipped: Fields in the JSON that are not loaded.
    """

    fields: Sequence[Field]
    pages: tuple[bytes, ...]
    complete: tuple[bytes, ...]
    count: int
    kept: Sequence[list[Any]]
    skipped: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return self.count

    def kept_values(self) -> dict[Field, list[Any]]:
        """The values of each field whose type is not proven."""
        return dict(zip((field for field in self.fields if not field.is_proven), self.kept, strict=True))

    def dicts(self) -> list[dict[str, Any]]:
        """The records as dicts."""
        records: list[dict[str, Any]] = [record for page in self.pages for record in decode(page)]
        for name in self.skipped:
            for record in records:
                record.pop(name, None)
        for field, values in self.kept_values().items():
            if field.is_written_text:
                for record, value in zip(records, field.decode_all(values), strict=True):
                    record[field.name] = value
        return records


PageRecords = Records | list[Any]


def read_dicts(records: bytes) -> list[Any]:
    """The records of a JSON list as dicts; an element that is not an object is returned as it is.

    Raises:
        ResponseError: It is not JSON.
    """
    values: list[Any] = decode(records)
    return values


def concat_records(pages: Sequence[PageRecords]) -> PageRecords:
    """The records of several pages together. Either all are dicts, or one reader has proven all."""
    proven = [page for page in pages if isinstance(page, Records)]
    if not proven:
        return list(chain.from_iterable(pages))  # type: ignore[arg-type]
    return Records(
        proven[0].fields,
        tuple(chain.from_iterable(page.pages for page in proven)),
        tuple(chain.from_iterable(page.complete for page in proven)),
        sum(map(len, proven)),
        [list(chain.from_iterable(values)) for values in zip(*(page.kept for page in proven), strict=True)],
        proven[0].skipped,
    )


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
        self._skipped = frozenset(skipped)
        names = {f"f{number}": field.name for number, field in enumerate(fields)}
        types = [(name, *field.struct_type) for name, field in zip(names, fields, strict=True)]
        kept = [name for name, field in zip(names, fields, strict=True) if not field.is_proven]
        self._kept = [attrgetter(name) for name in kept]
        # A record may lack fields whose values are only kept, or skipped.
        required = [item[:2] if field.data_type else item for item, field in zip(types, fields, strict=True)]
        for index, name in enumerate(self._skipped):
            names[f"s{index}"] = name
            types.append((f"s{index}", Raw, NULL))
        required += types[len(fields) :]
        self._decoder, self._complete_decoder = self._build_decoder(types, names), self._build_decoder(required, names)
        self._are_complete = True

    def _build_decoder(self, types: Sequence[Any], names: Mapping[str, str]) -> msgspec.json.Decoder[list[Any]]:
        struct = msgspec.defstruct("Record", types, rename=names, forbid_unknown_fields=True, gc=False, kw_only=True)
        return msgspec.json.Decoder(list[struct], float_hook=number)  # type: ignore[valid-type]

    def read(self, records: bytes) -> Records | None:
        """The records; None if one has another field, or a value of another type."""
        with suppress(msgspec.DecodeError, ValueError, RecursionError):
            if self._are_complete:
                with suppress(msgspec.ValidationError):
                    return self._records(records, self._complete_decoder.decode(records), records)
            structs = self._decoder.decode(records)
            self._are_complete = False  # later records lack fields too
            return self._records(records, structs, encode(structs))
        return None

    def _records(self, records: bytes, structs: list[Any], complete: bytes) -> Records:
        kept = [list(map(value_of, structs)) for value_of in self._kept]
        return Records(self._fields, (records,), (complete,), len(structs), kept, self._skipped)


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
