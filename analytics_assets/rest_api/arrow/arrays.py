"""Arrays of struct values: the fast way to Arrow, for fields whose data type is known."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from analytics_assets.rest_api.config import DataType
from analytics_assets.rest_api.extract.records import STRICT

WHITESPACE = (b'": ', b", ", b"\n")  # between the parts of JSON that is not compact


def struct_array(values: Sequence[Any], data_type: DataType | None, arrow: pa.DataType) -> pa.Array | None:
    """The values of a field as an array of its column's type; None if a value is of another type after all."""
    try:
        if data_type == "json":
            return json_texts(values)
        return pa.array(values, arrow) if data_type in STRICT else None
    except (ValueError, OverflowError):  # Arrow's errors among them
        return None


def json_texts(values: Sequence[Raw]) -> pa.Array | None:
    """Objects and lists as compact JSON text; None if there are other values."""
    texts = _texts(values)
    nested = pc.or_(pc.starts_with(texts, "{"), pc.starts_with(texts, "["))
    return texts if pc.all(nested).as_py() is not False else None


def _texts(values: Sequence[Raw]) -> pa.Array:
    """The values as compact JSON text, null for null.

    Raises:
        pa.ArrowInvalid: The JSON is not UTF-8.
        OverflowError: It is longer than an array can be.
    """
    data = b"".join(values)
    if any(space in data for space in WHITESPACE):
        values = [Raw(msgspec.json.format(value, indent=-1)) for value in values]
        data = b"".join(values)
    ends = array("i", accumulate(map(len, values), initial=0))
    binary = pa.Array.from_buffers(pa.binary(), len(values), [None, pa.py_buffer(ends), pa.py_buffer(data)])
    texts = binary.cast(pa.string())  # checks that it is UTF-8
    return pc.if_else(pc.equal(texts, "null"), None, texts) if b"null" in data else texts
