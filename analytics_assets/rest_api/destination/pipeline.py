"""The dlt pipeline of one resource: where it loads to, what it loads under, and what it reports."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import dlt
import pyarrow
from dlt.common.destination import Destination
from dlt.common.destination.exceptions import UnknownDestinationModule
from dlt.common.pipeline import LoadInfo
from dlt.common.schema.typing import TColumnSchema
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.pipeline.pipeline import Pipeline

from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.destination.duckdb_destination import DuckDbClientMixin
from analytics_assets.rest_api.destination.locks import destination_lock
from analytics_assets.rest_api.destination.merge_sql import MergeClientMixin, Plan
from analytics_assets.rest_api.destination.postgres_destination import PostgresClientMixin, lock_dataset
from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.errors import BusyError, RestApiError, WarehouseError
from analytics_assets.rest_api.workdir import temporary_workdir

PREVIEW_ROWS = 10
SYSTEM_PROBLEMS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EMFILE, errno.ENOMEM)
# Errors of databases whose own words cannot hold data, and those of PostgreSQL that may pass.
SAFE_TO_QUOTE = frozenset({
    "IOException", "OperationalError", "OutOfMemoryException", "CatalogException", "ConfigFieldMissingException",
    "DependentObjectsStillExist",
})  # fmt: skip
TRANSIENT_ERRORS = frozenset({
    "OperationalError", "AdminShutdown", "CannotConnectNow", "TooManyConnections", "DeadlockDetected",
    "SerializationFailure",
})  # fmt: skip


@dataclass
class TableReport:
    """The table after a load: its columns as the destination has them, all its rows counted, the first few shown."""

    name: str
    columns: Mapping[str, ColumnType] = field(default_factory=dict)
    total_rows: int = 0
    preview: list[Sequence[Any]] = field(default_factory=list)


def configure_dlt() -> None:
    """dlt's settings that loads stand on, for this process. Those of the second group the environment may override."""
    os.environ["NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID"] = "true"
    os.environ["RESTORE_FROM_DESTINATION"] = "false"
    os.environ["DESTINATION__POSTGRES__CREDENTIALS__SESSION_TIMEZONE"] = "UTC"  # as on DuckDB, whatever the server's
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    os.environ.setdefault("RUNTIME__LOG_LEVEL", "CRITICAL")
    os.environ.setdefault("DATA_WRITER__FILE_MAX_ITEMS", "200000")
    os.environ.setdefault("DATA_WRITER__BUFFER_MAX_ITEMS", "1")  # tables are written as they come


def planned_destination(warehouse: Warehouse, plan: Plan, dataset: str) -> Destination[Any, Any]:
    """The warehouse's dlt destination, whose client ends each load by `plan`."""
    staging = staging_dataset(dataset, plan.table)
    settings: dict[str, Any] = {"enable_dataset_name_normalization": False, "staging_dataset_name_layout": staging}
    if warehouse.is_duckdb:
        settings["credentials"] = str(warehouse.duckdb_path)
    if warehouse.destination == "postgres":
        settings["loader_file_format_selector"] = None  # it refuses parquet without a driver that is not needed here
    try:
        base: Any = Destination.from_reference(warehouse.destination, **settings)
        client = base.client_class
    except UnknownDestinationModule:
        raise WarehouseError(
            f"dlt knows no destination {warehouse.destination!r}: set ANALYTICS_DESTINATION to one that it knows "
            "(duckdb, postgres, snowflake, bigquery, ...)"
        ) from None
    except ImportError as error:
        raise WarehouseError(
            f"the destination {warehouse.destination!r} needs the Python module {error.name!r}, which is not "
            f"installed: pip install 'dlt[{warehouse.destination}]'"
        ) from None
    if not issubclass(client, SqlJobClientBase) or "upsert" not in (
        base.capabilities().supported_merge_strategies or ()
    ):
        raise WarehouseError(
            f"the destination {warehouse.destination!r} cannot merge rows into a table: set ANALYTICS_DESTINATION to "
            "a database or warehouse that can (duckdb, postgres, snowflake, bigquery, ...)"
        )
    mixin = {"duckdb": DuckDbClientMixin, "postgres": PostgresClientMixin}.get(warehouse.destination, MergeClientMixin)
    planned = type(client.__name__, (mixin, client), {"plan": plan})
    kind = type(base)
    base.__class__ = type(kind.__name__, (kind,), {"__module__": kind.__module__, "client_class": planned})
    planned_base: Destination[Any, Any] = base
    return planned_base


