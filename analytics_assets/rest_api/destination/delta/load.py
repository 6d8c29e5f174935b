"""One attempt to load rows into a Delta table: from a version of the table to the next one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deltalake import DeltaTable, Schema
from deltalake.transaction import AddAction

from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.destination.delta.column_types import required_columns, stored_columns, table_schema
from analytics_assets.rest_api.destination.delta.merge_sql import DeltaMergeSql
from analytics_assets.rest_api.destination.delta.table import DataFile, LakeTable
from analytics_assets.rest_api.destination.merge_sql import TargetTable
from analytics_assets.rest_api.destination.plan import LoadOutcome, Plan
from analytics_assets.rest_api.destination.widening import Conversion, conversions

# A load that writes rows into a table with that many small files writes one file instead of them.
MAX_SMALL_FILES = 16
SMALL_FILE_BYTES = 16 << 20

Execute = Callable[[str], Sequence[Sequence[Any]] | None]


class DeltaLoad:
    """Writes the load's rows and the unchanged rows of the files that it replaces to new files, and commits them.

    Attributes:
        version: The version that the load is computed from.
        uploaded: The new files, as soon as the commit may have been sent.
    """

    def __init__(
        self,
        plan: Plan,
        table: TargetTable,
        lake_table: LakeTable,
        version: DeltaTable,
        *,
        execute: Execute,
        folder: Path,
    ) -> None:
        """
        Args:
            plan: What the load does, adjusted to the version.
            table: The table's columns: those of the load, and others that are stored.
            lake_table: The table.
            version: Its newest version.
            execute: Runs SQL.
            folder: For the new files. It is removed.
        """
        self.version = version
        self.uploaded: list[AddAction] | None = None
        self._plan = plan
        self._table = table
        self._lake_table = lake_table
        self._execute = execute
        self._folder = folder
        self._columns = {name: ColumnType.from_dlt(column) for name, column in table.columns.items()}

    def write(self, files: Sequence[Path], load_id: str, outcome: LoadOutcome) -> None:
        """Load the files; may run again after it failed.

        Raises:
            CommitFailedError: Another writer has committed since the version was read.
        """
        stored = stored_columns(self.version.schema())
        data_files, merge = self._lake_table.files(self.version), DeltaMergeSql(self._plan, self._table, stored)
        sources = [merge.source(file, load_id) for file in files]
        self._execute(merge.create_stored_rows(data_files))
        merge.find_gone_rows(sources, self._execute, outcome)
        merge.find_overwritten_rows(sources, self._execute, outcome)
        converted: list[Conversion] = []
        if not self._plan.recreate_table:
            converted = list(conversions(self._plan, self._table, self._execute))
            self._execute(merge.create_stored_rows(data_files, converted))
        self._execute(merge.find_written_rows(sources))
        schema = self._new_schema(stored, converted)
        rewritten = self._rewritten(merge, data_files, all_files=schema is not None or self._plan.mode == "replace")
        writes = self._execute(merge.has_written_rows()) or []
        if not writes and not rewritten and schema is None:
            return
        self._execute(merge.create_stored_rows(rewritten, converted))
        shutil.rmtree(self._folder, ignore_errors=True)
        self._execute(merge.write_files(sources, stored_columns(schema or self.version.schema()), self._folder))
        self.uploaded = self._lake_table.upload(sorted(self._folder.glob("*.parquet")))
        shutil.rmtree(self._folder)
        removed = [data_files[path].log_path for path in rewritten]
        self._lake_table.commit(self.version, self.uploaded, removed, load_id=load_id, schema=schema)

    def _new_schema(self, stored: Mapping[str, ColumnType], converted: Sequence[Conversion]) -> Schema | None:
        """The schema of the next version; None if it stays."""
        if self._plan.recreate_table:
            columns = self._table.columns.items()
            required = frozenset(name for name, column in columns if not column.get("nullable", True))
            return table_schema(self._columns, required)
        if not converted:
            return None
        changed = {conversion.column: conversion.type for conversion in converted}
        return table_schema({**stored, **changed}, required_columns(self.version.schema()))

    def _rewritten(self, merge: DeltaMergeSql, files: Mapping[str, DataFile], *, all_files: bool) -> list[str]:
        """The files that are replaced. Many small files are replaced too: each load that writes rows adds one."""
        if all_files:
            return list(files)
        changed = {path for (path,) in self._execute(merge.changed_files()) or ()}
        small = [path for path, file in files.items() if file.size < SMALL_FILE_BYTES]
        return sorted({*changed, *small} if len(small) >= MAX_SMALL_FILES else changed)
