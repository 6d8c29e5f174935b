"""Settings: defaults, values, and errors that name the variable."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from analytics_assets.components.settings import Settings, state_dir
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets_tests.support.project import ROOT


def test_settings_are_read_from_their_variables(tmp_path: Path) -> None:
    environ = {
        "ANALYTICS_DEFS_DIR": str(tmp_path),
        "ANALYTICS_EXECUTOR": "multiprocess",
        "ANALYTICS_MAX_CONCURRENT_STEPS": "4",
        "ANALYTICS_DESTINATION": "postgres",
        "ANALYTICS_DUCKDB_PATH": "sales.duckdb",
        "ANALYTICS_DATASET_PREFIX": "raw_",
        "ANALYTICS_LOCK_SECONDS": "86400",
        "ANALYTICS_STEP_RETRIES": "0",
        "ANALYTICS_STEP_RETRY_SECONDS": "007",
        "ANALYTICS_WORKER_TIMEOUT_SECONDS": "4",
    }
    assert Settings.from_environ(environ) == Settings(
        defs_dir=tmp_path,
        executor="multiprocess",
        max_concurrent_steps=4,
        destination="postgres",
        duckdb_path=Path("sales.duckdb"),
        dataset_prefix="raw_",
        lock_seconds=86_400,
        step_retries=0,
        step_retry_seconds=7,
        worker_timeout_seconds=4,
    )


def test_empty_variable_counts_as_unset() -> None:
    names = ("DEFS_DIR", "EXECUTOR", "DESTINATION", "DUCKDB_PATH", "DATASET_PREFIX", "LOCK_SECONDS", "STEP_RETRIES")
    found = Settings.from_environ({f"ANALYTICS_{name}": "" for name in names})
    assert replace(found, defs_dir=Settings.defs_dir) == Settings()
    assert found.defs_dir == ROOT / "analytics_assets" / "defs"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"ANALYTICS_EXECUTOR": "threads"},
            "ANALYTICS_EXECUTOR: 'threads' is unknown. Set it to one of in_process, multiprocess, celery, k8s_job",
        ),
        (
            {"ANALYTICS_DEFS_DIR": "/nowhere"},
            "ANALYTICS_DEFS_DIR: /nowhere is not a folder. Set it to a folder of <api>/defs.yaml files",
        ),
        ({"ANALYTICS_STEP_RETRIES": "-1"}, "ANALYTICS_STEP_RETRIES must be a whole number from 0 to 10, not '-1'"),
        ({"ANALYTICS_STEP_RETRIES": "2 "}, "ANALYTICS_STEP_RETRIES must be a whole number from 0 to 10, not '2 '"),
        ({"ANALYTICS_STEP_RETRIES": "²"}, "ANALYTICS_STEP_RETRIES must be a whole number from 0 to 10, not '²'"),
        (
            {"ANALYTICS_STEP_RETRY_SECONDS": "1.5"},
            "ANALYTICS_STEP_RETRY_SECONDS must be a whole number from 0 to 3600, not '1.5'",
        ),
        (
            {"ANALYTICS_WORKER_TIMEOUT_SECONDS": "3"},
            "ANALYTICS_WORKER_TIMEOUT_SECONDS must be a whole number from 4 to 3600, not '3'",
        ),
        (
            {"ANALYTICS_LOCK_SECONDS": "86401"},
            "ANALYTICS_LOCK_SECONDS must be a whole number from 0 to 86400, not '86401'",
        ),
    ],
)
def test_invalid_value_names_its_variable(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Settings.from_environ(environ)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"ANALYTICS_STATE_DIR": "/srv/state", "DAGSTER_HOME": "/srv/dagster"}, "/srv/state"),
        ({"ANALYTICS_STATE_DIR": "", "DAGSTER_HOME": "/srv/dagster"}, "/srv/.analytics_state"),
        ({"DAGSTER_HOME": "/srv/dagster/", "HOME": "/home/u"}, "/srv/.analytics_state"),
        ({"XDG_STATE_HOME": "/home/u/state", "HOME": "/home/u"}, "/home/u/state/analytics_assets"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/u"}, "/home/u/.local/state/analytics_assets"),
        ({"HOME": "/home/u"}, "/home/u/.local/state/analytics_assets"),
    ],
)
def test_state_dir(environ: dict[str, str], expected: str) -> None:
    assert state_dir(environ) == Path(expected)


def test_state_dir_without_home_is_found_or_named_in_an_error() -> None:
    code = (
        "from analytics_assets.rest_api.errors import ConfigError\n"
        "from analytics_assets.components.settings import state_dir\n"
        "try: print(state_dir({}).is_absolute())\n"
        "except ConfigError as error: print('ANALYTICS_STATE_DIR' in str(error))"
    )
    environ = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")
