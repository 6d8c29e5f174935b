"""The component `RestApi`: the Dagster definitions of one `defs.yaml`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from pydantic import BaseModel

from analytics_assets.components.asset_plan import AssetPlan, credentials_key
from analytics_assets.components.assets import build_asset, build_endpoint_spec
from analytics_assets.components.freshness import build_freshness_policy
from analytics_assets.components.jobs import build_full_refresh_job, build_incremental_job, build_snapshot_job
from analytics_assets.components.partitions import build_partitions_def
from analytics_assets.components.resources import ApiCredentials
from analytics_assets.components.scaffold import RestApiScaffolder
from analytics_assets.components.schedules import build_incremental_schedule, build_snapshot_schedule
from analytics_assets.components.settings import Settings
from analytics_assets.rest_api.auth.secret_reader import references, variables
from analytics_assets.rest_api.config import (
    Attributes,
    RestApiConfig,
    Schedule,
    load_config,
    parse_config,
    resource_lines,
)


@dg.scaffold_with(RestApiScaffolder)
class RestApi(dg.Component):
    """A REST API described in YAML. Each of its resources is an asset: dlt loads an endpoint into a table.

    Options of `dg scaffold defs`, all optional:

    --auth: oauth2, login, api_key, bearer (default) or http_basic.

    --paginator: offset (default), page_number, cursor, json_link, header_link, header_cursor or single_page.

    --spec: a file with the specification of the API, which is converted.

    --only: a pattern of the resources to convert. May be repeated.
    """

    def __init__(self, api: str, config: RestApiConfig, file: Path | None = None) -> None:
        self.api = api
        self.config = config
        self.file = file

    @cached_property
    def plans(self) -> list[AssetPlan]:
        """The plan of each resource. Only resources that the API can filter by time are partitioned."""
        partitions = self.config.partitions
        schedule = self.config.schedule or Schedule()
        windows: dict[str, Any] = {}
        if partitions:
            windows = {
                "partitions_def": build_partitions_def(partitions),
                "chunk_size": partitions.chunk_size,
                "partitions_per_run": partitions.per_run,
                "freshness_policy": build_freshness_policy(partitions.cadence, schedule),
            }
        snapshot: dict[str, Any] = {"freshness_policy": build_freshness_policy("daily", schedule)}
        resources = self.config.resolved_resources()
        credentials = tuple(references([self.config.client, *(resource.endpoint.auth for resource in resources)]))
        shared: dict[str, Any] = {
            "credentials": credentials,
            "may_be_sandbox": self.config.sandbox,
            "file": self.file,
        }
        lines = resource_lines(self.file) if self.file else {}
        return [
            AssetPlan(
                self.api,
                self.config.client,
                resource,
                line=lines.get(resource.name, 1),
                **shared,
                **(windows if resource.endpoint.incremental else snapshot),
            )
            for resource in resources
        ]

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return Attributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> RestApi:
        """Read the `defs.yaml` itself, since errors name its lines; without a file, validate `attributes`.

        The API has the name of its folder.

        Raises:
            ConfigError: The configuration is invalid.
        """
        file = context.path / "defs.yaml"
        if file.is_file():
            return cls(context.path.name, load_config(file), file)
        return cls(context.path.name, parse_config(attributes.root if isinstance(attributes, Attributes) else {}))

    @classmethod
    def get_code_references_for_yaml(cls, *_: Any, **__: Any) -> list[Any]:
        """None, since the assets name the line of their resource. Dagster would name that of the component."""
        return []

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """The assets, jobs, schedules and credentials of the API."""
        return build_api_definitions(self.api, self.config, self.plans, Settings.from_environ(os.environ))


def build_api_definitions(
    api: str, config: RestApiConfig, plans: Sequence[AssetPlan], settings: Settings
) -> dg.Definitions:
    incremental = [plan for plan in plans if plan.partitions_def]
    snapshot = [plan for plan in plans if not plan.partitions_def]
    schedule = config.schedule or Schedule()
    jobs: list[UnresolvedAssetJobDefinition | dg.JobDefinition] = []
    schedules: list[dg.ScheduleDefinition] = []
    if incremental and incremental[0].partitions_def:
        job = build_incremental_job(api, incremental)
        keys = [plan.key for plan in incremental]
        jobs.append(job)
        schedules.append(build_incremental_schedule(job, keys, incremental[0].partitions_def, schedule))
    if snapshot:
        job = build_snapshot_job(api, snapshot)
        jobs.append(job)
        timezone = config.partitions.timezone if config.partitions else "UTC"
        schedules.append(build_snapshot_schedule(job, timezone=timezone, schedule=schedule))
    jobs.append(build_full_refresh_job(f"{api}_full_refresh", plans, scope=f"the {api} API"))
    credentials = ApiCredentials(api=api, variables=list(variables(config)), sandbox=config.sandbox)
    return dg.Definitions(
        assets=[build(plan, settings) for build in (build_endpoint_spec, build_asset) for plan in plans],
        jobs=jobs,
        schedules=schedules,
        resources={credentials_key(api): credentials},
    )
