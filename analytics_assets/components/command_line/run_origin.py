"""Gives runs of the command line a code location, so that the UI lists them with all other runs."""

from __future__ import annotations

import dagster as dg
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

LOCATION = "analytics_assets"  # as in workspace.yaml and in `[tool.dg.project]` of pyproject.toml
MODULE = "analytics_assets.definitions"
ORIGIN = RemoteRepositoryOrigin(
    ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name=MODULE), LOCATION),
    "__repository__",  # Dagster's name for a module with one `Definitions` object
)


def set_run_origin(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Give a run the code location that the UI lists it under, if it has none.

    Dagster sets it for runs that the UI, a schedule or the daemon starts. Without it, a run is not on the pages of its
    job and of its assets, nor in the timeline of all runs.
    """
    if run.remote_job_origin or not isinstance(instance.run_storage, SqlRunStorage):
        return
    stored = instance.get_run_by_id(run.run_id)  # another step of the run may have set it
    if stored and not stored.remote_job_origin:
        instance.add_run_tags(run.run_id, {REPOSITORY_LABEL_TAG: ORIGIN.get_label()})
        instance.run_storage.replace_job_origin(stored, ORIGIN.get_job_origin(run.job_name))
