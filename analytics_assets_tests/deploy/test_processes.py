"""The processes of a deployment, for real: the code server of the image, and a Celery worker with Redis."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from analytics_assets_tests.support.postgres import Postgres
from analytics_assets_tests.support.project import ROOT, Project
from analytics_assets_tests.support.requirements import free_port, require_or_skip

pytestmark = pytest.mark.e2e
SECONDS = 90


@contextlib.contextmanager
def process(project: Project, *command: str, env: Mapping[str, str] | None = None) -> Iterator[None]:
    """A process of a group of its own, which ends with the block. Its output is in `process.log`."""
    with (project.folder / "process.log").open("ab") as log:
        running = subprocess.Popen(
            command,
            cwd=project.folder,
            env={**project.env, **(env or {})},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(running.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def wait_until_it_succeeds(project: Project, *command: str) -> None:
    ends = time.monotonic() + SECONDS
    while True:
        done = subprocess.run(
            command, cwd=project.folder, env=project.env, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        if done.returncode == 0:
            return
        assert time.monotonic() < ends, f"{done.stdout}{done.stderr}\n{(project.folder / 'process.log').read_text()}"
        time.sleep(0.5)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def test_code_server_of_the_image_passes_its_health_check(project: Project) -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    port = str(free_port())
    serve, check = (
        [port if word == "4000" else word for word in json.loads(command)]
        for command in (re.findall(r"^CMD (.+)", dockerfile, re.M)[0], re.findall(r"^ +CMD (.+)", dockerfile, re.M)[0])
    )
    with process(project, *serve):
        wait_until_it_succeeds(project, *check)
    assert "analytics_assets.definitions" in (project.folder / "process.log").read_text()


@pytest.fixture
def shared_history(project: Project, postgres_server: Postgres) -> Iterator[None]:
    """Dagster's history in PostgreSQL. Several processes cannot create the SQLite files of a new instance at once."""
    login, socket_folder = urlsplit(postgres_server.credentials).netloc.split("@")
    storage = {"postgres": {"postgres_url": f"postgresql+psycopg2://{login}@/history?host={socket_folder}"}}
    (project.folder / ".dagster" / "dagster.yaml").write_text(json.dumps({"storage": storage}))
    postgres_server.query("CREATE DATABASE history")  # other tests compare the tables of the server's own database
    yield
    postgres_server.query("DROP DATABASE history WITH (FORCE)")


@pytest.fixture
def celery_env(project: Project) -> Iterator[dict[str, str]]:
    redis = shutil.which("redis-server")
    require_or_skip(redis is not None, "redis-server")
    port = str(free_port())
    url = f"redis://localhost:{port}"
    with process(project, str(redis), "--port", port, "--save", "", "--dir", str(project.folder)):
        wait_until_it_succeeds(project, "redis-cli", "-p", port, "ping")
        yield {
            "ANALYTICS_EXECUTOR": "celery",
            "CELERY_BROKER_URL": f"{url}/0",
            "CELERY_RESULT_BACKEND": f"{url}/1",
        }


@pytest.mark.usefixtures("shared_history")
def test_celery_workers_execute_the_steps_of_the_main_job(project: Project, celery_env: dict[str, str]) -> None:
    with process(project, "dagster-celery", "worker", "start", "-A", "analytics_assets.celery_app", env=celery_env):
        project.execute("full_refresh", env=celery_env)
    log = (project.folder / "process.log").read_text()
    assert len(re.findall(r"Task execute_plan\[\S+\] succeeded", log)) == 4
    with Redis.from_url(celery_env["CELERY_BROKER_URL"]) as redis:
        # Each was taken from its queue by the script that records it as in progress.
        assert redis.info("commandstats")["cmdstat_eval"]["calls"] >= 4
    for table in (
        "recruiting_sandbox.opportunities",
        "recruiting_sandbox.users",
        "treasury_sandbox.bank_accounts",
        "treasury_sandbox.cash_drawers",
    ):
        [(rows,)] = project.query(f"SELECT count(*) FROM {table}")
        assert rows > 0, table
