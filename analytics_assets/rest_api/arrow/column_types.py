"""Column types: what a column stores, as the configuration, the destination, dlt and Arrow name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema

from analytics_assets.rest_api.arrow.timestamps import UTC
from analytics_assets.rest_api.config import Column, DataType

ARROW: dict[DataType, pa.DataType] = {
    "bool": pa.bool_(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "text": pa.string(),
    "json": pa.string(),
    "timestamp": UTC,
    "date": pa.date32(),
}
DATA_TYPES: Mapping[str, DataType] = {
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
MAX_DECIMAL_DIGITS = 38  # of DECIMAL on DuckDB and most warehouses, and of Arrow's decimal128
DEFAULT_SCALE = 9  # dlt's, for a decimal that is declared without precision and scale


@dataclass(frozen=True)
class ColumnType:
    """The type of a column.

    Attributes:
        data_type: dlt's name of the type.
        format: How the API writes timestamps: iso8601, date, epoch_s, epoch_ms or a strftime pattern.
        precision: Digits of a decimal.
        scale: Digits of a decimal after the point.
        declared: Whether the configuration declares the column. A declared `json` column stores any JSON value, an
            undeclared one objects and lists only; a declared `text` column stores any scalar; declared decimals are
            read from text too. Numbers never widen a declared column.
    """

    data_type: DataType
    format: str = "iso8601"
    precision: int = MAX_DECIMAL_DIGITS
    scale: int = 0
    declared: bool = False

    def __str__(self) -> str:
        return f"decimal({self.precision}, {self.scale})" if self.data_type == "decimal" else self.data_type

    @classmethod
    def from_declaration(cls, column: Column) -> ColumnType:
        """The type of a column that the configuration declares."""
        precision, scale = column.precision, column.scale
        if column.data_type == "decimal" and precision is None and scale is None:
            scale = DEFAULT_SCALE
        return cls(
            column.data_type,
            format=column.format or "iso8601",
            precision=precision or MAX_DECIMAL_DIGITS,
            scale=scale or 0,
            declared=True,
        )

    @classmethod
    def from_dlt(cls, column: TColumnSchema) -> ColumnType:
        """The type of a column as dlt describes it; text for a type that is never loaded here."""
        data_type = DATA_TYPES.get(str(column.get("data_type")), "text")
        precision, scale = column.get("precision"), column.get("scale")
        if data_type == "decimal" and precision:
            return cls(data_type, precision=precision, scale=scale or 0)
        return cls(data_type)

    @classmethod
    def infer(cls, value: Any) -> ColumnType:
        """The type of a new column whose first value this is; a whole number beyond 64 bits needs a decimal."""
        return cls("decimal" if type(value) is int and not is_bigint(value) else INFERRED_TYPE[type(value)])

    @property
    def arrow(self) -> pa.DataType:
        if self.data_type != "decimal":
            return ARROW[self.data_type]
        wide = self.precision > MAX_DECIMAL_DIGITS
        return pa.decimal256(self.precision, self.scale) if wide else pa.decimal128(self.precision, self.scale)

    def can_store(self, other: ColumnType) -> bool:
        """Whether a column of this type stores all values of the other exactly."""
        if self.data_type == other.data_type == "decimal":
            return self.scale >= other.scale and self.precision - self.scale >= other.precision - other.scale
        return self.data_type == other.data_type

    def dlt_column(self, name: str, *, nullable: bool) -> TColumnSchema:
        """The column as dlt's hint."""
        column: TColumnSchema = {"name": name, "data_type": self.data_type, "nullable": nullable}
        if self.data_type == "decimal":
            column |= {"precision": self.precision, "scale": self.scale}
        if self.data_type == "timestamp":
            column["precision"] = 6
        return column


def is_bigint(number: int) -> bool:
    """Whether 64 bits hold the number."""
    return -(2**63) <= number < 2**63


def value_type(value: Any) -> DataType:
    """The type of one JSON value that is not null; whole numbers of more than 38 digits are text."""
    if type(value) is int and not is_bigint(value):
        return "decimal" if abs(value) < 10**MAX_DECIMAL_DIGITS else "text"
    return INFERRED_TYPE[type(value)]
