"""Measured costs: loading definitions, the UI's first page, runs, scheduler ticks and writes of events."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg
import yaml
from playwright.sync_api import sync_playwright

from analytics_assets_tests.benchmarks.measure import Command, Cost, measure
from analytics_assets_tests.benchmarks.scale.generated_apis import serve_apis, write_apis
from analytics_assets_tests.support.postgres import Postgres, run_postgres
from analytics_assets_tests.support.project import BIN, ROOT, Project, execute_command
from analytics_assets_tests.support.ui import serve_ui

START = "2026-01-01"
LOAD = "from analytics_assets.definitions import defs; defs.get_repository_def()"
IMPORT = "import analytics_assets.definitions"


def definitions(folder: Path, apis: int, resources: int) -> tuple[Cost, Cost]:
    """The cost of a run's import, and of a code location that resolves all definitions."""
    environ = {
        "PYTHONPATH": str(ROOT),
        "ANALYTICS_DEFS_DIR": str(write_apis(folder, apis=apis, resources=resources, start=START)),
    }
    loads = (Command([sys.executable, "-c", code], folder, environ) for code in (IMPORT, LOAD))
    imported, loaded = (median_cost(load) for load in loads)
    return imported, loaded


def median_cost(command: Command, rounds: int = 3) -> Cost:
    """The median wall time, CPU time and memory of a command."""
    costs = [measure(command) for _ in range(rounds)]
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in ("wall", "cpu", "memory")))


def first_page(folder: Path, apis: int, resources: int) -> tuple[float, float, float]:
    """Seconds until the UI answers after its start, until the list of assets is shown, and when it is shown again."""
    project = Project(
        folder, {"ANALYTICS_DEFS_DIR": str(write_apis(folder, apis=apis, resources=resources, start=START))}
    )
    (folder / "workspace.yaml").write_text((ROOT / "workspace.yaml").read_text())
    project.env["PYTHONPATH"] = str(ROOT)
    started = time.perf_counter()
    with serve_ui(project, "dagster-webserver", "-w", "workspace.yaml") as url, sync_playwright() as playwright:
        served = time.perf_counter() - started
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        shown = []
        for _ in range(2):
            page = browser.new_page()
            started = time.perf_counter()
            page.goto(f"{url}/assets")
            page.get_by_text("resource_00").first.wait_for(timeout=120_000)
            shown.append(time.perf_counter() - started)
            page.close()
        browser.close()
    return served, shown[0], shown[1]


@contextmanager
def project_on_postgres(folder: Path) -> Iterator[tuple[Project, Postgres]]:
    """A project whose history is in a PostgreSQL server, which writes as safely as by default."""
    (folder / "server").mkdir(parents=True)
    with run_postgres(folder / "server") as postgres:
        postgres.query("ALTER SYSTEM SET fsync = on")
        postgres.query("SELECT pg_reload_conf()")
        url = urlsplit(postgres.credentials)
        login, socket_folder = url.netloc.split("@")
        project = Project(folder / "project")
        storage = {"postgres": {"postgres_url": f"postgresql+psycopg2://{login}@{url.path}?host={socket_folder}"}}
        (project.folder / ".dagster" / "dagster.yaml").write_text(
            yaml.safe_dump({"storage": storage, "telemetry": {"enabled": False}})
        )
        project.env["PYTHONPATH"] = str(ROOT)
        yield project, postgres


def events_of(postgres: Postgres) -> tuple[int, int]:
    """The number of stored events, and the bytes of the database."""
    [row] = postgres.query("SELECT (SELECT count(*) FROM event_logs), pg_database_size(current_database())")
    return row[0], row[1]


def run_of_one_window(folder: Path, resources: int, rounds: int = 3) -> tuple[Cost, float, float]:
    """The cost of a run of one window of an API; the events and the kilobytes that it stores."""
    with project_on_postgres(folder) as (project, postgres), serve_apis() as variables:
        project.env |= variables | {
            "ANALYTICS_DEFS_DIR": str(write_apis(project.folder, apis=1, resources=resources, start=START))
        }
        stored, costs = [], []
        for key in window_keys(rounds + 1):
            args = execute_command("api_000_incremental", partition=key)
            costs.append(measure(Command([str(BIN / args[0]), *args[1:]], project.folder, project.env)))
            stored.append(events_of(postgres))
        cost = Cost(
            *(statistics.median(getattr(each, name) for each in costs[1:]) for name in ("wall", "cpu", "memory"))
        )
        events, size = ((after - before) / rounds for before, after in zip(stored[0], stored[-1], strict=True))
        return cost, events, size / 1000


def run_of_a_range(folder: Path, windows: int) -> Cost:
    """The cost of one run over so many windows of one table, with Dagster's history in PostgreSQL."""
    with project_on_postgres(folder) as (project, _), serve_apis() as variables:
        defs = write_apis(project.folder, apis=1, resources=1, start=START)
        project.env |= variables | {"ANALYTICS_DEFS_DIR": str(defs)}
        first, *_, last = window_keys(windows)
        args = execute_command("api_000_incremental", partitions=(first, last))
        return measure(Command([str(BIN / args[0]), *args[1:]], project.folder, project.env))


def window_keys(windows: int) -> list[str]:
    """The keys of the first hourly partitions."""
    start = datetime.fromisoformat(START)
    return [f"{start + timedelta(hours=hour):%Y-%m-%d-%H:%M}" for hour in range(windows)]


def write_events(home: str, events: int) -> None:
    """Report materializations to an instance, each as one event."""
    with dg.DagsterInstance.from_config(home) as instance:
        for number in range(events):
            instance.report_runless_asset_event(dg.AssetMaterialization(f"asset_{number % 50}", partition=str(number)))


def event_rate(folder: Path, writers: int, events: int = 500) -> float:
    """Events a second that processes write into PostgreSQL together."""
    with project_on_postgres(folder) as (project, _), ProcessPoolExecutor(writers) as pool:
        home = project.env["DAGSTER_HOME"]
        list(pool.map(write_events, [home] * writers, [1] * writers))  # imports and tables
        started = time.perf_counter()
        list(pool.map(write_events, [home] * writers, [events] * writers))
        return writers * events / (time.perf_counter() - started)


def tick(folder: Path, resources: int, loaded: int) -> float:
    """Seconds in which the schedule of an API is evaluated, with so many partitions loaded of each resource."""
    with project_on_postgres(folder) as (project, _):
        defs = write_apis(project.folder, apis=1, resources=resources, start=START)
        project.env["ANALYTICS_DEFS_DIR"] = str(defs)
        return float(project.run("python", "-m", f"{__package__}.tick", str(loaded)).split()[-1])
