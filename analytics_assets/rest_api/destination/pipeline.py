"""The dlt pipeline of one table: extract, normalize, load."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

import dlt
import duckdb
import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns
from dlt.extract import DltSource
from dlt.pipeline.pipeline import Pipeline

from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.arrow.numbers import Widening
from analytics_assets.rest_api.config import Parent
from analytics_assets.rest_api.destination.destinations import build_destination
from analytics_assets.rest_api.destination.dlt_client import MANIFEST_FORMAT, TableClient, write_manifest
from analytics_assets.rest_api.destination.dlt_runtime import isolated_dlt
from analytics_assets.rest_api.destination.duplicate_keys import Keys, count_keys
from analytics_assets.rest_api.destination.error_translation import translate_error
from analytics_assets.rest_api.destination.locks import file_lock
from analytics_assets.rest_api.destination.merge_sql import LOAD_ID
from analytics_assets.rest_api.destination.parents.replaced import ReplacedParents
from analytics_assets.rest_api.destination.parents.rows import ParentRows, ParentTable, read_parents
from analytics_assets.rest_api.destination.parents.shared_keys import SharedKeys, count_shared_keys
from analytics_assets.rest_api.destination.parquet_files import ParquetFiles
from analytics_assets.rest_api.destination.plan import LoadOutcome, Plan
from analytics_assets.rest_api.destination.table_report import (
    PREVIEW_ROWS,
    TableReport,
    describe_table,
)
from analytics_assets.rest_api.destination.warehouse import Log, Warehouse
from analytics_assets.rest_api.errors import BusyError, WarehouseError
from analytics_assets.rest_api.extract.concurrency import prefetch
from analytics_assets.rest_api.windows import Window
from analytics_assets.rest_api.workdir import temporary_workdir

T = TypeVar("T")
LOAD_ID_COLUMN: TColumnSchema = {"name": LOAD_ID, "data_type": "text", "nullable": False}


class TablePipeline:
    """Loads one table. The destination is open for `stored_columns`, `read_parents` and `load` only.

    Attributes:
        plan: What the load does to the table.
        files: The fetched rows, after `extract`.
        report: The table after `load`; before, only its name.
    """

    def __init__(
        self, warehouse: Warehouse, plan: Plan, *, dataset: str, folder: Path, log: Log, preview_rows: int
    ) -> None:
        self.plan = plan
        self.files = ParquetFiles(folder)
        self.report = TableReport(name=f"{dataset}.{plan.table}")
        self._warehouse = warehouse
        self._dataset = dataset
        self._folder = folder
        self._log = log
        self._preview_rows = preview_rows
        self._stored: dict[str, ColumnType] = {}
        self._replaced_parents: ReplacedParents | None = None
        self._destination = build_destination(warehouse, plan, log)
        self._pipeline: Pipeline = dlt.pipeline(
            pipeline_name=plan.table,
            pipelines_dir=str(folder),
            destination=self._destination,
            dataset_name=dataset,
        )
        # Set here and not in the environment, which all pipelines of the process share.
        self._pipeline.config.restore_from_destination = False  # no state is kept between loads
        self._pipeline.config.enable_runtime_trace = False  # a trace holds texts of errors, and serves telemetry

    @property
    def outcome(self) -> LoadOutcome:
        """What the load found in the table, after `load`."""
        return self._destination.outcome

    @cached_property
    def max_name_length(self) -> int:
        """The longest name of a column that the destination takes; 0 for no limit."""
        return int(self._destination.capabilities().max_column_identifier_length or 0)

    def check_names(self) -> None:
        """Refuse names that the destination would cut: of the dataset, the key and the cursor.

        Raises:
            WarehouseError: A name is too long.
        """
        for name in (self._dataset, *self.plan.primary_key, self.plan.cursor or ""):
            if 0 < self.max_name_length < len(name):
                raise WarehouseError(
                    f"the name {name!r} has more than the {self.max_name_length} characters that "
                    f"{self._warehouse.destination} takes in the name of a dataset, a key or a cursor"
                )

    def stored_columns(self) -> dict[str, ColumnType]:
        """The table's columns in the destination; none if there is no table."""
        with self._client() as client:
            self._stored = client.stored_columns(self.plan.table)
        return self._stored

    def read_parents(self, parent: Parent, window: Window | None) -> ParentRows:
        """Read the rows of the parent's table into files; with a window, those that changed in it.

        Raises:
            WarehouseError: The table does not exist, or lacks a field.
        """
        table = ParentTable(parent, self._dataset, self.max_name_length)
        with self._client() as client, client.stable_table(parent.name):
            return read_parents(client, table, window=window, folder=self._folder, log=self._log)

    def check_types(self, columns: Mapping[str, TColumnSchema], stored: Mapping[str, ColumnType]) -> None:
        """Refuse columns that the stored ones cannot hold: a double in a BIGINT column would lose its fraction.

        Raises:
            WarehouseError: A column has another type; a BusyError if another load has changed it since it was read.
        """
        for name, column in columns.items():
            old, widening = stored.get(name), self.plan.widen.get(name)
            if old is None or "data_type" not in column or (widening and widening.old == old):
                continue
            if not old.can_store(new := ColumnType.from_dlt(column)):
                problem = f"column {name!r} of {self.report.name} is {old} in the warehouse and {new} in this load"
                if old != self._stored.get(name):
                    raise BusyError(f"{problem}: another run has changed the table meanwhile. Run again")
                raise WarehouseError(
                    f"{problem}. If the YAML declares another type than before, run the full refresh, which creates "
                    "the table anew"
                )

    def extract(
        self,
        tables: Iterable[pa.Table],
        *,
        columns: Callable[[], TTableSchemaColumns],
        required: Collection[str],
    ) -> None:
        """Run dlt's extract step: write the rows to files, and their columns to dlt's schema.

        Args:
            tables: The rows. They are read in another thread while earlier ones are written.
            columns: Returns the columns of all tables as dlt describes them. Called when all tables are read.
            required: The key and cursor columns. A read without rows that lacks one of them loads nothing.
        """

        def manifest() -> Iterator[Any]:
            self.files.write_all(prefetch(tables))
            known = columns()
            if not self.files.rows and not (known and set(required) <= known.keys()):
                return
            path = self._folder / "manifest.jsonl"
            write_manifest(path, self.files.paths)
            hints = dlt.mark.make_hints(columns={**known, LOAD_ID: LOAD_ID_COLUMN})
            yield dlt.mark.with_file_import(str(path), MANIFEST_FORMAT, self.files.rows, hints)

        table = self.plan.table
        # dlt has one type for JSON on PostgreSQL if the data is Parquet, and another one if it is not.
        resource = dlt.resource(manifest, name=table, write_disposition="append", file_format="parquet")
        self._pipeline.extract(DltSource(dlt.Schema(table), "rest_api", [resource]))

    def count_keys(self, primary_key: Sequence[str]) -> Keys:
        """Count the keys of the extracted rows.

        Args:
            primary_key: The columns of the key.

        Raises:
            WarehouseError: There is too little memory or disk space.
        """
        files = self.files
        return self._query_files(
            lambda: count_keys(files.paths, primary_key, rows=files.rows, temp_folder=self._folder)
        )

    def count_shared_keys(self, bound: Sequence[str]) -> SharedKeys:
        """Count the keys of which several reads returned different rows.

        Args:
            bound: The columns with values of the parent and of `for_each`.

        Raises:
            WarehouseError: There is too little memory or disk space.
        """
        files, plan, folder = self.files.paths, self.plan, self._folder
        return self._query_files(
            lambda: count_shared_keys(files, plan.primary_key, cursor=plan.cursor, bound=bound, temp_folder=folder)
        )

    def _query_files(self, query: Callable[[], T]) -> T:
        try:
            return query()
        except duckdb.Error as error:
            raise translate_error(error, dataset=self._dataset, table=self.plan.table) from None

    def replace_parents(self, rows: ParentRows, types: Mapping[str, ColumnType | None]) -> None:
        """Replace the stored rows of these parents, and delete those of parents that do not exist when `load` writes.

        Args:
            rows: The parents that were read.
            types: The columns of `Plan.parent_key`, with their types as far as they are known.
        """
        self._replaced_parents = ReplacedParents(rows, types, self._folder)

    def normalize(self) -> None:
        """Run dlt's normalize step: it settles the table's schema."""
        self._pipeline.normalize()

    def load(self, *, widen: Mapping[str, Widening] | None = None) -> str | None:
        """Run dlt's load step: write the rows to the table in one transaction, and describe the table.

        Args:
            widen: Stored columns of whole numbers that get a wider type in the same transaction. Their names and
                wider types are also in the columns that were extracted.

        Returns:
            The load's id; None if nothing was extracted.

        Raises:
            WarehouseError: The destination cannot be opened, or the table does not fit the rows.
            BusyError: Another process has locked the destination for too long.
        """
        pa.default_memory_pool().release_unused()  # the database needs it now
        schema = self._pipeline.default_schema.tables.get(self.plan.table)
        columns = schema["columns"] if schema else {}
        with self._client() as client:
            self._destination.adjust_plan = lambda stored: self._adjust_plan(client, stored, columns, widen or {})
            info = self._pipeline.load()
            with client.stable_table(self.plan.table):
                self.report = describe_table(
                    client,
                    dataset=self._dataset,
                    table=self.plan.table,
                    primary_key=self.plan.primary_key,
                    preview_rows=self._preview_rows,
                )
        return next(iter(info.loads_ids), None)

    def _adjust_plan(
        self,
        client: TableClient,
        stored: Mapping[str, ColumnType],
        columns: TTableSchemaColumns,
        widen: Mapping[str, Widening],
    ) -> Plan:
        """The plan for the table as it is now: it may have changed since it was read.

        Raises:
            WarehouseError: The table does not fit the extracted columns any more.
        """
        plan = self.plan
        if not plan.recreate_table:
            still_needed = {name: widening for name, widening in widen.items() if stored.get(name) == widening.old}
            plan = self.plan = replace(plan, widen=still_needed)
            self.check_types(columns, stored)
        key = {name: ColumnType.from_dlt(columns[name]) for name in plan.primary_key if name in columns}
        has_same_key = bool(key) and all(stored.get(name) == key.get(name) for name in plan.primary_key)
        parents = self._replaced_parents.write_keys(client, stored) if self._replaced_parents else None
        plan = replace(plan, counts_gone_rows=has_same_key and not plan.window, parents=parents)
        self.plan = self._destination.plan = plan
        return self.plan

    @contextmanager
    def _client(self) -> Iterator[TableClient]:
        """A connected client of the destination. No other process opens the DuckDB file meanwhile."""
        with ExitStack() as opened:
            if self._warehouse.is_duckdb:
                opened.enter_context(file_lock(self._warehouse, self.report.name, log=self._log))
            client = self._pipeline.destination_client()
            assert isinstance(client, TableClient)
            try:
                opened.enter_context(cast(AbstractContextManager[Any], client))
            except Exception as error:  # the driver's own, which dlt raises as it is
                raise translate_error(error, dataset=self._dataset, table=self.plan.table) from None
            yield client


@contextmanager
def table_pipeline(
    warehouse: Warehouse, plan: Plan, *, dataset: str, log: Log, preview_rows: int = PREVIEW_ROWS
) -> Iterator[TablePipeline]:
    """A pipeline with a temporary folder of its own.

    Raises:
        WarehouseError: The destination is not supported, or a name is too long for it.
    """
    with temporary_workdir() as folder, isolated_dlt():
        pipeline = TablePipeline(warehouse, plan, dataset=dataset, folder=folder, log=log, preview_rows=preview_rows)
        pipeline.check_names()
        yield pipeline
