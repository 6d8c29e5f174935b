"""Record arrays: proven records become arrays in DuckDB, which needs no Python object for a value.

DuckDB's `from_json` casts silently, and of two equal keys it takes the first. Neither happens to proven records: their
types are those of the columns, and `from_json_strict` refuses records with equal keys.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from analytics_assets.rest_api.arrow.column_types import ARROW, ColumnType
from analytics_assets.rest_api.arrow.table_columns import TableColumns
from analytics_assets.rest_api.arrow.timestamps import json_type, parse_array
from analytics_assets.rest_api.config import DataType
from analytics_assets.rest_api.extract.records import Field, Records

DUCKDB_TYPES: dict[DataType | None, str] = {
    "text": "VARCHAR",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "json": "JSON",
}
ROWS = "SELECT row_.* FROM (SELECT unnest(from_json_strict(page, ?)) AS row_ FROM pages)"
CHUNK_BYTES = 500_000  # fits into the CPU's cache; each thread of DuckDB takes one chunk after the other
WHITESPACE = (b'": ', b", ", b"\n")  # between the parts of JSON that is not compact
# Without a temporary directory, which would be beside the program: beyond the memory the records become dicts.
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "memory_limit": "200MB",
    "temp_directory": "",
    "autoinstall_known_extensions": False,
}


class RecordArrays:
    """Converts proven records to arrays."""

    def __init__(self, columns: TableColumns, key: Collection[str]) -> None:
        """
        Args:
            columns: The columns of the table.
            key: The columns of the primary key that are fields of records.
        """
        self._columns = columns
        self._key = key
        self._connection: duckdb.DuckDBPyConnection | None = None

    def close(self) -> None:
        """Free DuckDB's memory."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def convert(self, records: Records) -> dict[str, pa.Array] | None:
        """The arrays of all fields; None if the records have to be converted as dicts.

        Raises:
            DataError: The values cannot be loaded exactly.
        """
        read, kept = self._read(records), records.kept_values()
        if read is None or not self._has_keys(read, kept):
            return None
        arrays: dict[str, pa.Array] = {}
        for field in records.fields:
            if field.is_proven:
                arrays.update(self._proven_arrays(field, read[field]))
            else:
                arrays.update(self._kept_arrays(field, kept[field], read.get(field)))
        return arrays

    def _has_keys(self, read: dict[Field, pa.Array], kept: dict[Field, list[Any]]) -> bool:
        """Whether no key is null: the error, and the rows to skip, need dicts."""
        nulls = {field.column: values.null_count for field, values in read.items()}
        nulls |= {
            field.column: field.decode_all(kept[field]).count(None) for field in kept if field.column in self._key
        }
        return all(nulls.get(column, 1) == 0 for column in self._key)

    def _proven_arrays(self, field: Field, values: pa.Array) -> Iterator[tuple[str, pa.Array]]:
        column = self._columns.types.get(field.column)
        converted = _to_column(values, field, column) if column else None
        if converted is None:  # the column has another type by now
            yield from self._columns.arrays(field.column, field.name, values.to_pylist())
            return
        self._columns.record_inexact(field.column, converted)
        yield field.column, converted

    def _kept_arrays(self, field: Field, values: list[Any], read: pa.Array | None) -> Iterator[tuple[str, pa.Array]]:
        column = self._columns.types.get(field.column)
        texts = json_texts(values, read) if read is not None and column and column.data_type == "json" else None
        if texts is None:
            yield from self._columns.arrays(field.column, field.name, field.decode_all(values))
        else:
            yield field.column, texts

    def _read(self, records: Records) -> dict[Field, pa.Array] | None:
        """The values of fields with a data type; None if DuckDB refuses records: with equal keys, or too large ones."""
        fields = [field for field in records.fields if field.data_type]
        if not fields:
            return {}
        structure = json.dumps([{field.name: DUCKDB_TYPES[field.data_type] for field in fields}], ensure_ascii=False)
        try:
            connection = self._connection = self._connection or duckdb.connect(config=SETTINGS)
            connection.register("pages", pa.Table.from_batches(map(_batch, _chunks(records.complete))))
            rows = connection.sql(ROWS, params=[structure]).to_arrow_table()
            connection.unregister("pages")
        except (duckdb.Error, pa.ArrowException, OverflowError):
            return None
        if rows.num_rows != records.count or rows.num_columns != len(fields):
            return None
        return {
            field: column.cast(ARROW[field.data_type]).combine_chunks()
            for field, column in zip(fields, rows.columns, strict=True)
            if field.data_type
        }


def _to_column(values: pa.Array, field: Field, column: ColumnType) -> pa.Array | None:
    """The values as the column's type; None if its values have to be converted one by one."""
    if column.data_type == "timestamp" and field.data_type == json_type(column.format):
        try:
            return parse_array(values, column.format)
        except (ValueError, OverflowError):  # Arrow's errors among them
            return None
    return values if field.data_type == column.data_type else None


def _chunks(pages: Sequence[bytes]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    size = 0
    for page in pages:
        chunk.append(page)
        size += len(page)
        if size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _batch(pages: list[bytes]) -> pa.RecordBatch:
    """The pages as texts. That they are UTF-8 is checked by DuckDB."""
    ends = array("i", accumulate(map(len, pages), initial=0))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(pages))]
    return pa.RecordBatch.from_arrays([pa.Array.from_buffers(pa.string(), len(pages), buffers)], ["page"])


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
