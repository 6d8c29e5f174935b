"""Columns of a parent's table: where a field is stored, and its values as the API wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from analytics_assets.rest_api.arrow.column_names import VARIANT_SEPARATOR, column_name, naming
from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.arrow.numbers import MAX_EXACT
from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets.rest_api.extract.json_decoding import decode
from analytics_assets.rest_api.windows import format_timestamp

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
SHOWN_COLUMNS = 20  # in an error message


@dataclass(frozen=True)
class StoredField:
    """A field of the parent's records, as it is stored.

    Attributes:
        field: The field, or a path to a nested one, such as `owner.id`.
        column: The column.
        path: The keys that lead to the value inside a JSON column; empty if the column itself holds the value.
        type: The type of the column, with the time format of the API.
    """

    field: str
    column: str
    path: tuple[str, ...]
    type: ColumnType

    @property
    def value_type(self) -> ColumnType | None:
        """The type of the field's values; None if it is not known because they are inside JSON."""
        return None if self.type.data_type == "json" else replace(self.type, declared=False)

    def value(self, text: str | None) -> Any:
        """The value as the API wrote it, as a value of JSON.

        Args:
            text: The text that the destination writes: JSON for JSON, microseconds since 1970 for a timestamp.
        """
        if text is None:
            return None
        data_type = self.type.data_type
        if data_type == "json":
            return decode(text.encode())
        if data_type == "bigint":
            return int(text)
        if data_type == "bool":
            return text == "true"
        if data_type == "double":
            number = float(text)
            return int(number) if number.is_integer() and abs(number) <= MAX_EXACT else number
        if data_type == "decimal":
            decimal = Decimal(text)
            return int(decimal) if decimal == decimal.to_integral_value() else decimal.normalize()
        if data_type == "timestamp":
            written = format_timestamp(EPOCH + timedelta(microseconds=int(text)), self.type.format)
            return int(written) if self.type.format in ("epoch_s", "epoch_ms") else written
        return text


def find_field(
    field: str, columns: Mapping[str, ColumnType], *, table: str, time_format: str | None, max_name_length: int
) -> StoredField:
    """Find a field of the parent's records in its table.

    Args:
        field: The field, or a path to a nested one.
        columns: The columns of the table.
        table: Name of the table, for messages.
        time_format: How the API writes the field, if it is a time.
        max_name_length: Longest name of a column in the destination; 0 for no limit.

    Raises:
        WarehouseError: The table has no such column, or the values have several types.
    """
    convention = naming(max_name_length)
    name, *path = field.split(".")
    column, flattened = column_name(name, convention), column_name(field.replace(".", "__"), convention)
    if path and flattened in columns:  # a nested cursor has a column of its own
        column, path = flattened, []
    if column not in columns:
        shown = ", ".join(list(columns)[:SHOWN_COLUMNS])
        raise WarehouseError(
            f"the parent's table {table} has no column {column!r} for the field {field!r}. Its columns are {shown}: "
            "correct the field, or declare it under `columns` of the parent if no record has had it so far"
        )
    found = columns[column]
    if path and found.data_type != "json":
        raise WarehouseError(
            f"the column {column!r} of the parent's table {table} is {found.data_type} and has no nested field "
            f"{'.'.join(path)!r}: name a field that the records of the parent have"
        )
    if variants := [each for each in columns if each.startswith(f"{column}{VARIANT_SEPARATOR}")]:
        raise WarehouseError(
            f"the field {field!r} of the parent's table {table} has values of several types: the columns {column!r} "
            f"and {', '.join(map(repr, variants))}. Declare its type under `columns` of the parent, and run the "
            "parent's full refresh"
        )
    return StoredField(field, column, tuple(path), replace(found, format=time_format or "iso8601"))
