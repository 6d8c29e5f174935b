"""How tests probe: an API as its YAML describes it, and its resource after a proposal was pasted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from analytics_assets.rest_api.config import RestApiConfig, parse_config
from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets.rest_api.probe.findings import ResourceFindings, as_yaml
from analytics_assets.rest_api.probe.resource import probe_resource
from analytics_assets_tests.support.loaders import Loader


@dataclass(frozen=True)
class Described:
    """An API `shop` with the resource `rows`, as a YAML file describes it.

    Attributes:
        resource: The keys of the resource.
        environ: The variables.
        folder: A folder for the warehouse.
        client: Further keys of `client`.
        others: Further resources.
    """

    resource: Mapping[str, Any]
    environ: Mapping[str, str]
    folder: Path
    client: Mapping[str, Any]
    others: tuple[Mapping[str, Any], ...] = ()

    @property
    def config(self) -> RestApiConfig:
        client: dict[str, Any] = {"base_url": {"env": "SHOP_BASE_URL"}, **self.client}
        return parse_config(
            {
                "client": client,
                "resources": [{"name": "rows", **self.resource}, *self.others],
                "partitions": {"cadence": "daily", "start": "2026-10-01"},
            }
        )

    def probe(self) -> ResourceFindings:
        resources = self.config.resolved_resources()
        warehouse = Warehouse(duckdb_path=self.folder / "warehouse.duckdb", state_dir=self.folder / "state")
        request = LoadRequest(
            api="shop",
            client=self.config.client,
            resource=resources[0],
            warehouse=warehouse,
            dataset="shop",
            environ=self.environ,
        )
        return probe_resource(request, resources)

    def pasted(self, found: ResourceFindings) -> Described:
        """The same with the proposals pasted, as their YAML says."""
        fix, client_fix = (yaml.safe_load(as_yaml(keys)) for keys in (found.fix, found.client_fix))
        endpoint = {**self.resource.get("endpoint", {}), **fix.get("endpoint", {})}
        resource = {**self.resource, **fix, "endpoint": endpoint}
        return Described(resource, self.environ, self.folder, {**self.client, **client_fix}, self.others)

    def load(self, **options: Any) -> list[dict[str, Any]]:
        """Load the resource; returns the rows of its table."""
        loader = Loader("shop", self.environ, self.folder)
        loader.load(self.config, "rows", **options)
        return loader.rows("rows")
