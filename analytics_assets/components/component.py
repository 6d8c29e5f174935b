"""The component `RestApi`: what one YAML file becomes in Dagster."""

from __future__ import annotations

import os

import dagster as dg
from pydantic import BaseModel

from analytics_assets.components.assets import build_asset, endpoint_spec
from analytics_assets.components.jobs import build_full_refresh_job
from analytics_assets.components.partitions import build_partitions
from analytics_assets.components.resources import ApiCredentials, WarehouseResource
from analytics_assets.components.scaffold import RestApiScaffolder
from analytics_assets.components.schedules import build_incremental_schedule, build_snapshot_schedule
from analytics_assets.rest_api.auth.credentials import variables
from analytics_assets.rest_api.config import Attributes, RestApiConfig, Schedule, load_config, parse_config


@dg.scaffold_with(RestApiScaffolder)
class RestApi(dg.Component):
    """A REST API, declared in YAML: each of its resources becomes an asset that dlt loads into a table."""

    def __init__(self, config: RestApiConfig) -> None:
        self.config = config

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return Attributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> RestApi:
        """From the file itself, since only there are the lines that errors name; without one, from its values."""
        file = context.path / "defs.yaml"
        if file.is_file():
            return cls(load_config(file))
        return cls(parse_config(attributes.root if isinstance(attributes, Attributes) else {}))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The API's definitions; its name is its folder's."""
        return build_definitions(context.path.name, self.config)


def build_definitions(api: str, config: RestApiConfig) -> dg.Definitions:
    warehouse = WarehouseResource.from_environment(os.environ)
    grid = build_partitions(config.partitions) if config.partitions else None
    incremental: list[dg.AssetsDefinition] = []
    snapshot: list[dg.AssetsDefinition] = []
    resources = config.resolved_resources()
    for resource in resources:
        windowed = resource.endpoint.incremental is not None
        asset = build_asset(
            api,
            config.client,
            resource,
            warehouse=warehouse,
            partitions_def=grid if windowed else None,
            chunk_size=config.partitions.chunk_size if config.partitions else 1,
        )
        (incremental if windowed else snapshot).append(asset)

    schedule = config.schedule or Schedule()
    jobs, schedules = [], []
    if incremental and config.partitions:
        job = dg.define_asset_job(
            f"{api}_incremental",
            selection=incremental,
            description=f"Loads windows of {api}'s resources that have them.",
        )
        jobs.append(job)
        schedules.append(build_incremental_schedule(job, partitions=config.partitions, schedule=schedule))
    if snapshot:
        job = dg.define_asset_job(
            f"{api}_snapshot", selection=snapshot, description=f"Loads the whole of {api}'s resources without windows."
        )
        jobs.append(job)
        timezone = config.partitions.timezone if config.partitions else "UTC"
        schedules.append(build_snapshot_schedule(job, timezone=timezone, schedule=schedule))
    jobs.append(
        build_full_refresh_job(
            [*incremental, *snapshot],
            name=f"{api}_full_refresh",
            description=f"Walks all history of {api} and replaces its tables.",
        )
    )
    credentials = ApiCredentials(api=api, variables=list(variables(config)), sandbox=config.sandbox)
    return dg.Definitions(
        assets=[*(endpoint_spec(api, resource) for resource in resources), *incremental, *snapshot],
        jobs=jobs,
        schedules=schedules,
        resources={f"{api}_credentials": credentials},
    )
