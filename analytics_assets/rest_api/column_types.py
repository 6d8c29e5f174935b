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

from analytics_assets.rest_api.config import Column, Kind

MISFIT: Final = object()
UTC = pa.timestamp("us", "UTC")
ARROW: dict[Kind, pa.DataType] = {
    "bool": pa.bool_(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "text": pa.string(),
    "json": pa.string(),
    "timestamp": UTC,
    "date": pa.date32(),
}
KINDS: Mapping[str, Kind] = {**{kind: kind for kind in ARROW}, "decimal": "decimal", "wei": "decimal"}
NATURAL: dict[type, Kind] = {
    bool: "bool",
    int: "bigint",
    float: "double",
    Decimal: "double",
    str: "text",
    dict: "json",
    list: "json",
}
MAX_DECIMAL_DIGITS = 38
PLAIN: dict[Kind, type] = {"bool": bool, "bigint": int, "double": float, "text": str}
EPOCH_UNITS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}  # in microseconds
ISO_FORMATS = ("iso8601", "date-time", "date")
# The first of year 1 and the last of year 9999: beyond them Python and many tools have no dates.
FIRST_MOMENT, LAST_MOMENT = -62_135_596_800_000_000, 253_402_300_799_999_999
NUMERAL = re.compile(r"-?\d{1,100}(\.\d{1,100})?", re.ASCII)
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
encode = msgspec.json.Encoder(decimal_format="number").encode


def kind_of(value: Any) -> Kind:
    """The kind of a column that `value` is the first of. Integers keep all digits."""
    if type(value) is int and not -(2**63) <= value < 2**63:
        return "decimal" if abs(value) < 10**MAX_DECIMAL_DIGITS else "text"
    return NATURAL[type(value)]


