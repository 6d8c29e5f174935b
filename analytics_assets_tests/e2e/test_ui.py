"""The UI in a real browser: one server, one instance, and APIs on a server of the test."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from analytics_assets.components.command_line.run_origin import LOCATION
from analytics_assets.sandbox.builtin import ROWS, build_sandbox, rows
from analytics_assets.sandbox.server import serve
from analytics_assets_tests.support.project import MainJob, Project, checkout
from analytics_assets_tests.support.requirements import require_or_skip
from analytics_assets_tests.support.ui import launch_run, query_graphql, serve_ui

CHROMIUM = shutil.which("chromium")
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WINDOW = ViewportSize(width=1600, height=2000)  # tall enough for the whole graph: the UI draws the visible part only
SECONDS = 1000.0  # in milliseconds
RUN_MS = 180 * SECONDS  # for a run to end
expect.set_options(timeout=60 * SECONDS)

DAGSTER_DEV = ("dagster", "dev", "-w", "workspace.yaml")

pytestmark = pytest.mark.e2e

TABLES = [f"{api}/{name}" for api, name in ROWS]
ENDPOINTS = [f"{api}_api/{name}" for api, name in ROWS]
SANDBOX = build_sandbox()
WORKSPACE = "{workspaceOrError {... on Workspace {locationEntries {name locationOrLoadError {__typename}}}}}"
SCHEDULES = """{workspaceOrError {... on Workspace {locationEntries {locationOrLoadError {... on RepositoryLocation {
  repositories {schedules {name scheduleState {status}}}}}}}}}"""


@dataclass
class Ui:
    """A running UI, the project that it shows, and the APIs that its runs load from."""

    url: str
    project: Project
    api: ExitStack

    def location_url(self, path: str) -> str:
        return f"{self.url}/locations/{LOCATION}/{path}"

    def start_api(self, port: int = 0) -> str:
        """Serve the sandbox APIs, as real ones that need credentials; returns their URL."""
        return self.api.enter_context(serve(SANDBOX, port=port))

    def materialize(self, page: Page, key: str, partitions: str) -> None:
        """Choose partitions in the dialog of an asset, start the run and open its page."""
        page.goto(f"{self.url}/assets/{key}")
        page.get_by_role("button", name="Materialize").first.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("textbox").first.fill(partitions)
        page.keyboard.press("Enter")
        dialog.get_by_role("button", name=re.compile("^Launch")).click()
        page.get_by_text("View", exact=True).click()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require_or_skip(CHROMIUM is not None, "chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A tab. A picture of its last state is kept in the test's folder."""
    tab = browser.new_page(viewport=WINDOW)
    tab.set_default_timeout(60 * SECONDS)
    yield tab
    tab.screenshot(path=tmp_path / "page.png")
    tab.close()


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory, browser: Browser, main_job: MainJob) -> Iterator[Ui]:
    """The UI of a project after its main job, which had no credentials. The server has them."""
    project = checkout(tmp_path_factory.mktemp("ui") / "project")
    main_job.copy_into(project)
    with ExitStack() as api:
        served = Ui("", project, api)
        project.env.update(SANDBOX.variables(served.start_api()), ANALYTICS_STEP_RETRIES="0")
        with serve_ui(project, *DAGSTER_DEV) as served.url:
            yield served


def test_graph_shows_all_tables_below_their_endpoints(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.url}/asset-groups")
    expect(page.get_by_role("button", name="Materialize all (4)")).to_be_visible()
    for api in ("recruiting", "treasury"):
        expect(page.locator("foreignObject").get_by_text(api, exact=True)).to_be_visible()
    page.keyboard.press("Alt+e")  # the UI's shortcut that opens all groups
    nodes = page.locator("foreignObject").filter(has_text="Asset checks")
    expect(nodes).to_have_count(8)
    expect(nodes.filter(has_text="DuckDB").filter(has_text="dlt")).to_have_count(4)
    expect(nodes.filter(has_text="rest").filter(has=page.get_by_label("source_asset"))).to_have_count(4)
    expect(nodes.filter(has_text=re.compile(r"\d / 8 Passed"))).to_have_count(4)
    for _, name in ROWS:
        expect(nodes.get_by_text(name, exact=True)).to_have_count(2)


def test_catalog_lists_all_assets(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.url}/assets")
    links = page.locator("a[href^='/assets/']")
    expect(links).to_have_count(8)
    assert {link.get_attribute("href") for link in links.all()} == {f"/assets/{key}" for key in TABLES + ENDPOINTS}
    expect(page.get_by_text("Candidates' applications, one row per opportunity.")).to_be_visible()


def test_schedules_are_listed_with_their_times(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.url}/automation")
    links = page.locator("a[href*='/schedules/']")
    expect(links).to_have_count(2)
    expect(links.nth(0)).to_contain_text("recruiting_incremental_scheduleScheduled At 02:00 AM UTC")
    expect(links.nth(1)).to_contain_text("treasury_incremental_scheduleScheduled At 02:30 AM UTC")


