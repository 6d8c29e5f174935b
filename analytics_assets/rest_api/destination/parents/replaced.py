"""Parents whose stored rows a load replaces as a whole: their keys, in files that the load's SQL reads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from analytics_assets.rest_api.arrow.coercion import to_array
from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.destination.dlt_client import TableClient
from analytics_assets.rest_api.destination.parents.rows import ParentRows
from analytics_assets.rest_api.destination.plan import ParentKeyFiles
from analytics_assets.rest_api.errors import WarehouseError

BATCH_ROWS = 10_000


@dataclass(frozen=True)
class ReplacedParents:
    """The parents of a load.

    Attributes:
        rows: The parents that were read.
        types: The columns of the child that name the parent, in the order of its fields. None if the load does not know
            the type.
        folder: For the files.
    """

    rows: ParentRows
    types: Mapping[str, ColumnType | None]
    folder: Path

    def write_keys(self, client: TableClient, stored: Mapping[str, ColumnType]) -> ParentKeyFiles | None:
        """Write the keys of the parents that were read, and of those that exist now.

        Args:
            client: A connected client of the destination. The load has locked the child's table.
            stored: The columns of the child's table.

        Returns:
            The files; None if there is no column for a field of the parent.

        Raises:
            WarehouseError: The type of the parent's key differs from the stored one.
        """
        types = {name: found for name, known in self.types.items() if (found := known or stored.get(name))}
        if types.keys() != self.types.keys():
            return None
        files = ParentKeyFiles(self.folder / "read_parents.parquet", self.folder / "existing_parents.parquet")
        unstorable = _write(self.rows.read_keys(), types, files.read)
        with client.stable_table(self.rows.table.parent.name):
            unread = _write(self.rows.existing_keys(client), types, files.existing) - unstorable
        if unread:  # their rows cannot be told from those of parents that do not exist
            columns = " or ".join(f"{name!r} ({column})" for name, column in types.items())
            raise WarehouseError(
                f"the parent has values of another type than the column {columns} in the warehouse. Run the full "
                "refresh: it creates the table anew"
            )
        return files


def _write(keys: Iterator[tuple[Any, ...]], types: Mapping[str, ColumnType], path: Path) -> set[bytes]:
    """Write keys to a Parquet file, without those that the columns cannot store.

    Returns:
        The keys that the columns cannot store, as JSON.
    """
    schema = pa.schema([(name, column.arrow) for name, column in types.items()])
    encode = msgspec.json.Encoder().encode
    unstorable: set[bytes] = set()
    with pq.ParquetWriter(path, schema) as writer:
        while batch := list(itertools.islice(keys, BATCH_ROWS)):
            arrays = []
            for column, values in zip(types.values(), zip(*batch, strict=True), strict=True):
                array, mismatches = to_array(values, column)
                unstorable.update(encode(batch[index]) for index in mismatches)
                arrays.append(array)
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema).drop_null())
    return unstorable
