"""Drift: rows that move between numbered pages while they are read. Some are then read twice, and others not at all.

It is detected by keys that occur twice, before anything is loaded. Keys are counted in the files of the read, so that
none has to stay in memory while pages are fetched.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analytics_assets.rest_api.destination.duckdb.memory import THREADS
from analytics_assets.rest_api.errors import DriftError

MEMORY = "128MB"  # of the DuckDB that counts; beyond that it uses the temporary folder
ROWS_IN_MEMORY = 50_000  # fewer rows are counted faster than DuckDB starts
SAMPLE_KEYS = 5


@dataclass(frozen=True)
class Keys:
    """The keys of one read.

    Attributes:
        rows: Number of rows.
        distinct: Number of distinct keys.
        fingerprint: A hash of the keys and of how often each occurs; 0 if each occurs once.
        repeated: Some of the keys that occur more than once.
    """

    rows: int = 0
    distinct: int = 0
    fingerprint: int = 0
    repeated: tuple[tuple[Any, ...], ...] = ()

    @property
    def duplicates(self) -> int:
        """Rows that have the key of another row."""
        return self.rows - self.distinct


def count_keys(files: Sequence[Path], primary_key: Sequence[str], *, rows: int, temp_folder: Path) -> Keys:
    """Count the keys in Parquet files that have all columns of the key.

    Args:
        files: The files.
        primary_key: The columns of the key.
        rows: The number of rows in all files.
        temp_folder: Where DuckDB may write what does not fit into its memory.

    Raises:
        duckdb.Error: The files cannot be read, or disk or memory is full.
    """
    if not files:
        return Keys()
    return _count_in_memory(files, primary_key) if rows <= ROWS_IN_MEMORY else _count(files, primary_key, temp_folder)


def _count_in_memory(files: Sequence[Path], primary_key: Sequence[str]) -> Keys:
    names = list(primary_key)
    tables = []
    for path in files:
        with pq.ParquetFile(path) as file:
            tables.append(file.read(names))
    keys = pa.concat_tables(tables)
    counted = keys.group_by(names).aggregate([([], "count_all")])
    if counted.num_rows == keys.num_rows:
        return Keys(keys.num_rows, counted.num_rows)
    fingerprint = hash(frozenset(zip(*(column.to_pylist() for column in counted.columns), strict=True)))
    repeated = counted.filter(pc.field("count_all") > 1).select(names).slice(0, SAMPLE_KEYS)
    sample = tuple(tuple(row.values()) for row in repeated.to_pylist())
    return Keys(keys.num_rows, counted.num_rows, fingerprint, sample)


def _count(files: Sequence[Path], primary_key: Sequence[str], temp_folder: Path) -> Keys:
    names = ", ".join(f'"{name}"' for name in primary_key)
    with duckdb.connect(
        config={"memory_limit": MEMORY, "threads": THREADS, "temp_directory": str(temp_folder)}
    ) as database:
        keys = database.read_parquet([str(file) for file in files], union_by_name=True)
        counted = keys.aggregate(f"{names}, count(*) AS times_", names)
        summed = counted.aggregate(f"sum(times_)::BIGINT, count(*), bit_xor(hash({names}, times_))")
        [(rows, distinct, fingerprint)] = summed.fetchall()
        if rows == distinct:
            return Keys(rows, distinct)
        repeated = counted.filter("times_ > 1").limit(SAMPLE_KEYS).project(names).fetchall()
    return Keys(rows, distinct, fingerprint, tuple(repeated))


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
        duplicates = keys.duplicates
        if duplicates and (before is None or keys.fingerprint != before.fingerprint):
            raise DriftError(
                f"{duplicates} of {keys.rows} rows have the key of another row: rows moved from page to page while "
                "they were read, and others may be missing; or `primary_key` does not identify a row"
            )
        if duplicates:
            self._log.warning(
                f"{self._name}: {duplicates} of {keys.rows} rows have the key of another row, the same ones in two "
                "reads: the API sends them so. Of each key the newest row is loaded. Is `primary_key` right?"
            )
