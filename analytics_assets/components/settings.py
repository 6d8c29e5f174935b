"""Settings: the ANALYTICS_ variables, their defaults and their checks.

`ANALYTICS_TOKEN_STORE` may name another variable, so `rest_api.state` reads it in the run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import Self

from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.errors import ConfigError

EXECUTORS = ("in_process", "multiprocess", "celery", "k8s_job")


@dataclass(frozen=True)
class Settings:
    """The ANALYTICS_ variables of one environment.

    Attributes:
        defs_dir: Folder of the `<api>/defs.yaml` files.
        executor: How Dagster runs the steps of a job: one of EXECUTORS.
        max_concurrent_steps: How many steps of a run `multiprocess` and `k8s_job` execute at once; 0 for Dagster's
            default.
        destination: The warehouse: `duckdb`, `postgres` or `delta`.
        duckdb_path: The DuckDB file, for the destination `duckdb`.
        dataset_prefix: Put before the name of each dataset.
        lock_seconds: How long a load waits for other loads into the same file or dataset.
        step_retries: How often a step is retried.
        git_url: URL of the project's files in git, which assets link to; empty for links to the files themselves.
        step_retry_seconds: Delay before the first retry of a step; each further delay is twice as long.
        worker_timeout_seconds: How long a Celery worker may give no sign of life before another one executes its steps.
    """

    defs_dir: Path = Path(__file__).parents[1] / "defs"
    executor: str = "in_process"
    max_concurrent_steps: int = 0
    destination: str = Warehouse.destination
    duckdb_path: Path = Warehouse.duckdb_path
    dataset_prefix: str = Warehouse.dataset_prefix
    lock_seconds: int = 600
    step_retries: int = 2
    step_retry_seconds: int = 30
    worker_timeout_seconds: int = 120
    git_url: str = ""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings. An empty variable counts as unset.

        Raises:
            ConfigError: A value is invalid. The message names the variable.
        """
        return cls(
            defs_dir=_folder(environ, "ANALYTICS_DEFS_DIR", cls.defs_dir),
            executor=_choice(environ, "ANALYTICS_EXECUTOR", cls.executor, EXECUTORS),
            max_concurrent_steps=_whole_number(
                environ, "ANALYTICS_MAX_CONCURRENT_STEPS", cls.max_concurrent_steps, at_most=1_000
            ),
            destination=environ.get("ANALYTICS_DESTINATION") or cls.destination,
            duckdb_path=Path(environ.get("ANALYTICS_DUCKDB_PATH") or cls.duckdb_path),
            dataset_prefix=environ.get("ANALYTICS_DATASET_PREFIX") or cls.dataset_prefix,
            lock_seconds=_whole_number(environ, "ANALYTICS_LOCK_SECONDS", cls.lock_seconds, at_most=86_400),
            step_retries=_whole_number(environ, "ANALYTICS_STEP_RETRIES", cls.step_retries, at_most=10),
            step_retry_seconds=_whole_number(
                environ, "ANALYTICS_STEP_RETRY_SECONDS", cls.step_retry_seconds, at_most=3_600
            ),
            worker_timeout_seconds=_whole_number(
                environ, "ANALYTICS_WORKER_TIMEOUT_SECONDS", cls.worker_timeout_seconds, at_least=4, at_most=3_600
            ),
            git_url=_web_link(environ, "ANALYTICS_GIT_URL").rstrip("/"),
        )


def state_dir(environ: Mapping[str, str]) -> Path:
    """The folder for tokens and locks: ANALYTICS_STATE_DIR, else next to DAGSTER_HOME, else the user's state folder.

    Next to DAGSTER_HOME and not inside it: the content of DAGSTER_HOME is shown and copied, tokens must not be.

    Raises:
        ConfigError: No variable is set, and the user has no home folder.
    """
    if chosen := environ.get("ANALYTICS_STATE_DIR"):
        return Path(chosen).absolute()
    if dagster_home := environ.get("DAGSTER_HOME"):
        return Path(dagster_home).absolute().parent / ".analytics_state"
    if (xdg := environ.get("XDG_STATE_HOME", "")).startswith("/"):
        return Path(xdg) / "analytics_assets"
    try:
        return Path(environ.get("HOME") or Path.home()) / ".local" / "state" / "analytics_assets"
    except RuntimeError:
        raise ConfigError(
            "there is no folder for tokens and locks, since this user has no home folder. "
            "Set ANALYTICS_STATE_DIR to a folder that can be written to"
        ) from None


def _folder(environ: Mapping[str, str], variable: str, default: Path) -> Path:
    folder = Path(environ.get(variable) or default).resolve()
    if not folder.is_dir():
        raise ConfigError(f"{variable}: {folder} is not a folder. Set it to a folder of <api>/defs.yaml files")
    return folder


def _choice(environ: Mapping[str, str], variable: str, default: str, choices: tuple[str, ...]) -> str:
    value = environ.get(variable) or default
    if value not in choices:
        raise ConfigError(f"{variable}: {value!r} is unknown. Set it to one of {', '.join(choices)}")
    return value


def _whole_number(environ: Mapping[str, str], variable: str, default: int, *, at_most: int, at_least: int = 0) -> int:
    text = environ.get(variable) or str(default)
    if not (text.isascii() and text.isdecimal()) or not at_least <= int(text[:20]) <= at_most:
        raise ConfigError(f"{variable} must be a whole number from {at_least} to {at_most}, not {text!r}")
    return int(text)


def _web_link(environ: Mapping[str, str], variable: str) -> str:
    text = environ.get(variable) or ""
    if text and not re.fullmatch(r"https?://[^\s/@?#]+/[^\s@?#]*", text):
        raise ConfigError(
            f"{variable} must be the URL of the project's folder in git, with the branch and without credentials: "
            "https://github.com/owner/project/blob/main"
        )
    return text