def staging_dataset(dataset: str, table: str) -> str:
    """A dataset for each table, so that loads do not meet in it and it is dropped whole; PostgreSQL cuts long names."""
    name = f"{dataset}_staging_{table}"
    return name if len(name) <= 63 else f"{name[:46]}_{hashlib.sha256(name.encode()).hexdigest()[:16]}"


class ResourcePipeline(Pipeline):
    """The pipeline of one table: the destination is opened under a lock, and for the load step only."""

    warehouse: Warehouse
    plan: Plan
    log: logging.Logger
    preview_rows: int
    report: TableReport
    before_load: Callable[[], None] | None = None  # may refuse what was fetched

    @cached_property
    def max_name_length(self) -> int:
        return int(self.destination.capabilities().max_column_identifier_length or 0)

    def check_names(self) -> None:
        """Refuses names that the destination would cut: of the dataset, and of columns that the load's SQL asks for."""
        for name in (str(self.dataset_name), *self.plan.primary_key, self.plan.cursor or ""):
            if 0 < self.max_name_length < len(name):
                raise WarehouseError(
                    f"the name {name!r} has more than the {self.max_name_length} characters that "
                    f"{self.warehouse.destination} takes in the name of a dataset, a key or a cursor"
                )

    def stored_columns(self) -> dict[str, ColumnType]:
        """The table's columns as the destination has them; empty if there is no such table yet."""
        with self._locked_client() as client:
            return self._stored(client)

    def drop_pending_packages(self, with_partial_loads: bool = True) -> None:
        """Nothing: the working folder is new. dagster-dlt asks for it before each run."""

    def load(self, *args: Any, **kwargs: Any) -> LoadInfo:
        """dlt's load step, with no other load of the dataset beside it; the table is counted before they go on."""
        pyarrow.default_memory_pool().release_unused()  # the database wants it now
        if self.before_load:
            self.before_load()
        with self._locked_client() as client:
            if not self.plan.recreate_table:
                table = self.default_schema.tables.get(self.plan.table)
                self.check_types(table["columns"] if table else {}, self._stored(client))
            try:
                info = super().load(*args, **kwargs)
            finally:
                if not self.warehouse.is_duckdb:
                    self._drop_staging(client)
            self.report = self._describe_table(client)
        return info

    @contextmanager
    def _locked_client(self) -> Iterator[SqlJobClientBase]:
        """A client of the destination, while no other process works on the dataset."""
        schema = dlt.Schema(self.plan.table)
        destination: Destination[Any, Any] = self.destination
        config = destination.spec()._bind_dataset_name(self.dataset_name, default_schema_name=schema.name)
        dataset, table = str(self.dataset_name), self.plan.table
        with destination_lock(self.warehouse, dataset, table, log=self.log) as deadline, ExitStack() as connected:
            client = destination.client(schema, config)
            try:
                connected.enter_context(client)
            except Exception as error:  # the driver's own, which dlt passes on as it is
                raise translate_error(error, dataset=dataset, table=table) from None
            if self.warehouse.destination == "postgres":
                lock_dataset(client, dataset, table, deadline, self.log)
            yield client

    def _stored(self, client: SqlJobClientBase) -> dict[str, ColumnType]:
        if not client.is_storage_initialized():
            return {}
        columns = dict(client.get_storage_tables([self.plan.table])).get(self.plan.table, {})
        return {name: ColumnType.of(column) for name, column in columns.items()}

    def check_types(self, columns: Mapping[str, TColumnSchema], stored: Mapping[str, ColumnType]) -> None:
        """Refuses to load a column into one of another type: a double in a BIGINT column would lose its fraction."""
        for name, column in columns.items():
            held = stored.get(name)
            if held and "data_type" in column and not held.can_store(loaded := ColumnType.of(column)):
                raise WarehouseError(
                    f"column {name!r} of {self.dataset_name}.{self.plan.table} is {held} in the warehouse and "
                    f"{loaded} in this load: run again if another run changed the table just now; if the YAML declares "
                    "another type than before, run the full refresh, which creates the table anew"
                )

    def _drop_staging(self, client: SqlJobClientBase) -> None:
        with client.sql_client.with_staging_dataset():
            if client.sql_client.has_dataset():
                client.sql_client.drop_dataset()

    def _describe_table(self, client: SqlJobClientBase) -> TableReport:
        sql, table = client.sql_client, self.plan.table
        qualified = sql.make_qualified_table_name(table)
        report = TableReport(name=f"{self.dataset_name}.{table}", columns=self._stored(client))
        if report.columns:
            [[report.total_rows]] = sql.execute_sql(f"SELECT COUNT(*) FROM {qualified}") or [[0]]
            if self.preview_rows:
                names = ", ".join(map(sql.escape_column_name, report.columns))
                report.preview = list(
                    sql.execute_sql(f"SELECT {names} FROM {qualified} LIMIT {self.preview_rows}") or []
                )
        return report


