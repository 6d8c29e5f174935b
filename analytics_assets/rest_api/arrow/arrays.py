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
from analytics_assets.rest_api.extract.json_decoding import EXACT_DIGITS, number
from analytics_assets.rest_api.extract.records import STRICT

WHITESPACE = (b'": ', b", ", b"\n")  # between the parts of JSON that is not compact


def struct_array(values: Sequence[Any], data_type: DataType | None, arrow: pa.DataType) -> pa.Array | None:
    """The values of a field as an array of its column's type; None if a value is of another type after all."""
    try:
        if data_type == "double":
            return doubles(values)
        if data_type == "json":
            return json_texts(values)
        return pa.array(values, arrow) if data_type in STRICT else None
    except (ValueError, OverflowError):  # Arrow's errors among them
        return None


def doubles(values: Sequence[Raw]) -> pa.Array | None:
    """JSON numbers as doubles; None if one is not a number, or has more digits than a double holds."""
    texts = _texts(values)
    parsed = texts.cast(pa.float64())
    lengths = pc.binary_length(texts)
    if pc.any(pc.is_inf(parsed)).as_py():
        return None
    if (pc.max(lengths).as_py() or 0) <= EXACT_DIGITS:
        return parsed
    is_doubtful = pc.or_(pc.not_equal(parsed.cast(pa.string()), texts), pc.invert(pc.match_substring(texts, ".")))
    doubtful = texts.filter(pc.and_(pc.greater(lengths, EXACT_DIGITS), is_doubtful))
    return parsed if all(map(_fits_double, doubtful.to_pylist())) else None


def _fits_double(text: str) -> bool:
    """Whether a double holds a whole number exactly, and a fraction with all its digits."""
    if text.removeprefix("-").isdecimal():
        return float(text) == int(text)
    return type(number(text)) is float


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
