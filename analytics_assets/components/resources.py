"""Dagster resources: the names of an API's credentials, and the warehouse."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster_dlt import DagsterDltResource
from pydantic import Field
from typing_extensions import Self

from analytics_assets.components.settings import Settings, state_dir
from analytics_assets.rest_api.auth.secret_reader import variables_set
from analytics_assets.rest_api.config import SecretRef
from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.errors import ConfigError, CredentialsError

SCHEDULE_TAG = "dagster/schedule_name"


@dataclass(frozen=True)
class ApiEnvironment:
    """Where a run reads the variables of an API.

    Attributes:
        variables: Values by name.
        sandbox: Whether they lead to the sandbox and not to the real API.
        token_dir: Folder of the token store; None is the warehouse's state folder.
    """

    variables: Mapping[str, str]
    sandbox: bool = False
    token_dir: Path | None = None


class ApiCredentials(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Names of the variables that hold an API's credentials. A step reads their values when it runs."""

    api: str
    variables: list[str] = Field(description="Environment variables (or dlt.secrets paths) that the API's YAML names.")
    sandbox: bool = Field(default=False, description="Whether the sandbox API serves while no variable is set.")

    def environment(
        self,
        credentials: Sequence[SecretRef],
        *,
        run_tags: Mapping[str, str],
        warehouse: Warehouse,
        others: Sequence[SecretRef] = (),
    ) -> ApiEnvironment:
        """The process environment, or that of the sandbox if no variable is set and the sandbox may serve.

        Args:
            credentials: The variables of the API that count as set or unset.
            run_tags: The tags of the run.
            warehouse: The destination of the run.
            others: Variables that are not sent to the API, such as secrets of `hash`. Their real values are
                used, also with the sandbox.

        Raises:
            CredentialsError: No variable is set, and the sandbox may not serve.
            ConfigError: The sandbox does not have this API.
        """
        if variables_set(credentials, os.environ) or not credentials:
            return ApiEnvironment(os.environ)
        missing = f"none of the variables of {self.api} is set: {', '.join(self.variables)}"
        if not self.sandbox:
            raise CredentialsError(f"{missing}. Set them; where `auth` lists alternatives, set those of one")
        if SCHEDULE_TAG in run_tags:
            raise CredentialsError(f"{missing}. Scheduled runs do not load invented data from the sandbox: set them")
        if not warehouse.is_duckdb:
            raise CredentialsError(
                f"{missing}. Invented data from the sandbox is loaded into DuckDB only, not into "
                f"{warehouse.destination}: set them"
            )
        from analytics_assets.sandbox import embedded  # starts a server, so it is imported by runs only

        try:
            values = {ref.env: os.environ[ref.env] for ref in others if ref.env and ref.env in os.environ}
            variables = {**values, **embedded.variables(self.api)}
            return ApiEnvironment(variables, sandbox=True, token_dir=embedded.token_dir())
        except LookupError as error:
            raise ConfigError(f"`sandbox: true`: {error.args[0]}") from None


class WarehouseResource(DagsterDltResource):
    """The dlt destination of all tables. Its credentials are dlt's own, such as DESTINATION__POSTGRES__CREDENTIALS.

    A DagsterDltResource, so that `@dlt_assets` that users write themselves can run their pipelines with it. The assets
    of REST APIs use `warehouse()`.
    """

    destination: str = Field(description="The warehouse, duckdb, postgres or delta: ANALYTICS_DESTINATION.")
    duckdb_path: str = Field(description="The DuckDB file: ANALYTICS_DUCKDB_PATH.")
    dataset_prefix: str = Field(description="Put before the name of each dataset: ANALYTICS_DATASET_PREFIX.")
    lock_seconds: int = Field(description="How long a load waits for other loads: ANALYTICS_LOCK_SECONDS.")

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(
            destination=settings.destination,
            duckdb_path=str(settings.duckdb_path),
            dataset_prefix=settings.dataset_prefix,
            lock_seconds=settings.lock_seconds,
        )

    def warehouse(self) -> Warehouse:
        """The destination for `rest_api`.

        Raises:
            ConfigError: There is no folder for tokens and locks.
        """
        return Warehouse(
            destination=self.destination,
            duckdb_path=Path(self.duckdb_path),
            dataset_prefix=self.dataset_prefix,
            state_dir=state_dir(os.environ),
            lock_seconds=self.lock_seconds,
        )
