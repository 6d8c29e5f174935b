"""Where tables are loaded to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from analytics_assets.rest_api.errors import WarehouseError


class Log(Protocol):
    """Where a load writes lines: a logger, or an adapter of one."""

    def info(self, msg: object, /, *args: object) -> None: ...

    def warning(self, msg: object, /, *args: object) -> None: ...


@dataclass(frozen=True)
class Warehouse:
    """Where tables are loaded to. Nothing is opened, and no folder made, before a load.

    Attributes:
        destination: `duckdb`; `postgres` or `delta`, with settings from dlt's configuration
            (`DESTINATION__POSTGRES__CREDENTIALS`, `DESTINATION__FILESYSTEM__BUCKET_URL`, `.dlt/secrets.toml`).
        duckdb_path: The file, for `duckdb`.
        dataset_prefix: Put before the name of each dataset.
        state_dir: Folder for locks.
        lock_seconds: How long a load waits for others.
    """

    destination: str = "duckdb"
    duckdb_path: Path = Path("warehouse.duckdb")
    dataset_prefix: str = ""
    state_dir: Path = Path(".analytics_state")
    lock_seconds: float = 600

    @property
    def is_duckdb(self) -> bool:
        return self.destination == "duckdb"

    def dataset(self, api: str, *, sandbox: bool) -> str:
        """Name of the dataset of an API's tables.

        Raises:
            WarehouseError: The DuckDB file has the same name.
        """
        name = f"{self.dataset_prefix}{api}" + ("_sandbox" if sandbox else "")
        if self.is_duckdb and self.duckdb_path.stem.lower() == name.lower():
            raise WarehouseError(
                f"the DuckDB file {self.duckdb_path.name!r} and the dataset {name!r} share a name, which DuckDB finds "
                "ambiguous: set ANALYTICS_DUCKDB_PATH to a file of another name"
            )
        return name