@pytest.mark.parametrize(
    ("resource", "shown"),
    [
        (
            "recruiting_credentials",
            [f"RECRUITING_{name}" for name in ("BASE_URL", "CLIENT_SECRET", "REFRESH_TOKEN", "API_KEY")],
        ),
        ("treasury_credentials", [f"TREASURY_{name}" for name in ("BASE_URL", "CLIENT_ID", "CLIENT_SECRET")]),
        ("warehouse", ["duckdb_path", '"warehouse.duckdb"', "ANALYTICS_DUCKDB_PATH", "ANALYTICS_DESTINATION"]),
    ],
)
def test_resource_shows_its_variables(ui: Ui, page: Page, resource: str, shown: list[str]) -> None:
    page.goto(ui.location_url("resources"))
    page.get_by_role("link", name=resource).click()
    for text in shown:
        expect(page.get_by_text(text).first).to_be_visible()


@pytest.mark.parametrize(
    ("key", "shown", "columns"),
    [
        (
            "recruiting/opportunities",
            {
                "chunk_rows_loaded": "1000",
                "rows_outside_window": "0",
                "pages": "20",
                "retries": "0",
                "window": "all history",
            },
            {"id": "text", "updated_at": "timestamp", "owner": "json", "salary": "double"},
        ),
        (
            "treasury/cash_drawers",
            {
                "chunk_rows_loaded": "180",
                "mode": "full refresh",
                "source": "sandbox: invented data",
                "changed_columns": "none",
            },
            {"id": "bigint", "created_at": "timestamp", "open": "bool", "last_count": "json"},
        ),
    ],
)
def test_asset_page_shows_metadata_of_the_last_load(
    ui: Ui, page: Page, key: str, shown: dict[str, str], columns: dict[str, str]
) -> None:
    page.goto(f"{ui.url}/assets/{key}")
    for name, value in {**shown, **columns}.items():
        row = page.get_by_role("row").filter(has=page.get_by_text(name, exact=True)).first
        expect(row).to_contain_text(value)
    api, name = key.split("/")
    expect(page.get_by_role("link", name=f"{api}_api / {name}")).to_be_visible()  # upstream
    page.get_by_text("[Show Markdown]").click()
    preview = page.get_by_role("dialog").get_by_role("row")
    expect(preview).to_have_count(11)
    assert preview.first.locator("th").all_text_contents()[0] == "id"


def test_runs_of_commands_are_on_the_pages_of_their_job_and_in_the_timeline(ui: Ui, page: Page) -> None:
    page.goto(ui.location_url("jobs/full_refresh/runs"))
    expect(page.get_by_text("Success", exact=True)).to_have_count(1)
    page.goto(f"{ui.url}/overview/activity/timeline")
    expect(page.get_by_role("link", name="full_refresh")).to_be_visible()


def test_every_check_says_what_it_proves_and_what_it_found(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.url}/assets/treasury/bank_accounts?view=checks")
    expect(page.get_by_text("Checks (8)")).to_be_visible()
    page.get_by_text("holds_real_data").first.click()
    expect(page.get_by_text("Warning").or_(page.get_by_text("Failed")).first).to_be_visible()
    expect(page.get_by_text("sandbox").first).to_be_visible()


def test_first_real_load_leaves_only_its_own_partition_marked(ui: Ui, page: Page) -> None:
    """The sandbox's main job had marked all partitions."""
    ui.materialize(page, "treasury/cash_drawers", "2026-10-03")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=RUN_MS)
    expect(page.get_by_text("treasury/cash_drawers: reading GET ").first).to_be_visible()
    page.goto(f"{ui.url}/assets/treasury/cash_drawers?view=partitions&partition=2026-10-03")
    expect(page.get_by_text("Materialized (1)")).to_be_visible()
    row = page.get_by_role("row").filter(has=page.get_by_text("dagster/partition_row_count", exact=True))
    expect(row).to_contain_text(str(count_rows("treasury", "cash_drawers", "2026-10-03")))


def test_range_shows_the_rows_of_each_partition(ui: Ui, page: Page) -> None:
    ui.materialize(page, "recruiting/opportunities", "[2026-10-02...2026-10-04]")
    expect(page.get_by_text("Succeeded", exact=True).first).to_be_visible(timeout=RUN_MS)
    for day in ("2026-10-02", "2026-10-03", "2026-10-04"):
        page.goto(f"{ui.url}/assets/recruiting/opportunities?view=partitions&partition={day}")
        row = page.get_by_role("row").filter(has=page.get_by_text("rows_loaded", exact=True))
        expect(row).to_contain_text(str(count_rows("recruiting", "opportunities", day)))
    page.goto(f"{ui.url}/assets/recruiting/opportunities")
    page.get_by_text("Plots", exact=True).click()
    expect(page.get_by_text("dagster/partition_row_count", exact=True)).to_be_visible()