def declared_type(column: Column) -> ColumnType:
    precision, scale = column.precision, column.scale
    if column.kind == "decimal" and precision is None and scale is None:
        scale = 9  # dlt's default
    return ColumnType(
        column.kind,
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

    kind: Kind
    format: str = "iso8601"
    precision: int = MAX_DECIMAL_DIGITS
    scale: int = 0
    declared: bool = False

    def __str__(self) -> str:
        return f"decimal({self.precision}, {self.scale})" if self.kind == "decimal" else self.kind

    def holds(self, other: ColumnType) -> bool:
        """Whether all values of the other are kept whole in a column of this."""
        if self.kind == other.kind == "decimal":
            return self.scale >= other.scale and self.precision - self.scale >= other.precision - other.scale
        return self.kind == other.kind

    @property
    def arrow(self) -> pa.DataType:
        if self.kind != "decimal":
            return ARROW[self.kind]
        wide = self.precision > MAX_DECIMAL_DIGITS
        return pa.decimal256(self.precision, self.scale) if wide else pa.decimal128(self.precision, self.scale)

    @classmethod
    def of(cls, column: TColumnSchema) -> ColumnType:
        """The type of a column as dlt knows it; if it is of no kind that is loaded here, text."""
        kind = KINDS.get(str(column.get("data_type")), "text")
        precision, scale = column.get("precision"), column.get("scale")
        return cls(kind, precision=precision, scale=scale or 0) if kind == "decimal" and precision else cls(kind)

    def dlt_column(self, name: str, *, nullable: bool) -> TColumnSchema:
        column: TColumnSchema = {"name": name, "data_type": self.kind, "nullable": nullable}
        if self.kind == "decimal":
            column |= {"precision": self.precision, "scale": self.scale}
        if self.kind == "timestamp":
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
        fitted = [None if value is None else self.fit(value) for value in values]
        misfits = [row for row, value in enumerate(fitted) if value is MISFIT]
        for row in misfits:
            fitted[row] = None
        return pa.array(fitted, self.arrow), misfits

    def _convert_all(self, values: Sequence[Any], types: set[type]) -> pa.Array | None:
        """The fast way, for values that all fit: None or an error if they have to be looked at one by one."""
        kind = self.kind
        if not types:
            return pa.nulls(len(values), self.arrow)
        if kind == "timestamp" and types == {str} and self.format in ISO_FORMATS:
            return _in_range(_parse_iso(pa.array(values, pa.string())))
        if kind == "timestamp" and types == {int} and self.format in EPOCH_UNITS:
            units = pa.array(values, pa.int64())
            return _in_range(pc.multiply_checked(units, EPOCH_UNITS[self.format]).cast(UTC))
        if kind == "json" and types <= {dict, list}:
            return pa.array([None if value is None else encode(value) for value in values], pa.string())
        if kind == "decimal":
            return pa.array([None if value is None else self._decimal(value) for value in values], self.arrow)
        if kind == "double" and types == {int, float}:
            return pa.array(values, self.arrow)  # Arrow refuses integers that a double does not hold
        if kind in PLAIN and {PLAIN[kind]} == types:
            return pa.array(values, self.arrow)
        return None

    def fit(self, value: Any) -> Any:
        """The value as Arrow takes it, or MISFIT."""
        try:
            return FITS[self.kind](self, value)
        except (ValueError, OverflowError):
            return MISFIT

    def _fit_plain(self, value: Any) -> Any:
        return value if type(value) is PLAIN[self.kind] and kind_of(value) == self.kind else MISFIT

    def _fit_double(self, value: Any) -> Any:
        if type(value) is int:
            return float(value) if float(value) == value else MISFIT
        return float(value) if isinstance(value, (float, Decimal)) else MISFIT

    def _fit_text(self, value: Any) -> Any:
        if type(value) is int and kind_of(value) == "text":
            return str(value)
        return value if type(value) is str and (value.isascii() or value.encode()) else MISFIT

    def _fit_json(self, value: Any) -> Any:
        return encode(value).decode() if self.declared or isinstance(value, (dict, list)) else MISFIT

    def _fit_decimal(self, value: Any) -> Any:
        return pa.scalar(self._decimal(value), self.arrow).as_py()

    def _fit_date(self, value: Any) -> Any:
        return date.fromisoformat(value) if type(value) is str and DAY.fullmatch(value) else MISFIT

    def _fit_timestamp(self, value: Any) -> Any:
        if self.format in EPOCH_UNITS:
            microseconds = _decimal(value) * EPOCH_UNITS[self.format]
            return math.floor(microseconds) if FIRST_MOMENT <= microseconds <= LAST_MOMENT else MISFIT
        if type(value) is not str or (self.format in ISO_FORMATS and not DAY.match(value)):
            return MISFIT
        if self.format in ISO_FORMATS:
            return _in_range(_parse_iso(pa.array([value], pa.string())))[0].value
        moment = datetime.strptime(value, self.format)
        return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)

    def _decimal(self, value: Any) -> Decimal:
        if type(value) is str and not self.declared:
            raise ValueError("text where a number was expected")
        return _decimal(value)


FITS: Mapping[Kind, Callable[[ColumnType, Any], Any]] = {
    "bool": ColumnType._fit_plain,
    "bigint": ColumnType._fit_plain,
    "double": ColumnType._fit_double,
    "text": ColumnType._fit_text,
    "json": ColumnType._fit_json,
    "decimal": ColumnType._fit_decimal,
    "date": ColumnType._fit_date,
    "timestamp": ColumnType._fit_timestamp,
}


def stray(value: Any) -> tuple[Kind, Any]:
    """The kind of variant column for a value that is not of its column's kind, and the value as it is kept there.

    Text with halves of surrogate pairs, which no database takes, is kept as its JSON, in which they are escaped.
    """
    if isinstance(value, Decimal):
        return "text", str(value)  # more digits than a double has
    kind = kind_of(value)
    fitted = ColumnType(kind).fit(value)
    return ("text", json.dumps(value, default=str)) if fitted is MISFIT else (kind, fitted)


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


def _in_range(moments: pa.Array) -> pa.Array:
    """The moments.

    Raises:
        ValueError: one is in a year that tools downstream cannot show.
    """
    bounds = pc.min_max(moments.cast(pa.int64())).as_py()
    if bounds["min"] < FIRST_MOMENT or bounds["max"] > LAST_MOMENT:
        raise ValueError("a moment before year 1 or after year 9999")
    return moments
