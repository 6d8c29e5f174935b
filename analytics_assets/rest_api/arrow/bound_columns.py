"""Bound columns: values that are the same for all rows of one read, such as the id of the parent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import chain, repeat

import pyarrow as pa

from analytics_assets.rest_api.arrow.table_columns import TableColumns
from analytics_assets.rest_api.errors import DataError
from analytics_assets.rest_api.extract.children.bindings import Origins

# The number of the read that a row comes from. No column of a table has such a name: dlt's names do not end with an
# underscore.
READ_NUMBER = "read_"


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
