"""Coercion: JSON values -> an Arrow array of a column's type, exactly; other values are type mismatches."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

import msgspec
import pyarrow as pa

from analytics_assets.rest_api.arrow.column_types import ColumnType, value_type
from analytics_assets.rest_api.arrow.numbers import MAX_EXACT, is_whole
from analytics_assets.rest_api.arrow.timestamps import DAY, parse_decimal, parse_timestamp, parse_timestamps
from analytics_assets.rest_api.config import DataType

MISMATCH: Final = object()
PYTHON_TYPE: dict[DataType, type] = {"bool": bool, "bigint": int, "double": float, "text": str}
encode = msgspec.json.Encoder(decimal_format="number").encode


def to_array(values: Sequence[Any], column: ColumnType) -> tuple[pa.Array, list[int]]:
    """The values as an array of the column's type.

    Returns:
        The array, and the indices of values of another type, which are null in it.

    Raises:
        RecursionError: A value is nested deeper than can be written.
    """
    try:
        array = _all_to_array(values, set(map(type, values)) - {type(None)}, column)
    except (ValueError, OverflowError):  # Arrow's errors among them
        array = None
    if array is not None:
        return array, []
    coerced = [None if value is None else coerce(value, column) for value in values]
    mismatches = [index for index, value in enumerate(coerced) if value is MISMATCH]
    for index in mismatches:
        coerced[index] = None
    return pa.array(coerced, column.arrow), mismatches


def _all_to_array(values: Sequence[Any], types: set[type], column: ColumnType) -> pa.Array | None:
    """The fast way, if no value is a mismatch: None or an error if the values have to be coerced one by one."""
    data_type = column.data_type
    if not types:
        return pa.nulls(len(values), column.arrow)
    if data_type == "timestamp":
        return parse_timestamps(values, types, column.format)
    if data_type == "json" and types <= {dict, list}:
        return pa.array([None if value is None else encode(value) for value in values], pa.string())
    if data_type == "decimal":
        return pa.array([None if value is None else _to_decimal(value, column) for value in values], column.arrow)
    if data_type == "double" and types <= {int, float}:
        # Arrow rounds whole numbers beyond 64 bits.
        are_small = all(type(value) is not int or -MAX_EXACT <= value <= MAX_EXACT for value in values)
        return pa.array(values, column.arrow) if are_small else None
    if data_type in PYTHON_TYPE and {PYTHON_TYPE[data_type]} == types:
        return pa.array(values, column.arrow)
    return None


def coerce(value: Any, column: ColumnType) -> Any:
    """The value as Arrow takes it for the column, or MISMATCH."""
    try:
        return COERCERS[column.data_type](value, column)
    except (ValueError, OverflowError):
        return MISMATCH


def variant_value(value: Any) -> tuple[DataType, Any]:
    """The data type of the variant column for a value that its own column cannot store, and the value stored there.

    Text with half of a surrogate pair, which no database takes, is stored as its JSON, in which it is escaped.
    """
    if isinstance(value, Decimal):
        return "text", str(value)  # more digits than a double has
    data_type = value_type(value)
    coerced = coerce(value, ColumnType(data_type))
    return ("text", json.dumps(value, default=str)) if coerced is MISMATCH else (data_type, coerced)


def _coerce_plain(value: Any, column: ColumnType) -> Any:
    is_of_type = type(value) is PYTHON_TYPE[column.data_type] and value_type(value) == column.data_type
    return value if is_of_type else MISMATCH


def _coerce_double(value: Any, column: ColumnType) -> Any:  # noqa: ARG001
    if type(value) is int:
        return float(value) if float(value) == value else MISMATCH
    return float(value) if isinstance(value, (float, Decimal)) else MISMATCH


def _coerce_text(value: Any, column: ColumnType) -> Any:
    if type(value) is str:
        return value if value.isascii() or value.encode() else MISMATCH
    if column.declared and isinstance(value, (bool, int, float, Decimal)):
        return encode(value).decode()
    return str(value) if type(value) is int and value_type(value) == "text" else MISMATCH


def _coerce_json(value: Any, column: ColumnType) -> Any:
    return encode(value).decode() if column.declared or isinstance(value, (dict, list)) else MISMATCH


def _coerce_decimal(value: Any, column: ColumnType) -> Any:
    return pa.scalar(_to_decimal(value, column), column.arrow).as_py()


def _coerce_date(value: Any, column: ColumnType) -> Any:  # noqa: ARG001
    return date.fromisoformat(value) if type(value) is str and DAY.fullmatch(value) else MISMATCH


def _coerce_timestamp(value: Any, column: ColumnType) -> Any:
    return parse_timestamp(value, column.format)


def _to_decimal(value: Any, column: ColumnType) -> Decimal:
    if is_whole(column) and type(value) is not int:
        raise ValueError("a fraction or text where a whole number is expected")
    if type(value) is str and not column.declared:
        raise ValueError("text where a number is expected")
    return parse_decimal(value)


COERCERS: Mapping[DataType, Callable[[Any, ColumnType], Any]] = {
    "bool": _coerce_plain,
    "bigint": _coerce_plain,
    "double": _coerce_double,
    "text": _coerce_text,
    "json": _coerce_json,
    "decimal": _coerce_decimal,
    "date": _coerce_date,
    "timestamp": _coerce_timestamp,
}
