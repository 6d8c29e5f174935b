"""The code location: all APIs of the defs folder, the warehouse, the executor and the job over everything."""

from __future__ import annotations

import gc
import importlib
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import click
import dagster as dg
from dagster.components.core.component_tree import ComponentTree

from analytics_assets.components.assets import WAREHOUSE
from analytics_assets.components.jobs import FULL_REFRESH, build_full_refresh_job, grids
from analytics_assets.components.resources import WarehouseResource
from analytics_assets.components.retries import Retries
from analytics_assets.rest_api.config import COMPONENT, load_config
from analytics_assets.rest_api.errors import ConfigError

OTHER_TYPE = re.compile(r"^type:[ \t]*['\"]?([\w.]+)\.(\w+)['\"]?[ \t]*$", re.ASCII | re.MULTILINE)
EXECUTORS = {"in_process": dg.in_process_executor, "multiprocess": dg.multiprocess_executor}


def build_definitions(environ: Mapping[str, str]) -> dg.Definitions:
    """Everything that Dagster is to know, by the ANALYTICS_ variables of `environ`; no secret is read."""
    folder = Path(environ.get("ANALYTICS_DEFS_DIR") or Path(__file__).parent / "defs").resolve()
    if not folder.is_dir():
        raise ConfigError(f"ANALYTICS_DEFS_DIR: {folder} is no folder; set it to one that holds <api>/defs.yaml")
    executor = environ.get("ANALYTICS_EXECUTOR") or "in_process"
    if executor not in EXECUTORS:
        raise ConfigError(f"ANALYTICS_EXECUTOR: {executor!r} is unknown; known are {', '.join(EXECUTORS)}")
    # A mistake in them is told now: where APIs and runs read them it would be a stack trace, or late.
    warehouse, _ = WarehouseResource.from_environment(environ), Retries.from_environment(environ)
    apis = load_apis(folder)
    return dg.Definitions.merge(
        apis,
        dg.Definitions(
            jobs=full_refresh_jobs(apis),
            resources={WAREHOUSE: warehouse},
            executor=EXECUTORS[executor],
        ),
    )


def load_apis(folder: Path) -> dg.Definitions:
    """The definitions of every `<api>/defs.yaml` below the folder, wherever it lies."""
    for file in sorted(folder.rglob("defs.yaml")):
        # Before Dagster reads it: its errors are stack traces, and a few nested aliases keep it busy for ever.
        if not of_another_type(file):
            load_config(file)
    module = ModuleType("analytics_assets.defs")
    module.__path__ = [str(folder)]
    module.__file__ = str(folder / "__init__.py")
    tree = ComponentTree.from_module(defs_module=module, project_root=folder.parent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=dg.BetaWarning)  # Dagster's own, about its link from asset to YAML
        # Without a path it would also write the JSON schemas of all installed components: a third of a second a run.
        apis = tree.build_defs(tree.defs_module_path)
    return dg.Definitions.merge(apis, dg.Definitions(component_tree=tree))


def of_another_type(file: Path) -> bool:
    """Whether a defs.yaml is of another component, which there is: then its errors are Dagster's and that one's own."""
    text = file.read_bytes().decode(errors="replace")
    found = OTHER_TYPE.search(text)
    if found is None or COMPONENT in text:
        return False
    try:
        component = getattr(importlib.import_module(found[1]), found[2], None)
    except ImportError:
        return False
    return isinstance(component, type) and issubclass(component, dg.Component)


def full_refresh_jobs(apis: dg.Definitions) -> list[dg.UnresolvedAssetJobDefinition]:
    """The job over all APIs; none where their partition grids differ, since Dagster refuses such a job."""
    assets = [asset for asset in apis.assets or [] if isinstance(asset, dg.AssetsDefinition) and asset.is_executable]
    if not assets:
        return []
    if len(grids(assets)) > 1:
        dg.get_dagster_logger().info(
            "there is no job full_refresh over all APIs, since their partitions differ: run <api>_full_refresh of each"
        )
        return []
    return [
        build_full_refresh_job(
            assets, name=FULL_REFRESH, description="Walks all history of all APIs and replaces their tables."
        )
    ]


gc.freeze()  # Dagster's modules stay; each search for garbage among them takes a tenth of a second
try:
    defs = build_definitions(os.environ)
except ConfigError as error:
    # The command line shows this as its message alone: the place in the file, without a stack trace.
    raise click.ClickException(str(error)) from None