def test_failed_run_says_why_and_is_executed_again(ui: Ui, page: Page) -> None:
    port = int(ui.project.env["TREASURY_BASE_URL"].split("/")[2].split(":")[1])
    ui.api.close()
    try:
        ui.materialize(page, "treasury/bank_accounts", "2026-10-05")
        expect(page.get_by_text("Failure", exact=True).first).to_be_visible(timeout=RUN_MS)
        expect(page.get_by_text(re.compile("treasury/bank_accounts: .*127.0.0.1")).first).to_be_visible()
        expect(page.get_by_text("Traceback")).to_have_count(0)
    finally:
        ui.start_api(port)
    page.get_by_role("button", name="Re-execute").first.click()
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=RUN_MS)
    page.goto(f"{ui.url}/assets/treasury/bank_accounts?view=partitions&partition=2026-10-05")
    expect(page.get_by_text("Failed (0)")).to_be_visible()


def test_run_waits_for_its_pool(ui: Ui, page: Page) -> None:
    set_pool_limit(ui, "treasury", 0)
    try:
        run_id = launch_run(ui.url, LOCATION, "treasury_incremental", {"dagster/partition": "2026-10-06"})
        page.goto(f"{ui.url}/runs")
        page.get_by_text("View queue criteria").click()
        expect(page.get_by_role("dialog").get_by_text("treasury").first).to_be_visible()
        page.goto(f"{ui.url}/deployment/concurrency")
        expect(page.get_by_role("link", name="treasury")).to_be_visible()
    finally:
        set_pool_limit(ui, "treasury", 4)
    page.goto(f"{ui.url}/runs/{run_id}")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=RUN_MS)


def set_pool_limit(ui: Ui, pool: str, limit: int) -> None:
    with dg.DagsterInstance.from_config(ui.project.env["DAGSTER_HOME"]) as instance:
        instance.event_log_storage.set_concurrency_slots(pool, limit)


def test_schedule_that_is_started_runs_in_dg_dev_too(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.url}/automation")
    expect(page.locator("a[href*='/schedules/']")).to_have_count(2)
    page.goto(ui.location_url("schedules/recruiting_incremental_schedule"))
    switch = page.locator("label:has(input[type=checkbox])")
    expect(switch).to_have_count(1)
    switch.click()
    expect(page.get_by_role("checkbox")).to_be_checked()
    with serve_ui(ui.project, "dg", "dev") as url:
        [entry] = query_graphql(url, WORKSPACE)["workspaceOrError"]["locationEntries"]
        assert (entry["name"], entry["locationOrLoadError"]["__typename"]) == (LOCATION, "RepositoryLocation")
        assert running_schedules(url) == running_schedules(ui.url) == ["recruiting_incremental_schedule"]


def running_schedules(url: str) -> list[str]:
    found = query_graphql(url, SCHEDULES)["workspaceOrError"]["locationEntries"][0]["locationOrLoadError"]
    schedules = found["repositories"][0]["schedules"]
    return [schedule["name"] for schedule in schedules if schedule["scheduleState"]["status"] == "RUNNING"]


def count_rows(api: str, name: str, day: str) -> int:
    """The rows of the API that changed on a day."""
    if api == "treasury":
        return sum(row["updated_at"].startswith(day) for row in rows(api, name))
    times = (datetime.fromtimestamp(row["updatedAt"] / 1000, timezone.utc) for row in rows(api, name))
    return sum(time.date().isoformat() == day for time in times)


def test_full_refresh_of_all_partitions_replaces_the_tables(ui: Ui, page: Page) -> None:
    ui.project.execute("full_refresh")
    for api, name in ROWS:
        insert_stale_row(ui.project.warehouse, f"{api}.{name}")

    page.goto(ui.location_url("jobs/full_refresh"))
    expect(page.get_by_text("Reloads the full history of all APIs and replaces the tables.")).to_be_visible()
    page.get_by_role("button", name="Materialize all").first.click()
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_role("button", name="Launch backfill").click()
    page.get_by_text("View", exact=True).click()
    expect(page.get_by_text("Succeeded", exact=True).first).to_be_visible(timeout=300 * SECONDS)
    expect(page.get_by_text("100% completed")).to_be_visible(timeout=300 * SECONDS)

    for api, name in ROWS:
        found = ui.project.query(f"SELECT id FROM {api}.{name}")
        assert Counter(key for (key,) in found) == Counter(row["id"] for row in rows(api, name))
    runs = query_graphql(ui.url, "{runsOrError {... on Runs {results {jobName status tags {key value}}}}}")[
        "runsOrError"
    ]
    launched = runs["results"][0]
    assert (launched["jobName"], launched["status"]) == ("full_refresh", "SUCCESS")
    assert {"key": "analytics/mode", "value": "full_refresh"} in launched["tags"]


def insert_stale_row(warehouse: Path, table: str) -> None:
    """Insert a row that the API does not have: only a load that replaces the table removes it."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.sql(f"CREATE TABLE stale AS SELECT * REPLACE (-1 AS id) FROM {table} LIMIT 1")
        connection.sql(f"INSERT INTO {table} SELECT * FROM stale")
        connection.sql("DROP TABLE stale")
