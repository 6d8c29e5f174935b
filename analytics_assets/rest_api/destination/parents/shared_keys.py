"""Keys that occur under several parents: a key that does not name the parent would store one of the rows only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from analytics_assets.rest_api.arrow.table_columns import READ_NUMBER
from analytics_assets.rest_api.destination.duckdb.memory import THREADS
from analytics_assets.rest_api.destination.parquet_files import ORDINAL

MEMORY = "128MB"  # of the DuckDB that counts; beyond that it uses the temporary folder


def count_conflicting_keys(
    files: Sequence[Path],
    primary_key: Sequence[str],
    *,
    cursor: str | None,
    bound: Sequence[str],
    temp_folder: Path,
) -> int:
    """Count the keys of which several reads returned different rows.

    Rows with the same values of the parent and different cursors are versions of one row: the newest wins.

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
        return 0
    with duckdb.connect(
        config={"memory_limit": MEMORY, "threads": THREADS, "temp_directory": str(temp_folder)}
    ) as database:
        rows = database.read_parquet([str(file) for file in files], union_by_name=True)
        content = [name for name in rows.columns if name not in (ORDINAL, READ_NUMBER)]
        found = [0]
        for key, compared in (
            (primary_key, [name for name in bound if name in content]),
            ([*primary_key, *([cursor] if cursor else [])], content),
        ):
            if compared:
                names, values = (", ".join(f'"{name}"' for name in each) for each in (key, compared))
                bounds = f"min({READ_NUMBER}) < max({READ_NUMBER}) AND min(hash({values})) < max(hash({values}))"
                differ = rows.aggregate(f"{names}, {bounds} AS differ_", names).filter("differ_")
                found += [count for (count,) in differ.aggregate("count(*)").fetchall()]
        return max(found)
