"""The code location: the APIs of the defs folder, the warehouse, the executor and the jobs over all APIs."""

from __future__ import annotations

import os
from collections.abc import Mapping

from analytics_assets.rest_api.garbage_collection import long_lived_objects

with long_lived_objects():
    import click
    import dagster as dg

    from analytics_assets.components.assets import WAREHOUSE
    from analytics_assets.components.command_line.arguments import check_arguments
    from analytics_assets.components.defs_folder import load_defs_folder
    from analytics_assets.components.executors import build_executor
    from analytics_assets.components.jobs import FULL_REFRESH, build_full_refresh_job
    from analytics_assets.components.resources import WarehouseResource
    from analytics_assets.components.settings import Settings
    from analytics_assets.rest_api.errors import ConfigError


def build_definitions(environ: Mapping[str, str]) -> dg.Definitions:
    """All definitions, by the ANALYTICS_ variables of `environ`. No secret is read, and nothing is written.

    Raises:
        ConfigError: A variable or a `defs.yaml` is invalid.
    """
    settings = Settings.from_environ(environ)
    definitions, apis = load_defs_folder(settings.defs_dir)
    plans = [plan for api in apis for plan in api.plans]
    return dg.Definitions.merge(
        definitions,
        dg.Definitions(
            jobs=[build_full_refresh_job(FULL_REFRESH, plans, scope="all APIs")] if plans else [],
            resources={WAREHOUSE: WarehouseResource.from_settings(settings)},
            executor=build_executor(settings, environ),
        ),
    )


try:
    with long_lived_objects():
        defs = build_definitions(os.environ)
    check_arguments(defs)
except ConfigError as error:
    # Dagster's command line shows a ClickException as its message alone: the place in the file, no stack trace.
    raise click.ClickException(str(error)) from None
