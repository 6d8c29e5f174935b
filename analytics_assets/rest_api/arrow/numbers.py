"""Numbers: whole numbers and fractions of an undeclared column are one family, and share one column.

Its type is widened in place: bigint, then decimal(38, 0) for whole numbers beyond 64 bits, then double for fractions.
A double column stores whole numbers only if a double holds them exactly; the others go to variant columns
(`amount__v_bigint`, `amount__v_decimal`). So the columns depend on the numbers alone, not on their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analytics_assets.rest_api.arrow.column_types import MAX_DECIMAL_DIGITS, ColumnType, is_bigint, value_type
from analytics_assets.rest_api.config import DataType

WHOLE = ColumnType("decimal", precision=MAX_DECIMAL_DIGITS, scale=0)
DOUBLE = ColumnType("double")
WHOLE_TYPES: tuple[DataType, ...] = ("bigint", "decimal")
MAX_EXACT = 2**53  # a double holds every whole number up to here
VariantName = Callable[[str, DataType], str]


@dataclass(frozen=True)
class Widening:
    """A stored column of whole numbers that gets a wider type.

    Attributes:
        old: The stored type.
        new: The wider type.
        variants: Names of the variant columns for the stored numbers that a double does not hold exactly, by data type.
    """

    old: ColumnType
    new: ColumnType
    variants: Mapping[DataType, str]


def is_whole(column: ColumnType) -> bool:
    """Whether the column is of whole numbers and may be widened."""
    return not column.declared and column in (ColumnType("bigint"), WHOLE)


def is_number(column: ColumnType) -> bool:
    """Whether the column is of the family."""
    return is_whole(column) or column == DOUBLE


def widened(column: ColumnType, values: Iterable[Any]) -> ColumnType:
    """The type of a column that gets these values too; the same type if no number among them needs another one."""
    if not is_whole(column):
        return column
    for value in values:
        if isinstance(value, (float, Decimal)):
            return DOUBLE
        if type(value) is int and not is_bigint(value):
            column = WHOLE
    return column


def inexact_types(numbers: pa.Array) -> set[DataType]:
    """The types of the whole numbers that a double does not hold exactly."""
    if _are_small(numbers):
        return set()
    return {value_type(number) for number in _split(numbers)[1] if number is not None}


def align_table(table: pa.Table, types: Mapping[str, ColumnType], variant_name: VariantName) -> pa.Table:
    """The table with its columns of numbers as they are typed by now.

    Args:
        table: A table that was made before columns were widened.
        types: The types by now, variant columns among them.
        variant_name: The name of a column's variant of a data type.
    """
    for index, field in enumerate(table.schema):
        column = types.get(field.name)
        if column is None or field.type == column.arrow or not is_number(column):
            continue
        numbers = table.column(index).combine_chunks()
        if column != DOUBLE:
            table = table.set_column(index, field.with_type(column.arrow), numbers.cast(column.arrow))
            continue
        exact, inexact = _split(numbers)
        table = table.set_column(index, field.with_type(column.arrow), exact)
        for data_type in WHOLE_TYPES:
            if (variant := variant_name(field.name, data_type)) in types:
                moved = [
                    number if number is not None and value_type(number) == data_type else None for number in inexact
                ]
                table = _fill(table, variant, pa.array(moved, types[variant].arrow))
    return table


def align_file(path: Path, types: Mapping[str, ColumnType], variant_name: VariantName) -> None:
    """Rewrites a Parquet file that was written before its columns were widened; other files are not touched."""
    with pq.ParquetFile(path) as file:
        empty = file.schema_arrow.empty_table()
        schema = align_table(empty, types, variant_name).schema
        if schema == empty.schema:
            return
        aligned = path.with_suffix(".aligned")
        with pq.ParquetWriter(aligned, schema) as writer:
            for group in range(file.num_row_groups):
                writer.write_table(align_table(file.read_row_group(group), types, variant_name))
    aligned.replace(path)


def _are_small(numbers: pa.Array) -> bool:
    """Whether a double certainly holds all of the numbers."""
    bounds = pc.min_max(numbers).as_py()
    return bounds["min"] is None or (bounds["min"] >= -MAX_EXACT and bounds["max"] <= MAX_EXACT)


def _split(numbers: pa.Array) -> tuple[pa.Array, Sequence[int | None]]:
    """Whole numbers as doubles, null if a double does not hold them exactly; and those, null for the others."""
    if _are_small(numbers):
        return numbers.cast(DOUBLE.arrow, safe=False), [None] * len(numbers)
    exact: list[float | None] = []
    inexact: list[int | None] = []
    for number in numbers.to_pylist():  # int or Decimal
        is_exact = number is not None and float(number) == number
        exact.append(float(number) if is_exact else None)
        inexact.append(int(number) if number is not None and not is_exact else None)
    return pa.array(exact, DOUBLE.arrow), inexact


def _fill(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    """The table with values where its column is null; the column is added if the table lacks it."""
    if name not in table.column_names:
        return table.append_column(name, values)
    index = table.column_names.index(name)
    return table.set_column(index, table.schema.field(index), pc.coalesce(table.column(index), values))
