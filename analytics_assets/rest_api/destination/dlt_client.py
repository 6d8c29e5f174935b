"""How dlt loads a table of ours: its load job runs one transaction over the Parquet files that a manifest names."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal, cast

from dlt.common.destination import Destination, DestinationCapabilitiesContext, PreparedTableSchema
from dlt.common.destination.client import JobClientBase, LoadJob, RunnableLoadJob
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema
from dlt.common.schema.typing import TSchemaTables
from dlt.destinations.exceptions import DatabaseTerminalException
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import WithSqlClient

from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.destination.merge_sql import TargetTable
from analytics_assets.rest_api.destination.parents.columns import StoredField
from analytics_assets.rest_api.destination.plan import LoadOutcome, Plan
from analytics_assets.rest_api.destination.warehouse import Log
from analytics_assets.rest_api.errors import WarehouseError

# The file that dlt carries from extract to load. dlt hands JSON lines on as they are; Parquet files it rewrites when
# columns are added, in an order of its own.
MANIFEST_FORMAT: Literal["jsonl"] = "jsonl"


def write_manifest(path: Path, files: Sequence[Path]) -> None:
    """Write the paths of the files, in the order in which they are to be loaded."""
    path.write_text(json.dumps([str(file) for file in files]))


class TableClient(WithSqlClient, JobClientBase):
    """A dlt client that loads one table by a plan. To be mixed into dlt's client of a destination.

    By default, nobody else changes the dataset during a load: the process has locked the DuckDB file. A database that
    several loads write to at once locks in two methods: in `update_stored_schema`, which creates dlt's tables, and in
    `load_files`, which calls `settle` under the lock. Each may wait `lock_seconds`, and raises BusyError after that.

    Attributes:
        plan: What the load does to the table.
        outcome: What it finds there.
        adjust_plan: Takes the columns of the table. Returns the plan that fits them, or raises a WarehouseError.
        lock_seconds: How long to wait for other loads.
        log: Logs which process is waited for.
    """

    plan: Plan  # these are set by the destination that makes the client
    outcome: LoadOutcome
    adjust_plan: Callable[[Mapping[str, ColumnType]], Plan]
    lock_seconds: float
    log: Log

    @abstractmethod
    def load_files(self, table: TargetTable, files: Sequence[Path], load_id: str) -> None:
        """Write the rows of the files to the table by the plan, in one transaction.

        Raises:
            WarehouseError: The load fails. dlt does not try again.
        """

    def settle(self) -> None:
        """Adjust the plan to the table as it is now. From here to the commit, no other load may change the table.

        Raises:
            WarehouseError: The rows do not fit the table.
        """
        self.plan = self.adjust_plan(self.stored_columns(self.plan.table))

    def stable_table(self, table: str) -> AbstractContextManager[None]:  # noqa: ARG002
        """A scope in which no other load changes the columns of a table or drops it. Loads may write rows."""
        return nullcontext()

    @abstractmethod
    def stored_columns(self, table: str) -> dict[str, ColumnType]:
        """The columns of a table in the destination; none if it does not exist."""

    @property
    @abstractmethod
    def uri(self) -> str:
        """Where the tables are: the DuckDB file, host, port and database of a server, or a folder of a bucket."""

    @abstractmethod
    def stream(self, query: str) -> Iterator[Sequence[Sequence[Any]]]:
        """The rows of a query in batches, in memory that does not grow with their number."""

    @abstractmethod
    def text_of(self, field: StoredField) -> str:
        """The SQL expression of a field's value as text, see `StoredField.value`."""

    def update_stored_schema(
        self,
        only_tables: Any = None,
        expected_update: Any = None,
        force: bool = False,  # noqa: ARG002
    ) -> TSchemaTables | None:
        """Create the table, or its new columns. dlt trusts its stored schema and would not notice a dropped table."""
        self.settle()
        return super().update_stored_schema(only_tables, expected_update, force=True)

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        if table["name"] == self.plan.table:
            return TableLoadJob(file_path)
        return super().create_load_job(table, file_path, load_id, restore)  # type: ignore[safe-super]

    @abstractmethod
    def target(self, table: PreparedTableSchema) -> TargetTable:
        """The plan's table in the terms of this destination."""


class SqlTableClient(TableClient, SqlJobClientBase):
    """A table client of a SQL database."""

    def stored_columns(self, table: str) -> dict[str, ColumnType]:
        if not self.is_storage_initialized():
            return {}
        columns = dict(self.get_storage_tables([table])).get(table, {})
        return {name: ColumnType.from_dlt(column) for name, column in columns.items()}

    @property
    def uri(self) -> str:
        return database_uri(self.config.credentials)

    def target(self, table: PreparedTableSchema) -> TargetTable:
        """The plan's table in the terms of this database.

        Its columns are those of the load, and those that another load has added since this one read the table: they
        get NULL, as they would if the other load had ended before.
        """
        columns = table["columns"]
        if not self.plan.recreate_table:
            columns = {**dict(self.get_storage_tables([self.plan.table]))[self.plan.table], **columns}
        return TargetTable(
            name=self.sql_client.make_qualified_table_name(self.plan.table),
            columns=columns,
            types={name: self.type_mapper.to_destination_type(column, table) for name, column in columns.items()},
            quote=self.sql_client.escape_column_name,
        )


class TableLoadJob(RunnableLoadJob):
    """Loads the files of one manifest."""

    def run(self) -> None:
        client = self._job_client
        assert isinstance(client, TableClient)
        files = [Path(file) for file in json.loads(Path(self._file_path).read_text())]
        try:
            client.load_files(client.target(self._load_table), files, self._load_id)
        except WarehouseError as error:  # dlt would try again
            raise DatabaseTerminalException(error) from error


class TableDestination(Destination[Any, TableClient]):
    """A dlt destination that loads one table by a plan. To be mixed into dlt's destination of a database."""

    plan: Plan
    outcome: LoadOutcome
    adjust_plan: Callable[[Mapping[str, ColumnType]], Plan]
    lock_seconds: float
    log: Log
    _capabilities: DestinationCapabilitiesContext | None = None

    def capabilities(
        self, config: Any = None, naming: NamingConvention | None = None
    ) -> DestinationCapabilitiesContext:
        """Resolve the capabilities once: dlt requests them 20 times a load, and resolves all settings each time.

        They are the same each time, since one destination object serves one load with one naming convention.
        """
        if config is not None:
            return super().capabilities(config, naming)
        if self._capabilities is None:
            self._capabilities = super().capabilities(None, naming)
        return self._capabilities.copy()

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities: DestinationCapabilitiesContext = super()._raw_capabilities()  # type: ignore[safe-super]
        capabilities.supported_loader_file_formats = [MANIFEST_FORMAT]
        capabilities.preferred_loader_file_format = MANIFEST_FORMAT
        # PostgreSQL's refuses formats whose driver is not installed. None is dlt's default, which its type leaves out.
        capabilities.loader_file_format_selector = cast(Any, None)
        return capabilities

    def client(self, schema: Schema, initial_config: Any = None) -> TableClient:
        client = super().client(schema, initial_config)
        client.plan, client.outcome, client.adjust_plan = self.plan, self.outcome, self.adjust_plan
        client.lock_seconds, client.log = self.lock_seconds, self.log
        return client


def database_uri(credentials: Any) -> str:
    """The database that dlt's credentials lead to, without user and password."""
    if host := getattr(credentials, "host", None):
        return f"{credentials.drivername}://{host}:{credentials.port}/{credentials.database}"
    return f"{credentials.drivername}://{Path(credentials.database).absolute()}"
