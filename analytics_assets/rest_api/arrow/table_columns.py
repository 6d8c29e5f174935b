"""Columns: the types of one table's columns, which grow with the records, and what becomes of values of other types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, Literal

import pyarrow as pa
from dlt.common.schema.typing import TTableSchemaColumns

from analytics_assets.rest_api.arrow.coercion import PYTHON_TYPE, to_array, variant_value
from analytics_assets.rest_api.arrow.column_names import RESERVED, FieldMapping
from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.arrow.cursor import Cursor
from analytics_assets.rest_api.arrow.numbers import DOUBLE, Widening, inexact_types, is_number, is_whole, widened
from analytics_assets.rest_api.arrow.timestamps import json_type
from analytics_assets.rest_api.arrow.type_changes import contract_error, cursor_error, key_error
from analytics_assets.rest_api.config import Column, DataType
from analytics_assets.rest_api.errors import DataError
from analytics_assets.rest_api.extract.children.bindings import Origins

OnTypeChange = Literal["evolve", "freeze", "discard_value"]
Variant = tuple[DataType, Any]
# The number of the read that a row comes from. No column of a table has such a name: dlt's names do not end with an
# underscore.
READ_NUMBER = "read_"


class TableColumns:
    """The columns of one table: the declared ones, those of the stored table, and those of new fields.

    The type of a column is the declared one, else the stored one, else that of its first values. A value that its
    column cannot store widens the column if both are numbers; else it goes to a variant column (`amount__v_text`), as
    in dlt. `schema_contract` may fail the load or discard such values instead.

    Attributes:
        types: The type of each column so far.
        key: The columns of the primary key, and their fields.
        mixed_texts: Declared text columns that store other scalars too.
        mixed_timestamps: Timestamp columns with values of another JSON type than their format usually has.
        variant_columns: The variant columns that got values, by column; the set is empty if they were discarded.
        discarded_counts: How many values were discarded, by column.
    """

    def __init__(
        self,
        mapping: FieldMapping,
        *,
        declared: Mapping[str, Column],
        primary_key: Sequence[str],
        cursor: Cursor | None,
        on_type_change: OnTypeChange,
        stored: Mapping[str, ColumnType],
        bound: Mapping[str, ColumnType | None],
    ) -> None:
        """
        Raises:
            DataError: Two declared columns have one name, or dlt writes one itself.
        """
        self._mapping = mapping
        self._declared: dict[str, Column] = {}
        for field, column in declared.items():
            name = mapping.column_for(field)
            if name in self._declared:
                raise DataError(f"two declared columns are both named {name!r} in the table: remove {field!r}")
            self._declared[name] = column
        self._cursor = cursor
        self._cursor_column = mapping.column_for(cursor.field) if cursor else ""
        self._stored = {name: column for name, column in stored.items() if name not in RESERVED}
        self.types = {name: ColumnType.from_declaration(column) for name, column in self._declared.items()}
        if cursor:
            self.types.setdefault(self._cursor_column, ColumnType.from_declaration(cursor.declaration))
        for field, bound_type in bound.items():
            if bound_type:
                self.types.setdefault(mapping.column_for(field), bound_type)
        for name, stored_type in self._stored.items():
            self.types.setdefault(name, stored_type)
        self.key = {mapping.column_for(field): field for field in primary_key}
        self._on_type_change = on_type_change
        self._inexact: dict[str, set[DataType]] = {}  # whole numbers so far that a double does not hold, by column
        self._arrow_schema: pa.Schema | None = None
        self.mixed_texts: set[str] = set()
        self.mixed_timestamps: set[str] = set()
        self.variant_columns: dict[str, set[str]] = {}
        self.discarded_counts: Counter[str] = Counter()

    @property
    def widened(self) -> dict[str, Widening]:
        """The stored columns of numbers whose type has to be widened."""
        found = {}
        for name, stored in self._stored.items():
            new = self.types[name]
            if is_whole(stored) and is_number(new) and new != stored:
                whole: tuple[DataType, ...] = ("bigint", "decimal") if new == DOUBLE else ()
                variants = {data_type: self._mapping.variant_name(name, data_type) for data_type in whole}
                found[name] = Widening(stored, new, variants)
        return found

    @property
    def changed(self) -> dict[str, list[str]]:
        """For each column with values of another type: its variant columns, or how many values were discarded."""
        return {
            name: sorted(variants) or [f"{self.discarded_counts[name]} values discarded"]
            for name, variants in self.variant_columns.items()
        }

    def is_nullable(self, name: str) -> bool:
        return name not in self.key and (name not in self._declared or self._declared[name].nullable)

    def arrow_schema(self) -> pa.Schema:
        """The columns so far as Arrow's schema."""
        if self._arrow_schema is None or len(self._arrow_schema) < len(self.types):
            fields = [pa.field(name, column.arrow, self.is_nullable(name)) for name, column in self.types.items()]
            self._arrow_schema = pa.schema(fields)
        return self._arrow_schema

    def dlt_columns(self) -> TTableSchemaColumns:
        """The columns so far as dlt's hints, since Arrow knows neither JSON nor keys."""
        columns = {
            name: column.dlt_column(name, nullable=self.is_nullable(name)) for name, column in self.types.items()
        }
        for name in self.key.keys() & columns.keys():
            columns[name]["primary_key"] = True
        for name, declared in self._declared.items():
            if declared.description:
                columns[name]["description"] = declared.description
        return columns

    def infer(self, name: str, values: Sequence[Any]) -> None:
        """Types a new column by its values, none of which is null, and widens a column of numbers for them."""
        if not values:
            return
        column = self.types.setdefault(name, ColumnType.infer(values[0]))
        types = set(map(type, values))
        if column.declared and column.data_type == "text" and types != {str}:
            self.mixed_texts.add(name)
        usual = json_type(column.format) if column.data_type == "timestamp" else None
        if usual and types != {PYTHON_TYPE[usual]}:
            self.mixed_timestamps.add(name)
        if self._may_widen(name):
            self._widen(name, widened(column, values))

    def arrays(self, name: str, field: str, values: Sequence[Any]) -> Iterator[tuple[str, pa.Array]]:
        """The values of one field as arrays: its column, and a variant column for each type that it cannot store.

        Raises:
            DataError: The values cannot be loaded exactly.
        """
        if name not in self.types:
            self.infer(name, [value for value in values if value is not None])
        if name not in self.types:
            return
        try:
            array, mismatches = to_array(values, self.types[name])
            if mismatches and self._may_widen(name):
                self._widen(name, widened(self.types[name], [values[row] for row in mismatches]))
                array, mismatches = to_array(values, self.types[name])
            variants = {row: variant_value(values[row]) for row in mismatches}
        except RecursionError:
            raise DataError(f"the field {field!r} is nested deeper than can be written (about 1,000 levels)") from None
        self.record_inexact(name, array)
        yield name, array
        variants = self._apply_contract(name, field, variants, values) if variants else {}
        for data_type in dict.fromkeys(data_type for data_type, _ in variants.values()):
            variant = self._add_variant(name, data_type)
            cells: list[Any] = [None] * len(values)
            for row, (variant_type, value) in variants.items():
                if variant_type == data_type:
                    cells[row] = value
            yield variant, pa.array(cells, self.types[variant].arrow)

    def record_inexact(self, name: str, numbers: pa.Array) -> None:
        """Keeps which variant columns a column of whole numbers needs if it is widened to double later."""
        if is_whole(self.types[name]) and self._may_widen(name):
            self._inexact.setdefault(name, set()).update(inexact_types(numbers))

    def _may_widen(self, name: str) -> bool:
        """Whether numbers widen the column: not a key, not a cursor, not against `schema_contract`."""
        if not is_number(self.types[name]) or self._on_type_change == "freeze":
            return False
        return name not in self.key and name != self._cursor_column

    def _widen(self, name: str, column: ColumnType) -> None:
        if column == self.types[name]:
            return
        self.types[name], self._arrow_schema = column, None
        if column == DOUBLE:
            for data_type in sorted(self._inexact.pop(name, ())):
                self._add_variant(name, data_type)

    def _add_variant(self, name: str, data_type: DataType) -> str:
        variant = self._mapping.variant_name(name, data_type)
        self.variant_columns.setdefault(name, set()).add(variant)
        self.types.setdefault(variant, ColumnType(data_type))
        return variant

    def _apply_contract(
        self, name: str, field: str, variants: dict[int, Variant], values: Sequence[Any]
    ) -> dict[int, Variant]:
        """The values that go to variant columns, by row. Numbers of the family are never discarded.

        Raises:
            DataError: A key or a cursor changed its type, or `schema_contract` is freeze.
        """
        column, found = self.types[name], [data_type for data_type, _ in variants.values()]
        if name in self.key:
            raise key_error(field, column, found, count=len(variants), rows=len(values))
        if self._cursor and name == self._cursor_column:
            raise cursor_error(self._cursor, found, count=len(variants), rows=len(values))
        if self._on_type_change == "freeze":
            raise contract_error(field, name, column, found, count=len(variants), rows=len(values))
        if self._on_type_change == "evolve":
            return variants
        kept = {row: variants[row] for row in variants if is_number(column) and type(values[row]) is int}
        if discarded := len(variants) - len(kept):
            self.variant_columns.setdefault(name, set())
            self.discarded_counts[name] += discarded
        return kept


