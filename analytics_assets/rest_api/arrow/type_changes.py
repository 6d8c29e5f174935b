"""Type changes: the errors about values whose type is not their column's."""

from __future__ import annotations

from collections.abc import Iterable

from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.arrow.cursor import Cursor
from analytics_assets.rest_api.config import DataType
from analytics_assets.rest_api.errors import DataError, TypeChangeError


def key_error(field: str, column: ColumnType, found: Iterable[DataType], *, count: int, rows: int) -> TypeChangeError:
    """A primary key is never stored in a variant column: rows could not be matched any more."""
    data_types = set(found)
    if "json" in data_types:
        advice = "An object or a list cannot be a key: correct `primary_key`"
    else:
        advice = (
            f"Declare `{field}: {{type: string}}` under `columns`, which stores numbers and text alike, and run the "
            "full refresh"
        )
    return TypeChangeError(
        f"the primary key {field!r} changed its type: the column is {column}, but the field is "
        f"{_in_words(data_types)} in {count} of {rows} records. {advice}"
    )


def cursor_error(cursor: Cursor, found: Iterable[DataType], *, count: int, rows: int) -> DataError:
    """A row whose cursor cannot be read belongs to no window."""
    return DataError(cursor.mismatch(f"{_in_words(found)} in {count} of {rows} records"))


def contract_error(
    field: str, name: str, column: ColumnType, found: Iterable[DataType], *, count: int, rows: int
) -> TypeChangeError:
    """`schema_contract: freeze` allows no value of another type."""
    return TypeChangeError(
        f"the field {field!r} changed its type: the column {name!r} is {column}, but the field is "
        f"{_in_words(found)} in {count} of {rows} records, and `schema_contract` is freeze. If the API changed, "
        "declare the new type under `columns` and run the full refresh; or write `schema_contract: evolve`, which adds "
        "a column for such values"
    )


def _in_words(data_types: Iterable[DataType]) -> str:
    return " and ".join(sorted(set(data_types)))
