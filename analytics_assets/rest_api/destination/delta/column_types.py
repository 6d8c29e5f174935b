"""Column types of a Delta table: of its schema, of dlt, and of the DuckDB that reads and writes its files."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from deltalake import Field, Schema

from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.config import DataType

DATA_TYPE = "data_type"  # metadata of a field: Delta has one type for text and for JSON
SQL_TYPES: Mapping[DataType, str] = {
    "bool": "BOOLEAN",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "text": "VARCHAR",
    "json": "VARCHAR",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
}
PRIMITIVE_TYPES: Mapping[str, DataType] = {
    "boolean": "bool",
    "byte": "bigint",
    "short": "bigint",
    "integer": "bigint",
    "long": "bigint",
    "float": "double",
    "double": "double",
    "timestamp": "timestamp",
    "date": "date",
}


def sql_type(column: ColumnType) -> str:
    """DuckDB's type of the column."""
    if column.data_type == "decimal":
        return f"DECIMAL({column.precision}, {column.scale})"
    return SQL_TYPES[column.data_type]


def table_schema(columns: Mapping[str, ColumnType], required: frozenset[str] = frozenset()) -> Schema:
    """The schema of a Delta table.

    Args:
        columns: The columns.
        required: Names of columns that are never NULL.
    """
    fields = [_arrow_field(name, column, required=name in required) for name, column in columns.items()]
    return Schema.from_arrow(pa.schema(fields))


def new_fields(columns: Mapping[str, ColumnType]) -> list[Field]:
    """Fields to be added to a Delta table."""
    return [Field.from_arrow(_arrow_field(name, column, required=False)) for name, column in columns.items()]


def stored_columns(schema: Schema) -> dict[str, ColumnType]:
    """The columns of a Delta table; text for a type that is never loaded here."""
    return {field.name: _column_type(field) for field in schema.fields}


def required_columns(schema: Schema) -> frozenset[str]:
    """Names of the columns that are never NULL."""
    return frozenset(field.name for field in schema.fields if not field.nullable)


def _arrow_field(name: str, column: ColumnType, *, required: bool) -> pa.Field:
    metadata = {DATA_TYPE: "json"} if column.data_type == "json" else None
    return pa.field(name, column.arrow, nullable=not required, metadata=metadata)


def _column_type(field: Field) -> ColumnType:
    name = str(getattr(field.type, "type", ""))
    if name.startswith("decimal("):
        precision, scale = map(int, name.removeprefix("decimal(").removesuffix(")").split(","))
        return ColumnType("decimal", precision=precision, scale=scale)
    if field.metadata.get(DATA_TYPE) == "json":
        return ColumnType("json")
    return ColumnType(PRIMITIVE_TYPES.get(name, "text"))
