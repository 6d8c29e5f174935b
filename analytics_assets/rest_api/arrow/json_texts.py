"""JSON texts: nested values as an Arrow array of text, as the API wrote them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

WHITESPACE = (b'": ', b", ", b"\n")  # between the parts of JSON that is not compact


def json_texts(values: Sequence[Raw], rewritten: pa.Array) -> pa.Array | None:
    """Objects and lists as compact JSON text; None if there are other values, or an array cannot hold them.

    Args:
        values: The values.
        rewritten: The values as DuckDB writes them: compact, with fewer digits and other escapes.
    """
    try:
        texts = rewritten if _is_as_written(values, rewritten) else _texts(values)
    except (ValueError, OverflowError):  # Arrow's errors among them
        return None
    nested = pc.or_(pc.starts_with(texts, "{"), pc.starts_with(texts, "["))
    return texts if pc.all(nested).as_py() is not False else None


def _is_as_written(values: Sequence[Raw], rewritten: pa.Array) -> bool:
    """Whether all texts are equal. Texts of objects, lists and null are equal if they are in a row."""
    filled = pc.fill_null(rewritten, "null")
    _, ends, data = filled.buffers()
    if filled.offset or not data:
        return False
    size = memoryview(ends).cast("i")[len(filled)]
    return bool(pa.py_buffer(b"".join(values)).equals(data.slice(0, size)))


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
