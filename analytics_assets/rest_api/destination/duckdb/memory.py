"""Memory of a load into DuckDB: DuckDB fills all memory that it is allowed to use."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dlt.destinations.exceptions import DatabaseException

THREADS = min(2, os.cpu_count() or 1)
# Measured with two threads, files of 200,000 rows, 2 to 400 columns and texts of 20 characters: a merge needs 20 MB
# plus 2.5 MB for each column.
MEGABYTES, MEGABYTES_PER_COLUMN = 128, 3
LONG_VALUES_MEGABYTES = 256  # more for long values: measured with 50,000 rows of 20 KB
# A commit that runs out of memory is reported as a TransactionException.
OUT_OF_MEMORY = frozenset({"OutOfMemoryException", "TransactionException"})


def run_in_limited_memory(
    load: Callable[[], None],
    *,
    execute: Callable[[str], Sequence[Sequence[Any]] | None],
    columns: int,
    user_settings: Mapping[str, Any],
) -> None:
    """Run the load under a reduced memory limit; if that is too little, under a larger one; then under the default.

    Args:
        load: Runs one transaction, and may run again after it fails.
        execute: Runs SQL on the load's connection.
        columns: The number of columns of the table.
        user_settings: DuckDB settings of the user. Limits among them are left as they are.
    """
    if "threads" not in user_settings:
        execute(f"SET threads = {THREADS}")
    if {"memory_limit", "max_memory"} & user_settings.keys():
        load()
        return
    [[default]] = execute("SELECT current_setting('memory_limit')") or [[]]
    lowest = MEGABYTES + MEGABYTES_PER_COLUMN * columns
    for limit in (lowest, lowest + LONG_VALUES_MEGABYTES):
        execute(f"SET memory_limit = '{limit}MB'")
        try:
            load()
        except DatabaseException as error:
            if type(error.dbapi_exception).__name__ not in OUT_OF_MEMORY:
                raise
        else:
            return
    execute(f"SET memory_limit = '{default}'")  # RESET does not reach the buffers of DuckDB 1.5
    load()
