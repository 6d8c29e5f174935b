"""Drift: rows that move between numbered pages while they are read. Some are then read twice, and others not at all.

It is detected by keys that occur twice, before anything is loaded. Keys are counted in the files of the read, so that
none has to stay in memory while pages are fetched.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from analytics_assets.rest_api.destination.duckdb.memory import THREADS
from analytics_assets.rest_api.errors import DriftError

MEMORY = "128MB"  # of the DuckDB that counts; beyond that it uses the temporary folder


@dataclass(frozen=True)
class Keys:
    """The keys of one read.

    Attributes:
        rows: Number of rows.
        distinct: Number of distinct keys.
        fingerprint: A hash of the keys and of how often each occurs.
    """

    rows: int
    distinct: int
    fingerprint: int


def count_keys(files: Sequence[Path], primary_key: Sequence[str], *, temp_folder: Path) -> Keys:
    """Count the keys in Parquet files that have all columns of the key.

    Raises:
        duckdb.Error: The files cannot be read, or disk or memory is full.
    """
    if not files:
        return Keys(0, 0, 0)
    names = ", ".join(f'"{name}"' for name in primary_key)
    with duckdb.connect(
        config={"memory_limit": MEMORY, "threads": THREADS, "temp_directory": str(temp_folder)}
    ) as database:
        keys = database.read_parquet([str(file) for file in files], union_by_name=True)
        counted = keys.aggregate(f"{names}, count(*) AS times_", names)
        summed = counted.aggregate(f"sum(times_)::BIGINT, count(*), bit_xor(hash({names}, times_))")
        [(rows, distinct, fingerprint)] = summed.fetchall()
    return Keys(rows or 0, distinct, fingerprint or 0)


class DuplicateKeyCheck:
    """Compares the reads of one load. Keys that occur twice in two reads alike are duplicates in the API itself."""

    def __init__(self, name: str, log: logging.Logger) -> None:
        self._name = name
        self._log = log
        self._before: Keys | None = None

    def check(self, keys: Keys) -> None:
        """Compare the keys of a read with those of the read before.

        Raises:
            DriftError: A key occurs twice, and the read before did not have the very same keys.
        """
        before, self._before = self._before, keys
        duplicates = keys.rows - keys.distinct
        if duplicates and keys != before:
            raise DriftError(
                f"{duplicates} of {keys.rows} rows have the key of another row: rows moved from page to page while "
                "they were read, and others may be missing; or `primary_key` does not identify a row"
            )
        if duplicates:
            self._log.warning(
                f"{self._name}: {duplicates} of {keys.rows} rows have the key of another row, the same ones in two "
                "reads: the API sends them so. Of each key the newest row is loaded. Is `primary_key` right?"
            )
