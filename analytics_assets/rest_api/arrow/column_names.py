"""Column names: which column of the table each field of the API's records is."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any

from dlt.common.normalizers.naming.snake_case import NamingConvention

from analytics_assets.rest_api.config import DataType
from analytics_assets.rest_api.errors import DataError

# `_tasks__projects_id`: the field `_projects_id` of the parent `tasks`. dlt keeps the two underscores.
COLUMN_OF_PARENT = re.compile(r"_[^_].*?__[^_]")
RESERVED = frozenset({"_dlt_load_id", "_dlt_id"})


VARIANT_SEPARATOR = "__v_"  # between a column and the data type of its variant, as in `amount__v_text`
VARIANT_NAME = re.compile(rf"(.+){VARIANT_SEPARATOR}(?:bool|bigint|double|text|json|timestamp|date|decimal)")


def naming(max_length: int = 0) -> NamingConvention:
    """dlt's snake_case; names longer than the destination's limit are shortened, 0 is no limit."""
    return NamingConvention(max_length)


def column_name(field: str, convention: NamingConvention | None = None) -> str:
    """The name of a field's column; a field of blanks only is `x`, as dlt names a field of signs only."""
    convention = convention or naming()
    if COLUMN_OF_PARENT.match(field):
        return str(convention.normalize_path(field))
    return str(convention.normalize_identifier(field if field.strip() else "_"))


def variant_columns(columns: Collection[str]) -> tuple[str, ...]:
    """The variant columns among the columns of a table, such as `amount__v_text` beside `amount`."""
    variants = ((name, VARIANT_NAME.fullmatch(name)) for name in columns)
    return tuple(sorted(name for name, match in variants if match and match[1] in columns))


class FieldMapping:
    """The fields of a resource's records by the names of their columns.

    Attributes:
        fields: The field of each column seen so far.
    """

    def __init__(self, max_name_length: int = 0) -> None:
        self.fields: dict[str, str] = {}
        self._naming = naming(max_name_length)

    def column_for(self, field: str) -> str:
        """The column of a field.

        Raises:
            DataError: dlt writes that column itself.
        """
        name = column_name(field, self._naming)
        if name in RESERVED:
            raise DataError(
                f"the field {field!r} would become the column {name!r}, which dlt writes itself: it cannot be loaded"
            )
        return name

    def variant_name(self, column: str, data_type: DataType) -> str:
        """The column for values of a type that `column` cannot store, such as `amount__v_text`."""
        return str(self._naming.shorten_fragments(column, f"v_{data_type}"))

    def map_fields(self, records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """The fields of these records by column.

        Raises:
            DataError: Two fields would become one column, or dlt writes a column itself.
        """
        columns: dict[str, str] = {}
        for field in dict.fromkeys(chain.from_iterable(records)):
            name = self.column_for(field)
            other = self.fields.setdefault(name, field)
            if other != field:
                raise DataError(
                    f"the fields {other!r} and {field!r} would both become the column {name!r}, and one value would be "
                    "lost: `exclude` one of them"
                )
            columns[name] = field
        return columns
