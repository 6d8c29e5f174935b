"""What a column holds: which JSON values are of a kind, and how they are written in Arrow, exactly or not at all."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.schema.typing import TColumnSchema

from analytics_assets.rest_api.config import Column, DataType

MISMATCH: Final = object()
UTC = pa.timestamp("us", "UTC")
ARROW: dict[DataType, pa.DataType] = {
    "bool": pa.bool_(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "text": pa.string(),
    "json": pa.string(),
    "timestamp": UTC,
    "date": pa.date32(),
}
KINDS: Mapping[str, DataType] = {
    **{data_type: data_type for data_type in ARROW},
    "decimal": "decimal",
    "wei": "decimal",
}
INFERRED_TYPE: dict[type, DataType] = {
    bool: "bool",
    int: "bigint",
    float: "double",
    Decimal: "double",
    str: "text",
    dict: "json",
    list: "json",
}
MAX_DECIMAL_DIGITS = 38
PYTHON_TYPE: dict[DataType, type] = {"bool": bool, "bigint": int, "double": float, "text": str}
EPOCH_UNITS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}  # in microseconds
ISO_FORMATS = ("iso8601", "date-time", "date")
# The first of year 1 and the last of year 9999: beyond them Python and many tools have no dates.
FIRST_MOMENT, LAST_MOMENT = -62_135_596_800_000_000, 253_402_300_799_999_999
NUMERAL = re.compile(r"-?\d{1,100}(\.\d{1,100})?", re.ASCII)
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
encode = msgspec.json.Encoder(decimal_format="number").encode


def infer_data_type(value: Any) -> DataType:
    """The kind of a column that `value` is the first of. Integers keep all digits."""
    if type(value) is int and not -(2**63) <= value < 2**63:
        return "decimal" if abs(value) < 10**MAX_DECIMAL_DIGITS else "text"
    return INFERRED_TYPE[type(value)]


def declared_type(column: Column) -> ColumnType:
    precision, scale = column.precision, column.scale
    if column.data_type == "decimal" and precision is None and scale is None:
        scale = 9  # dlt's default
    return ColumnType(
        column.data_type,
        format=column.format or "iso8601",
        precision=precision or MAX_DECIMAL_DIGITS,
        scale=scale or 0,
        declared=True,
    )


@dataclass(frozen=True)
class ColumnType:
    """A column's kind. JSON has no moments, days and decimals: they are read from text and numbers.

    A moment is a count of microseconds: finer fractions are cut off. Text without an offset is UTC. A column that is
    declared as `json` holds any JSON value, one that is not holds objects and lists only; decimals are read from
    text if they are declared.
    """

    data_type: DataType
    format: str = "iso8601"
    precision: int = MAX_DECIMAL_DIGITS
    scale: int = 0
    declared: bool = False

    def __str__(self) -> str:
        return f"decimal({self.precision}, {self.scale})" if self.data_type == "decimal" else self.data_type

    def can_store(self, other: ColumnType) -> bool:
        """Whether all values of the other are kept whole in a column of this."""
        if self.data_type == other.data_type == "decimal":
            return self.scale >= other.scale and self.precision - self.scale >= other.precision - other.scale
        return self.data_type == other.data_type

    @property
    def arrow(self) -> pa.DataType:
        if self.data_type != "decimal":
            return ARROW[self.data_type]
        wide = self.precision > MAX_DECIMAL_DIGITS
        return pa.decimal256(self.precision, self.scale) if wide else pa.decimal128(self.precision, self.scale)

    @classmethod
    def of(cls, column: TColumnSchema) -> ColumnType:
        """The type of a column as dlt knows it; if it is of no kind that is loaded here, text."""
        data_type = KINDS.get(str(column.get("data_type")), "text")
        precision, scale = column.get("precision"), column.get("scale")
        return (
            cls(data_type, precision=precision, scale=scale or 0)
            if data_type == "decimal" and precision
            else cls(data_type)
        )

    def dlt_column(self, name: str, *, nullable: bool) -> TColumnSchema:
        column: TColumnSchema = {"name": name, "data_type": self.data_type, "nullable": nullable}
        if self.data_type == "decimal":
            column |= {"precision": self.precision, "scale": self.scale}
        if self.data_type == "timestamp":
            column["precision"] = 6
        return column

    def convert(self, values: Sequence[Any]) -> tuple[pa.Array, list[int]]:
        """The values as an array, and the rows whose value is of another kind, which are null in it."""
        try:
            array = self._convert_all(values, set(map(type, values)) - {type(None)})
        except (ValueError, OverflowError):  # Arrow's errors among them
            array = None
        if array is not None:
            return array, []
        fitted = [None if value is None else self.coerce(value) for value in values]
        mismatches = [row for row, value in enumerate(fitted) if value is MISMATCH]
        for row in mismatches:
            fitted[row] = None
        return pa.array(fitted, self.arrow), mismatches

    def _convert_all(self, values: Sequence[Any], types: set[type]) -> pa.Array | None:
        """The fast way, for values that all fit: None or an error if they have to be looked at one by one."""
        data_type = self.data_type
        if not types:
            return pa.nulls(len(values), self.arrow)
        if data_type == "timestamp" and types == {str} and self.format in ISO_FORMATS:
            return _in_range(_parse_iso(pa.array(values, pa.string())))
        if data_type == "timestamp" and types == {int} and self.format in EPOCH_UNITS:
            units = pa.array(values, pa.int64())
            return _in_range(pc.multiply_checked(units, EPOCH_UNITS[self.format]).cast(UTC))
        if data_type == "json" and types <= {dict, list}:
            return pa.array([None if value is None else encode(value) for value in values], pa.string())
        if data_type == "decimal":
            return pa.array([None if value is None else self._decimal(value) for value in values], self.arrow)
        if data_type == "double" and types == {int, float}:
            return pa.array(values, self.arrow)  # Arrow refuses integers that a double does not hold
        if data_type in PYTHON_TYPE and {PYTHON_TYPE[data_type]} == types:
            return pa.array(values, self.arrow)
        return None

    def coerce(self, value: Any) -> Any:
        """The value as Arrow takes it, or MISFIT."""
        try:
            return COERCERS[self.data_type](self, value)
        except (ValueError, OverflowError):
            return MISMATCH

    def _coerce_plain(self, value: Any) -> Any:
        return (
            value
            if type(value) is PYTHON_TYPE[self.data_type] and infer_data_type(value) == self.data_type
            else MISMATCH
        )

    def _coerce_double(self, value: Any) -> Any:
        if type(value) is int:
            return float(value) if float(value) == value else MISMATCH
        return float(value) if isinstance(value, (float, Decimal)) else MISMATCH

    def _coerce_text(self, value: Any) -> Any:
        if type(value) is int and infer_data_type(value) == "text":
            return str(value)
        return value if type(value) is str and (value.isascii() or value.encode()) else MISMATCH

    def _coerce_json(self, value: Any) -> Any:
        return encode(value).decode() if self.declared or isinstance(value, (dict, list)) else MISMATCH

    def _coerce_decimal(self, value: Any) -> Any:
        return pa.scalar(self._decimal(value), self.arrow).as_py()

    def _coerce_date(self, value: Any) -> Any:
        return date.fromisoformat(value) if type(value) is str and DAY.fullmatch(value) else MISMATCH

    def _coerce_timestamp(self, value: Any) -> Any:
        if self.format in EPOCH_UNITS:
            microseconds = _decimal(value) * EPOCH_UNITS[self.format]
            return math.floor(microseconds) if FIRST_MOMENT <= microseconds <= LAST_MOMENT else MISMATCH
        if type(value) is not str or (self.format in ISO_FORMATS and not DAY.match(value)):
            return MISMATCH
        if self.format in ISO_FORMATS:
            return _in_range(_parse_iso(pa.array([value], pa.string())))[0].value
        moment = datetime.strptime(value, self.format)
        return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)

    def _decimal(self, value: Any) -> Decimal:
        if type(value) is str and not self.declared:
            raise ValueError("text where a number was expected")
        return _decimal(value)


COERCERS: Mapping[DataType, Callable[[ColumnType, Any], Any]] = {
    "bool": ColumnType._coerce_plain,
    "bigint": ColumnType._coerce_plain,
    "double": ColumnType._coerce_double,
    "text": ColumnType._coerce_text,
    "json": ColumnType._coerce_json,
    "decimal": ColumnType._coerce_decimal,
    "date": ColumnType._coerce_date,
    "timestamp": ColumnType._coerce_timestamp,
}


def variant_value(value: Any) -> tuple[DataType, Any]:
    """The kind of variant column for a value that is not of its column's kind, and the value as it is kept there.

    Text with halves of surrogate pairs, which no database takes, is kept as its JSON, in which they are escaped.
    """
    if isinstance(value, Decimal):
        return "text", str(value)  # more digits than a double has
    data_type = infer_data_type(value)
    fitted = ColumnType(data_type).coerce(value)
    return ("text", json.dumps(value, default=str)) if fitted is MISMATCH else (data_type, fitted)


def _decimal(value: Any) -> Decimal:
    """A number, or text that is one, with all its digits.

    Raises:
        ValueError: it is something else.
    """
    if type(value) is float:
        return Decimal(repr(value))
    if type(value) in (int, Decimal) or (type(value) is str and NUMERAL.fullmatch(value)):
        return Decimal(value)
    raise ValueError("not a number")


def _parse_iso(texts: pa.Array) -> pa.Array:
    """ISO 8601 as timestamps, all with an offset or all without.

    Raises:
        pa.ArrowInvalid: a text is written in another way.
    """
    try:
        return _cast_iso(texts)
    except pa.ArrowInvalid:
        # What Arrow does not know: fractions finer than a microsecond, small letters.
        return _cast_iso(pc.utf8_upper(pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")))


def _cast_iso(texts: pa.Array) -> pa.Array:
    try:
        return texts.cast(UTC)
    except pa.ArrowInvalid:
        return texts.cast(pa.timestamp("us")).cast(UTC)


def _in_range(cursor_timestamps: pa.Array) -> pa.Array:
    """The moments.

    Raises:
        ValueError: one is in a year that tools downstream cannot show.
    """
    bounds = pc.min_max(cursor_timestamps.cast(pa.int64())).as_py()
    if bounds["min"] < FIRST_MOMENT or bounds["max"] > LAST_MOMENT:
        raise ValueError("a moment before year 1 or after year 9999")
    return cursor_timestamps
