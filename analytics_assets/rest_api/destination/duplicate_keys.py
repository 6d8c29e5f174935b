"""Drift: rows that move between numbered pages while they are read. Some then come twice, and others not at all.

It is seen by keys that came twice, before anything is loaded: in the files of the walk, so that no key is held in
memory while pages are fetched.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from analytics_assets.rest_api.destination.duckdb_destination import THREADS
from analytics_assets.rest_api.destination.pipeline import ResourcePipeline, translate_error
from analytics_assets.rest_api.errors import DriftError

MEMORY = "128MB"  # of the database that counts the keys; what needs more goes to the working folder


@dataclass(frozen=True)
class Keys:
    """The keys of a walk: how many rows, how many of them differ, and a number that differs for other keys."""

    rows: int
    different: int
    fingerprint: int


def count_fetched_keys(pipeline: ResourcePipeline) -> Keys:
    """The keys in the files that are about to be loaded."""
    import duckdb

    packages = map(pipeline.get_load_package_info, pipeline.list_normalized_load_packages())
    jobs = [job for package in packages for job in package.jobs["new_jobs"]]
    files = [job.file_path for job in jobs if job.file_path.endswith(".parquet")]
    if not files:
        return Keys(0, 0, 0)
    names = ", ".join(f'"{name}"' for name in pipeline.plan.primary_key)
    try:
        with duckdb.connect(
            config={"memory_limit": MEMORY, "threads": THREADS, "temp_directory": pipeline.working_dir}
        ) as database:
            keys = database.read_parquet(files).aggregate(f"{names}, count(*) AS times_", names)
            summed = keys.aggregate(f"sum(times_)::BIGINT, count(*), bit_xor(hash({names}, times_))")
            [(rows, different, fingerprint)] = summed.fetchall()
    except duckdb.Error as error:
        raise translate_error(error, dataset=str(pipeline.dataset_name), table=pipeline.plan.table) from None
    return Keys(rows or 0, different, fingerprint or 0)


class DuplicateKeyCheck:
    """Holds the walks of one load against each other: keys that come twice in each of them are the API's own."""

    def __init__(self, name: str, log: logging.Logger) -> None:
        self._name = name
        self._log = log
        self._before: Keys | None = None

    def check(self, keys: Keys) -> None:
        """Raises DriftError if a key came twice, and the walk before did not bring the very same keys."""
        before, self._before = self._before, keys
        twice = keys.rows - keys.different
        if twice and keys != before:
            raise DriftError(
                f"{twice} of {keys.rows} rows have the key of another row: rows moved from page to page while they "
                "were read, and others may be missing; or `primary_key` does not tell rows apart"
            )
        if twice:
            self._log.warning(
                f"{self._name}: {twice} of {keys.rows} rows have the key of another row, the same ones in two walks: "
                "the API sends them so. Of each key the newest row counts; is `primary_key` right?"
            )
