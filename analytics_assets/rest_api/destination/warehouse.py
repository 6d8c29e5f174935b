"""Where tables go: a destination by its name. Known at definition time, opened by pipelines only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analytics_assets.rest_api.errors import WarehouseError


@dataclass(frozen=True)
class Warehouse:
    """Where tables go. Nothing is opened, and no folder made, before a pipeline loads.

    `destination` is a dlt destination's name; its credentials come from dlt's own configuration
    (`DESTINATION__POSTGRES__CREDENTIALS`, `.dlt/secrets.toml`). `duckdb_path` counts for `duckdb` only.
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
        name = f"{self.dataset_prefix}{api}" + ("_sandbox" if sandbox else "")
        if self.is_duckdb and self.duckdb_path.stem.lower() == name.lower():
            raise WarehouseError(
                f"the DuckDB file {self.duckdb_path.name!r} and the dataset {name!r} share a name, which DuckDB finds "
                "ambiguous: set ANALYTICS_DUCKDB_PATH to a file of another name"
            )
        return name
