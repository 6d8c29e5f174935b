"""Dagster resources: an API's credentials by the names of their variables, and the warehouse."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dlt import DagsterDltResource
from pydantic import Field

from analytics_assets.components.environment import whole_number
from analytics_assets.rest_api.auth.credentials import Secrets, variables, variables_set
from analytics_assets.rest_api.auth.token_store import state_dir
from analytics_assets.rest_api.config import Client
from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.errors import ConfigError, CredentialsError

SCHEDULE_TAG = "dagster/schedule_name"


class ApiCredentials(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where an API's credentials are: the names of its variables, which a step reads when it runs. No values."""

    api: str
    variables: list[str] = Field(description="Environment variables (or dlt.secrets paths) that the API's YAML names.")
    sandbox: bool = Field(default=False, description="Whether the embedded API may serve while no variable is set.")

    def environment(self, config: Client, *, run_tags: Mapping[str, str], warehouse: Warehouse) -> ApiEnvironment:
        """The values to read credentials from: this process's environment, or the sandbox's while it may serve.

        Raises:
            CredentialsError: no variable is set, and the sandbox must not stand in.
        """
        if variables_set(config, Secrets(os.environ)) or not variables(config):
            return ApiEnvironment(os.environ)
        missing = f"none of {self.api}'s variables is set ({', '.join(self.variables)})"
        if not self.sandbox:
            raise CredentialsError(f"{missing}: set them; where `auth` names alternatives, those of one")
        if SCHEDULE_TAG in run_tags:
            raise CredentialsError(f"{missing}, and a scheduled run never loads the sandbox's invented data: set them")
        if not warehouse.is_duckdb:
            raise CredentialsError(
                f"{missing}, and the sandbox's invented data goes into DuckDB only, not {warehouse.destination}"
            )
        from analytics_assets.sandbox import running  # starts a server: for runs only

        try:
            return ApiEnvironment(running.variables(self.api), sandbox=True, token_dir=running.token_dir())
        except LookupError as error:
            raise ConfigError(f"`sandbox: true`: {error.args[0]}") from None


@dataclass(frozen=True)
class ApiEnvironment:
    """Where a run reads an API's variables, and whether it is the sandbox that answers."""

    variables: Mapping[str, str]
    sandbox: bool = False
    token_dir: Path | None = None


class WarehouseResource(DagsterDltResource):
    """Where tables go: a dlt destination. Its credentials are dlt's own (DESTINATION__POSTGRES__CREDENTIALS, ...)."""

    destination: str = Field(default="duckdb", description="A dlt destination that can merge: ANALYTICS_DESTINATION.")
    duckdb_path: str = Field(default="warehouse.duckdb", description="The DuckDB file: ANALYTICS_DUCKDB_PATH.")
    dataset_prefix: str = Field(default="", description="Put before each API's dataset: ANALYTICS_DATASET_PREFIX.")

    lock_seconds: int = Field(default=600, description="How long a load waits for others: ANALYTICS_LOCK_SECONDS.")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> WarehouseResource:
        return cls(
            lock_seconds=whole_number(environ, "ANALYTICS_LOCK_SECONDS", 600, at_most=86_400),
            destination=environ.get("ANALYTICS_DESTINATION") or "duckdb",
            duckdb_path=environ.get("ANALYTICS_DUCKDB_PATH") or "warehouse.duckdb",
            dataset_prefix=environ.get("ANALYTICS_DATASET_PREFIX", ""),
        )

    def warehouse(self) -> Warehouse:
        return Warehouse(
            destination=self.destination,
            duckdb_path=Path(self.duckdb_path),
            dataset_prefix=self.dataset_prefix,
            state_dir=state_dir(os.environ),
            lock_seconds=self.lock_seconds,
        )

    def extract_resource_metadata(self, *args: Any, **kwargs: Any) -> Mapping[str, Any]:  # noqa: ARG002
        """Nothing, see metadata.py: dagster-dlt names the source where the dataset belongs and empties dlt's schema."""
        return {}
