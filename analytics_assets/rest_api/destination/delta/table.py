"""A Delta table: its versions, its files, and commits that replace files."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction
from fsspec import AbstractFileSystem

from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.destination.delta.column_types import new_fields, stored_columns, table_schema
from analytics_assets.rest_api.errors import WarehouseError

MAX_ATTEMPTS = 60
MAX_PAUSE_SECONDS = 1.0
LOAD_ID_PROPERTY = "dlt_load_id"  # in the commit of a load
# Delta's own retries would accept a commit beside another one, of which this load has seen no row.
NO_RETRIES = 0


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of a version.

    Attributes:
        log_path: Its path in the log.
        size: Bytes.
    """

    log_path: str
    size: int


def pause(attempt: int) -> None:
    """Wait before the next attempt, longer from attempt to attempt, and by chance: writers must not stay in step."""
    time.sleep(random.uniform(0, min(MAX_PAUSE_SECONDS, 0.02 * 2**attempt)))  # noqa: S311


class LakeTable:
    """One Delta table.

    Attributes:
        uri: Its location.
    """

    def __init__(self, uri: str, folder: str, storage_options: Mapping[str, str], file_system: AbstractFileSystem):
        """
        Args:
            uri: Its location.
            folder: The location as a path of the file system.
            storage_options: Options of delta-rs.
            file_system: Reads and writes data files.
        """
        self.uri = uri
        self._folder = folder.rstrip("/")
        self._storage_options = dict(storage_options)
        self._file_system = file_system

    def latest(self) -> DeltaTable | None:
        """The newest version; None if the table does not exist."""
        try:
            return DeltaTable(self.uri, storage_options=self._storage_options)
        except TableNotFoundError:
            return None

    def require(self) -> DeltaTable:
        """The newest version.

        Raises:
            WarehouseError: The table does not exist.
        """
        if (version := self.latest()) is None:
            raise WarehouseError(f"the Delta table {self.uri} was removed during the load. Run again")
        return version

    def files(self, version: DeltaTable) -> dict[str, DataFile]:
        """The data files of a version, by the paths that DuckDB knows them by."""
        actions = version.get_add_actions(flatten=True)
        paths, sizes = (actions.column(name).to_pylist() for name in ("path", "size_bytes"))
        return {f"{self._folder_url}/{path}": DataFile(path, size) for path, size in zip(paths, sizes, strict=True)}

    @property
    def _folder_url(self) -> str:
        protocol = self._file_system.protocol
        name = protocol if isinstance(protocol, str) else protocol[0]
        return self._folder if name in ("file", "local") else f"{name}://{self._folder}"

    def add_columns(self, columns: Mapping[str, ColumnType], required: frozenset[str]) -> None:
        """Create the table, or its new columns, in a commit of its own.

        Raises:
            CommitFailedError: Other writers were faster each time.
        """
        for attempt in range(MAX_ATTEMPTS):
            version = self.latest()
            try:
                if version is None:
                    schema = table_schema(columns, required)
                    DeltaTable.create(self.uri, schema, mode="error", storage_options=self._storage_options)
                else:
                    stored = stored_columns(version.schema())
                    if added := {name: column for name, column in columns.items() if name not in stored}:
                        version.alter.add_columns(
                            new_fields(added), commit_properties=CommitProperties(max_commit_retries=NO_RETRIES)
                        )
                return
            except (CommitFailedError, DeltaError):
                if attempt + 1 == MAX_ATTEMPTS or (version is None and self.latest() is None):
                    raise
                pause(attempt)

    def upload(self, files: Iterable[Path]) -> list[AddAction]:
        """Copy Parquet files with rows beside the table's data files. No reader sees them before they are committed."""
        actions = []
        for file in files:
            rows = pq.read_metadata(file).num_rows
            if rows:
                name = f"part-{uuid.uuid4()}.parquet"
                self._file_system.put_file(str(file), f"{self._folder}/{name}")
                now = int(time.time() * 1000)
                stats = json.dumps({"numRecords": rows})
                actions.append(AddAction(name, file.stat().st_size, {}, now, data_change=True, stats=stats))
        return actions

    def commit(
        self,
        version: DeltaTable,
        added: Sequence[AddAction],
        removed: Iterable[str],
        *,
        load_id: str,
        schema: Schema | None = None,
    ) -> None:
        """Make the version after the given one.

        Args:
            version: The version that the files are made from.
            added: The new files.
            removed: Paths of the files that they replace.
            load_id: Stored in the commit.
            schema: The new schema, of files that replace all others.

        Raises:
            CommitFailedError: Another writer has committed since.
        """
        properties = CommitProperties(custom_metadata={LOAD_ID_PROPERTY: load_id}, max_commit_retries=NO_RETRIES)
        now = int(time.time() * 1000)
        if schema is None:
            removals = [RemoveAction(path, data_change=True, deletion_timestamp=now) for path in removed]
            actions: list[AddAction | RemoveAction] = [*added, *removals]
            version.create_write_transaction(actions, "append", version.schema(), commit_properties=properties)
        else:
            version.create_write_transaction(list(added), "overwrite", schema, commit_properties=properties)

    def remove_uploaded(self, actions: Iterable[AddAction]) -> None:
        """Delete uploaded files that are in no commit."""
        self._file_system.rm([f"{self._folder}/{action.path}" for action in actions])

    def has_commit_since(self, version: DeltaTable, load_id: str) -> bool:
        """Whether the load is committed in a version after the given one: the response of a commit may be lost."""
        latest = self.latest()
        newer = latest.version() - version.version() if latest else 0
        if not latest or newer <= 0:
            return False
        return any(commit.get(LOAD_ID_PROPERTY) == load_id for commit in latest.history(newer))
