"""The component `RestApi`: the Dagster definitions of one `defs.yaml`."""

from __future__ import annotations

import os

import dagster as dg
from pydantic import BaseModel

from analytics_assets.components.assets import AssetPlan, build_asset, build_endpoint_spec, credentials_key
from analytics_assets.components.jobs import build_full_refresh_job, build_incremental_job, build_snapshot_job
from analytics_assets.components.partitions import build_partitions_def
from analytics_assets.components.resources import ApiCredentials
from analytics_assets.components.scaffold import RestApiScaffolder
from analytics_assets.components.schedules import build_incremental_schedule, build_snapshot_schedule
from analytics_assets.components.settings import Settings
from analytics_assets.rest_api.auth.secret_reader import variables
from analytics_assets.rest_api.config import Attributes, RestApiConfig, Schedule, load_config, parse_config


@dg.scaffold_with(RestApiScaffolder)
class RestApi(dg.Component):
    """A REST API described in YAML. Each of its resources is an asset: dlt loads an endpoint into a table."""

    def __init__(self, config: RestApiConfig) -> None:
        self.config = config

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return Attributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> RestApi:
        """Read the `defs.yaml` itself, since errors name its lines; without a file, validate `attributes`.

        Raises:
            ConfigError: The configuration is invalid.
        """
        file = context.path / "defs.yaml"
        if file.is_file():
            return cls(load_config(file))
        return cls(parse_config(attributes.root if isinstance(attributes, Attributes) else {}))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The definitions of the API. The API has the name of its folder."""
        return build_api_definitions(context.path.name, self.config, Settings.from_environ(os.environ))


def build_api_definitions(api: str, config: RestApiConfig, settings: Settings) -> dg.Definitions:
    """The assets, jobs, schedules and credentials of one API."""
    plans = build_plans(api, config)
    incremental = [build_asset(plan, settings) for plan in plans if plan.partitions_def]
    snapshot = [build_asset(plan, settings) for plan in plans if not plan.partitions_def]
    schedule = config.schedule or Schedule()
    jobs, schedules = [], []
    if incremental and config.partitions:
        jobs.append(build_incremental_job(api, incremental))
        schedules += [build_incremental_schedule(jobs[-1], partitions=config.partitions, schedule=schedule)]
    if snapshot:
        jobs.append(build_snapshot_job(api, snapshot))
        timezone = config.partitions.timezone if config.partitions else "UTC"
        schedules.append(build_snapshot_schedule(jobs[-1], timezone=timezone, schedule=schedule))
    jobs.append(build_full_refresh_job(f"{api}_full_refresh", [*incremental, *snapshot], scope=f"the {api} API"))
    credentials = ApiCredentials(api=api, variables=list(variables(config)), sandbox=config.sandbox)
    return dg.Definitions(
        assets=[*map(build_endpoint_spec, plans), *incremental, *snapshot],
        jobs=jobs,
        schedules=schedules,
        resources={credentials_key(api): credentials},
    )


def build_plans(api: str, config: RestApiConfig) -> list[AssetPlan]:
    """The plan of each resource. Only resources that the API can filter by time are partitioned."""
    partitions_def = build_partitions_def(config.partitions) if config.partitions else None
    chunk_size = config.partitions.chunk_size if config.partitions else 1
    return [
        AssetPlan(api, config.client, resource, partitions_def, chunk_size)
        if resource.endpoint.incremental
        else AssetPlan(api, config.client, resource)
        for resource in config.resolved_resources()
    ]
