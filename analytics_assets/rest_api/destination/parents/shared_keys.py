"""Keys that occur under several parents: a key that does not name the parent would store one of the rows only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from analytics_assets.rest_api.arrow.table_columns import READ_NUMBER
from analytics_assets.rest_api.destination.duckdb.memory import THREADS
from analytics_assets.rest_api.destination.parquet_files import ORDINAL

MEMORY = "128MB"  # of the DuckDB that counts; beyond that it uses the temporary folder


@dataclass(frozen=True)
class SharedKeys:
    """Keys of which several reads returned different rows.

    Attributes:
        conflicts: How many belong to different rows: the parents or the rows differ, and no cursor says which is newer.
        versions: How many have rows with different cursors. They may be versions of one row.
    """

    conflicts: int = 0
    versions: int = 0


def count_shared_keys(
    files: Sequence[Path],
    primary_key: Sequence[str],
    *,
    cursor: str | None,
    bound: Sequence[str],
    temp_folder: Path,
) -> SharedKeys:
    """Count the keys of which several reads returned different rows.

    Rows with the same values of the parent and different cursors can be versions of one row: the newest wins.

    Args:
        files: Parquet files of the rows, with READ_NUMBER.
        primary_key: The columns of the key.
        cursor: The column that says when a row changed, if there is one.
        bound: The columns with values of the parent and of `for_each`.
        temp_folder: For what does not fit into memory.

    Raises:
        duckdb.Error: The files cannot be read, or disk or memory is full.
    """
    if not files:
        return SharedKeys()
    with duckdb.connect(
        config={"memory_limit": MEMORY, "threads": THREADS, "temp_directory": str(temp_folder)}
    ) as database:
        rows = database.read_parquet([str(file) for file in files], union_by_name=True)
        content = [name for name in rows.columns if name not in (ORDINAL, READ_NUMBER)]

        def count(key: Sequence[str], compared: Sequence[str]) -> int:
            """Count the keys with several reads whose rows differ in the compared columns."""
            if not compared:
                return 0
            names, values = (", ".join(f'"{name}"' for name in each) for each in (key, compared))
            bounds = f"min({READ_NUMBER}) < max({READ_NUMBER}) AND min(hash({values})) < max(hash({values}))"
            differ = rows.aggregate(f"{names}, {bounds} AS differ_", names).filter("differ_")
            [(found,)] = differ.aggregate("count(*)").fetchall()
            return int(found)

        return SharedKeys(
            conflicts=max(
                count(primary_key, [name for name in bound if name in content]),
                count([*primary_key, *([cursor] if cursor else [])], content),
            ),
            versions=count(primary_key, content) if cursor else 0,
        )
