"""Executors: the one that ANALYTICS_EXECUTOR names, and errors that name what it needs."""

from __future__ import annotations

import subprocess
import sys

import dagster as dg
import pytest

from analytics_assets.components.executors import build_executor
from analytics_assets.components.settings import Settings
from analytics_assets.rest_api.errors import ConfigError

REDIS = {"CELERY_BROKER_URL": "redis://localhost/0", "CELERY_RESULT_BACKEND": "redis://localhost/1"}


@pytest.mark.parametrize("name", ["in_process", "multiprocess", "celery", "k8s_job"])
def test_executor_is_the_one_that_the_setting_names(name: str) -> None:
    executor = build_executor(Settings(executor=name), REDIS)
    assert isinstance(executor, dg.ExecutorDefinition)
    assert executor.name.startswith({"k8s_job": "k8s"}.get(name, name))


@pytest.mark.parametrize("name", ["multiprocess", "k8s_job"])
def test_number_of_concurrent_steps_is_set(name: str) -> None:
    executor = build_executor(Settings(executor=name, max_concurrent_steps=3), {})
    applied = executor.apply_config_mapping({"config": {}})
    assert applied.value
    assert applied.value["config"]["max_concurrent"] == 3


def test_celery_without_its_variables_is_an_error_that_names_them() -> None:
    with pytest.raises(ConfigError) as raised:
        build_executor(Settings(executor="celery"), {"CELERY_BROKER_URL": "redis://localhost/0"})
    assert "celery needs CELERY_RESULT_BACKEND, such as redis://" in str(raised.value)


@pytest.mark.parametrize(
    ("executor", "module", "extra"), [("celery", "dagster_celery", "celery"), ("k8s_job", "dagster_k8s", "k8s")]
)
def test_missing_extra_is_named(executor: str, module: str, extra: str) -> None:
    code = f"""
import sys
sys.modules[{module!r}] = None
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = classmethod(lambda cls, name, *rest: None if name == {module!r} else find(name, *rest))
del sys.modules[{module!r}]
from analytics_assets.components.executors import build_executor
from analytics_assets.components.settings import Settings
build_executor(Settings(executor={executor!r}), {{}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert f"{executor} needs the extra '{extra}': pip install 'analytics_assets[{extra}]'" in done.stderr


def test_definitions_import_nothing_that_only_runs_or_extras_need() -> None:
    """Every Dagster process loads the definitions."""
    heavy = (
        "celery",
        "dagster_celery",
        "dagster_k8s",
        "deltalake",
        "duckdb",
        "kubernetes",
        "msgspec",
        "psycopg2",
        "pyarrow",
        "pycurl",
        "s3fs",
    )
    code = f"import sys, analytics_assets.definitions; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []
