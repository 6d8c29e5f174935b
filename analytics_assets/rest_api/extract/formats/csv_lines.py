"""CSV (RFC 4180): a header line, then one record per line; cells are text unless their column is declared."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import Raw
from pyarrow import csv as arrow_csv

from analytics_assets.rest_api.config import DataType
from analytics_assets.rest_api.errors import ResponseError

CHUNK_ROWS = 10_000  # rows as Python objects at once
MAX_BLOCK_BYTES = 2**31 - 1  # Arrow's
INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
JSON = msgspec.json.Decoder(Raw)
encode = msgspec.json.Encoder().encode


def csv_to_json(body: bytes, columns: Mapping[str, DataType], expected: Sequence[str] = ()) -> bytes:
    """The lines below the header as one JSON list of objects.

    An empty cell is null, and `""` is an empty text. A cell of a declared column is a number, a boolean or JSON if it
    is written as one, else text, which is a type change.

    Args:
        body: The body, in UTF-8.
        columns: The data types of declared columns, by field.
        expected: Fields of which a header has at least one.

    Raises:
        ResponseError: The body is not CSV with a header. The message names the line, and quotes nothing of it.
    """
    names = _header(body)
    table = _table(body, names)
    if table.num_rows == 1:
        _check_is_header(names, expected)
    parts = []
    for start in range(1, table.num_rows, CHUNK_ROWS):  # row 0 is the header
        cells = table.slice(start, CHUNK_ROWS)
        values = [_typed(column.to_pylist(), columns.get(name)) for name, column in zip(names, cells, strict=True)]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
        parts.append(encode(rows)[1:-1])
    return b"[%b]" % b",".join(parts)


def _header(body: bytes) -> list[str]:
    """The names of the columns.

    Raises:
        ResponseError: There is no header, or a name is blank or repeated.
    """
    if not body.strip():
        raise ResponseError("the response is empty where a header line of CSV was expected")
    if body.lstrip()[:1] in (b"{", b"[") and isinstance(_parse_json(body), Raw):
        raise ResponseError("the API returned JSON, not CSV: if that is not an error message, write `format: json`")
    names = next(row for _, row in _rows(body))
    if not names:
        raise ResponseError("line 1 of the CSV is blank: the first line must be a header")
    for position, name in enumerate(names, 1):
        if not name.strip():
            raise ResponseError(f"line 1 of the CSV has no name for column {position}: the first line must be a header")
        if (first := names.index(name) + 1) < position:
            raise ResponseError(f"line 1 of the CSV has the same name for the columns {first} and {position}")
    if len(names) == 1 and (other := next((sign for sign in OTHER_DELIMITERS if sign in names[0]), None)):
        raise ResponseError(f"the CSV seems to be separated by {OTHER_DELIMITERS[other]}: only commas are read")
    return names


def _check_is_header(names: Sequence[str], expected: Sequence[str]) -> None:
    """Raises ResponseError if the only line may be an error message with status 200."""
    if not set(names) & set(expected) if expected else len(names) == 1:
        hint = f"none of the fields {', '.join(map(repr, expected))}" if expected else "one cell only"
        raise ResponseError(
            f"the response is one line with {hint}: it may be an error message of the API. A CSV without rows has a "
            "header line with the names of its columns"
        )


def _table(body: bytes, names: Sequence[str]) -> pa.Table:
    """All lines as text, the header among them.

    Raises:
        ResponseError: A line has more or fewer cells than the header, or is not UTF-8.
    """
    positions = [str(position) for position in range(len(names))]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(body),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=min(len(body) + 1, MAX_BLOCK_BYTES), column_names=positions
            ),
            # A blank line is no record, except where it is an empty cell.
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=len(names) > 1),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(positions, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:  # its message quotes the line
        _check_lines(body, len(names))
        raise ResponseError("the response cannot be read as CSV") from None
    if body.count(b'"') % 2:  # Arrow reads a cell without its closing quote to the end of the body
        _check_lines(body, len(names))
    return table


def _check_lines(body: bytes, width: int) -> None:
    """Raises ResponseError for the first line that is not one of `width` cells."""
    for line, row in _rows(body):
        if row and len(row) != width:
            raise ResponseError(
                f"line {line} of the CSV has {len(row)} cells, but the header has {width}: the response was cut off, "
                "or a cell with a comma is not quoted"
            )


def _rows(body: bytes) -> Iterator[tuple[int, list[str]]]:
    """The lines as Python's parser reads them, each with the number of its last line; slow.

    Raises:
        ResponseError: A line is not CSV, or not UTF-8.
    """
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(body), "utf-8", newline=""), strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except UnicodeDecodeError:
        raise ResponseError(
            f"the CSV is not valid UTF-8 at line {_undecodable_line(body)}: only UTF-8 can be read"
        ) from None
    except csv.Error as error:
        raise ResponseError(f"the CSV is not valid at line {reader.line_num}: {error}") from None


def _undecodable_line(body: bytes) -> int:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return body.count(b"\n", 0, error.start) + 1
    return 0


def _typed(cells: list[str | None], data_type: DataType | None) -> list[Any]:
    """The cells of a column as values of its declared type. A cell that is not written as one stays text."""
    if data_type is None or data_type == "text":
        return cells
    parse = PARSERS.get(data_type, str)
    return [parse(cell) if cell else None for cell in cells]


def _parse_bool(cell: str) -> Any:
    return {"true": True, "false": False}.get(cell.lower(), cell)


def _parse_json(cell: str | bytes) -> Any:
    try:
        return JSON.decode(cell)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return cell


PARSERS: Mapping[DataType, Callable[[str], Any]] = {
    "bool": _parse_bool,
    "bigint": lambda cell: Raw(cell.encode()) if INTEGER.fullmatch(cell) else cell,
    "double": lambda cell: Raw(cell.encode()) if NUMBER.fullmatch(cell) else cell,
    "json": _parse_json,
}
