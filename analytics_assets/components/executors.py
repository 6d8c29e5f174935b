"""How Dagster runs the steps of a job: in one process, in several, by Celery workers or in Kubernetes pods."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import dagster as dg

from analytics_assets.components.settings import Settings
from analytics_assets.rest_api.errors import ConfigError

BROKER = "CELERY_BROKER_URL"  # Celery's own variables: workers and runs read the same ones
BACKEND = "CELERY_RESULT_BACKEND"


def build_executor(settings: Settings, environ: Mapping[str, str]) -> dg.ExecutorDefinition:
    """The executor that `ANALYTICS_EXECUTOR` names. Packages of an extra are imported only if they are needed.

    Raises:
        ConfigError: The executor's extra is not installed, or a variable is missing.
    """
    limit: dict[str, Any] = {"max_concurrent": settings.max_concurrent_steps} if settings.max_concurrent_steps else {}
    if settings.executor == "multiprocess":
        return dg.multiprocess_executor.configured(limit) if limit else dg.multiprocess_executor
    if settings.executor == "celery":
        _require_extra(settings.executor, "dagster_celery", "redis")
        missing = [name for name in (BROKER, BACKEND) if not environ.get(name)]
        if missing:
            raise ConfigError(
                f"ANALYTICS_EXECUTOR: celery needs {' and '.join(missing)}, such as redis://host:6379/0. Set the same "
                "values where runs start and where workers start"
            )
        from dagster_celery import celery_executor

        return celery_executor
    if settings.executor == "k8s_job":
        _require_extra(settings.executor, "dagster_k8s", "kubernetes")
        from dagster_k8s import k8s_job_executor

        return k8s_job_executor.configured(limit) if limit else k8s_job_executor
    return dg.in_process_executor


def _require_extra(executor: str, *modules: str) -> None:
    extra = {"k8s_job": "k8s"}.get(executor, executor)
    if any(find_spec(module) is None for module in modules):
        raise ConfigError(
            f"ANALYTICS_EXECUTOR: {executor} needs the extra {extra!r}: pip install 'analytics_assets[{extra}]'"
        )
