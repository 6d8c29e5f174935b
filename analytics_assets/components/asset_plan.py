"""What an asset is built from: an API, one of its resources, and how its rows are divided into partitions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from analytics_assets.components.partitions import WindowPartitionsDefinition
from analytics_assets.rest_api.config import Client, ResolvedResource, SecretRef


@dataclass(frozen=True)
class AssetPlan:
    """What an asset is built from.

    Attributes:
        api: Name of the API: the asset's group, and the dataset of its table.
        client: Base URL, authentication and rate limits of the API.
        resource: The endpoint and its table.
        partitions_def: The time windows to load; None if each run loads the whole resource.
        chunk_size: Number of partitions of a range that are loaded and marked together.
        partitions_per_run: Number of partitions that one run of a backfill loads; None for all.
        credentials: The variables of the API's base URL and authentication, of all its resources.
        freshness_policy: When the asset is late; None if never.
        may_be_sandbox: Whether the sandbox serves the API while none of its variables is set.
        file: The defs.yaml; None if the API is not described in a file.
        line: The line of the file where the resource begins.
    """

    api: str
    client: Client
    resource: ResolvedResource
    partitions_def: WindowPartitionsDefinition | None = None
    chunk_size: int = 1
    partitions_per_run: int | None = None
    credentials: tuple[SecretRef, ...] = ()
    freshness_policy: dg.FreshnessPolicy | None = None
    may_be_sandbox: bool = False
    file: Path | None = None
    line: int = 1

    @property
    def key(self) -> dg.AssetKey:
        return dg.AssetKey([self.api, self.resource.name])

    @property
    def name(self) -> str:
        """The asset key as messages show it: `recruiting/users`."""
        return self.key.to_user_string()

    @property
    def op_name(self) -> str:
        return f"{self.api}__{self.resource.name}"

    @property
    def parent_key(self) -> dg.AssetKey | None:
        """The asset whose rows the requests are built from; None if there is none."""
        parent = self.resource.parent
        return dg.AssetKey([self.api, parent.name]) if parent else None

    @property
    def endpoint_key(self) -> dg.AssetKey:
        return dg.AssetKey([f"{self.api}_api", self.resource.name])

    @property
    def credentials_key(self) -> str:
        return credentials_key(self.api)

    @property
    def backfill_policy(self) -> dg.BackfillPolicy | None:
        if self.partitions_def is None:
            return None
        if self.partitions_per_run:
            return dg.BackfillPolicy.multi_run(self.partitions_per_run)
        return dg.BackfillPolicy.single_run()


def credentials_key(api: str) -> str:
    """The key of the Dagster resource that holds an API's credentials."""
    return f"{api}_credentials"