@contextmanager
def resource_pipeline(
    warehouse: Warehouse, plan: Plan, *, dataset: str, log: logging.Logger, preview_rows: int = PREVIEW_ROWS
) -> Iterator[ResourcePipeline]:
    """A pipeline with a working folder of its own, which is gone afterwards."""
    configure_dlt()
    with temporary_workdir() as folder:
        pipeline = dlt.pipeline(
            pipeline_name=re.sub(r"\W", "_", f"{dataset}__{plan.table}"),
            pipelines_dir=str(folder),
            destination=planned_destination(warehouse, plan, dataset),
            dataset_name=dataset,
            _impl_cls=ResourcePipeline,
        )
        pipeline.warehouse, pipeline.plan, pipeline.log = warehouse, plan, log
        pipeline.preview_rows = preview_rows
        pipeline.report = TableReport(name=f"{dataset}.{plan.table}")
        try:
            pipeline.check_names()
            yield pipeline
        finally:
            pipeline.deactivate()


def translate_error(error: BaseException, *, dataset: str, table: str) -> RestApiError:
    """The error for people behind one of dlt's. A database's own words are kept only where they cannot hold data."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        if isinstance(current, RestApiError):
            return current
        seen.append(current)
        current = getattr(current, "exception", None) or current.__cause__ or current.__context__
    root = seen[-1]
    kind, module = type(root).__name__, type(root).__module__
    texts = " ".join(map(str, seen))
    said = next((problem for code in SYSTEM_PROBLEMS if (problem := os.strerror(code)) in texts), "")
    if said and isinstance(root, OSError):
        said += f" (temporary files are in {tempfile.gettempdir()}; TMPDIR names another folder)"
    if not said and kind in SAFE_TO_QUOTE:
        said = next(iter(str(root).splitlines()), "")
    if "host name" in said and "@" in said:  # a password with an @ in it ends up as the host
        said = "its host name is unknown; special characters in its password are percent-encoded (@ is %40)"
    told = f"loading {dataset}.{table} failed with {kind}{said and ': '}{said}. The table's rows are as they were"
    return (BusyError if kind in TRANSIENT_ERRORS and module.startswith("psycopg2") else WarehouseError)(told)