class BoundColumns:
    """The bound columns of one table.

    Attributes:
        fields: The field of each bound column, such as `_projects_id`.
    """

    def __init__(self, columns: TableColumns, fields: Mapping[str, str]) -> None:
        """
        Args:
            columns: The columns of the table.
            fields: The field of each bound column.
        """
        self._columns = columns
        self.fields = fields

    def check_fields(self, columns: Collection[str]) -> None:
        """Refuse fields of records that would become a bound column.

        Raises:
            DataError: A value would be lost.
        """
        if self.fields and (both := sorted(self.fields.keys() & columns)):
            raise DataError(
                f"the records have a field for the column {both[0]!r}, which holds a value of the parent or of "
                "`for_each`: one value would be lost. Remove the field from `include_from_parent`, or rename the key "
                "of `for_each`"
            )

    def arrays(self, origins: Origins) -> dict[str, pa.Array]:
        """The values of the rows of these reads, and the numbers of the reads.

        Raises:
            DataError: The values cannot be loaded exactly.
        """
        rows = pa.array(list(chain.from_iterable(repeat(at, count) for at, (_, count) in enumerate(origins))))
        rows = rows.cast(pa.int32())  # no rows: the type is null
        arrays = {READ_NUMBER: pa.array([binding.number for binding, _ in origins], pa.int64()).take(rows)}
        for name, field in self.fields.items():
            values = [binding.columns[field] for binding, _ in origins]
            for column, array in self._columns.arrays(name, field, values):
                arrays[column] = array.take(rows)
        return arrays
