"""The target of a command: an API and its resources, and the environment that they are read with."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import click

from analytics_assets.cli.project import prepare_environment
from analytics_assets.components.asset_plan import AssetPlan
from analytics_assets.components.component import RestApi
from analytics_assets.components.defs_folder import is_other_component
from analytics_assets.components.resources import ApiCredentials, WarehouseResource
from analytics_assets.components.settings import Settings
from analytics_assets.rest_api.auth.secret_reader import references, variables
from analytics_assets.rest_api.config import load_config
from analytics_assets.rest_api.errors import ConfigError, RestApiError
from analytics_assets.rest_api.load.request import LoadRequest

SILENT = logging.getLogger("analytics_assets.cli.silent")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False


class Failure(click.ClickException):
    """An error with exit code 1: something is wrong with the API, its settings or its data."""

    exit_code = 1


@dataclass(frozen=True)
class Target:
    """What a command is about.

    Attributes:
        api: The API.
        plans: The resources that are named: one, or all of the API.
        settings: The ANALYTICS_ variables.
        is_whole_api: Whether no resource is named.
        found_home: The project's folder `.dagster`, if it is used because DAGSTER_HOME is not set.
    """

    api: RestApi
    plans: Sequence[AssetPlan]
    settings: Settings
    is_whole_api: bool
    found_home: Path | None = None

    def requests(self) -> tuple[list[LoadRequest], bool]:
        """The loads of the resources, and whether the sandbox serves them.

        Raises:
            RestApiError: The credentials are not set, or a setting is wrong.
        """
        target = WarehouseResource.from_settings(self.settings).warehouse()
        config = self.api.config
        credentials = ApiCredentials(api=self.api.api, variables=list(variables(config)), sandbox=config.sandbox)
        requests = []
        sandbox = False
        for plan in self.plans:
            others = [*references(plan.resource.hash), *references(plan.resource.endpoint.for_each)]
            environment = credentials.environment(plan.credentials, run_tags={}, warehouse=target, others=others)
            sandbox = environment.sandbox
            requests.append(
                LoadRequest(
                    api=plan.api,
                    client=plan.client,
                    resource=plan.resource,
                    warehouse=target,
                    dataset=target.dataset(plan.api, sandbox=sandbox),
                    environ=environment.variables,
                    token_dir=environment.token_dir,
                    log=SILENT,
                )
            )
        return requests, sandbox


def find_target(name: str, *, needs_resource: bool = False) -> Target:
    """The API, or the resource of an API, that a command names.

    Args:
        name: `payroll` or `payroll/employees`.
        needs_resource: Whether the name of an API alone is an error.

    Raises:
        click.UsageError: There is no such API or resource; the nearest name is suggested.
        Failure: A variable or the API's defs.yaml is invalid.
    """
    home = prepare_environment()
    try:
        settings = Settings.from_environ(os.environ)
        files = sorted(settings.defs_dir.rglob("defs.yaml"))
        apis = {file.parent.name: file for file in files if not is_other_component(file)}
        api_name, slash, resource = name.partition("/")
        file = _choose("API", api_name, apis, f"below {settings.defs_dir}")
        api = RestApi(api_name, load_config(apis[file]), apis[file])
    except ConfigError as error:
        raise Failure(str(error)) from None
    plans = {plan.resource.name: plan for plan in api.plans}
    if slash:
        return Target(api, [plans[_choose("resource", resource, plans, f"in {api_name}")]], settings, False, home)
    if needs_resource:
        raise click.UsageError(f"name a resource, such as {api_name}/{next(iter(plans))}")
    return Target(api, list(plans.values()), settings, True, home)


def _choose(noun: str, name: str, known: dict[str, Path] | dict[str, AssetPlan], where: str) -> str:
    if name in known:
        return name
    if not known:
        raise click.UsageError(f"there is no {noun} {where}")
    nearest = get_close_matches(name, known, n=1)
    hint = f"Did you mean {nearest[0]!r}?" if nearest else f"There are {', '.join(sorted(known))}"
    raise click.UsageError(f"there is no {noun} {name!r} {where}. {hint}")


def sandbox_line(target: Target) -> str:
    """What the commands print if the sandbox serves the API."""
    return (
        f"None of the variables of {target.api.api} is set: the sandbox serves invented data. For real data, set "
        f"{', '.join(variables(target.api.config))}"
    )


def requests_of(target: Target) -> tuple[list[LoadRequest], bool]:
    """As `Target.requests`, with errors for the command line."""
    try:
        return target.requests()
    except RestApiError as error:
        raise Failure(str(error)) from None
