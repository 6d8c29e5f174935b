"""The UI in a real browser, served by `dagster dev` and by `dg dev`."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from analytics_assets.sandbox.builtin import ROWS, rows
from analytics_assets_tests.support.project import MainJob, Project, checkout
from analytics_assets_tests.support.requirements import require_or_skip
from analytics_assets_tests.support.ui import query_graphql, serve_ui

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
expect.set_options(timeout=60 * SECONDS)

DAGSTER_DEV = ("dagster", "dev", "-w", "workspace.yaml")
DG_DEV = ("dg", "dev")
EVERY_SERVER = pytest.mark.parametrize("ui", [DAGSTER_DEV, DG_DEV], indirect=True, ids=" ".join)
ONE_SERVER = pytest.mark.parametrize("ui", [DAGSTER_DEV], indirect=True, ids=" ".join)

pytestmark = pytest.mark.e2e

TABLES = [f"{api}/{name}" for api, name in ROWS]
ENDPOINTS = [f"{api}_api/{name}" for api, name in ROWS]
WORKSPACE = "{workspaceOrError {... on Workspace {locationEntries {name locationOrLoadError {__typename}}}}}"


@dataclass
class Ui:
    """A running UI and the project that it shows."""

    url: str
    location: str
    project: Project

    def location_url(self, path: str) -> str:
        return f"{self.url}/locations/{self.location}/{path}"


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
def ui(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, browser: Browser, main_job: MainJob
) -> Iterator[Ui]:
    """The UI of a project after its main job, served by the command `request.param`."""
    project = checkout(tmp_path_factory.mktemp("ui") / "project")
    main_job.copy_into(project)
    with serve_ui(project, *request.param) as url:
        [entry] = query_graphql(url, WORKSPACE)["workspaceOrError"]["locationEntries"]
        assert entry["locationOrLoadError"]["__typename"] == "RepositoryLocation"
        yield Ui(url, entry["name"], project)


@EVERY_SERVER
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
    expect(nodes.filter(has_text=re.compile(r"([12]) / \1 Passed"))).to_have_count(4)  # in the main job
    for _, name in ROWS:
        expect(nodes.get_by_text(name, exact=True)).to_have_count(2)


@EVERY_SERVER
def test_catalog_lists_all_assets(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.url}/assets")
    links = page.locator("a[href^='/assets/']")
    expect(links).to_have_count(8)
    assert {link.get_attribute("href") for link in links.all()} == {f"/assets/{key}" for key in TABLES + ENDPOINTS}
    expect(page.get_by_text("Candidates' applications, one row per opportunity.")).to_be_visible()


@EVERY_SERVER
def test_schedules_are_listed_with_their_times(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.url}/automation")
    links = page.locator("a[href*='/schedules/']")
    expect(links).to_have_count(2)
    expect(links.nth(0)).to_contain_text("recruiting_incremental_scheduleScheduled At 02:00 AM UTC")
    expect(links.nth(1)).to_contain_text("treasury_incremental_scheduleScheduled At 02:30 AM UTC")


@EVERY_SERVER
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


@ONE_SERVER
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
        row = page.get_by_role("row").filter(has=page.get_by_text(name, exact=True))
        expect(row).to_contain_text(value)
    api, name = key.split("/")
    expect(page.get_by_role("link", name=f"{api}_api / {name}")).to_be_visible()  # upstream
    page.get_by_text("[Show Markdown]").click()
    preview = page.get_by_role("dialog").get_by_role("row")
    expect(preview).to_have_count(11)
    assert preview.first.locator("th").all_text_contents()[0] == "id"


@ONE_SERVER
def test_full_refresh_of_all_partitions_replaces_the_tables(ui: Ui, page: Page) -> None:
    for api, name in ROWS:
        insert_stale_row(ui.project.warehouse, f"{api}_sandbox.{name}")

    page.goto(ui.location_url("jobs/full_refresh"))
    expect(page.get_by_text("Reloads the full history of all APIs and replaces the tables.")).to_be_visible()
    page.get_by_role("button", name="Materialize all").first.click()
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_role("button", name="Launch backfill").click()
    page.get_by_text("View", exact=True).click()
    expect(page.get_by_text("Succeeded", exact=True).first).to_be_visible(timeout=300 * SECONDS)
    expect(page.get_by_text("100% completed")).to_be_visible(timeout=300 * SECONDS)

    for api, name in ROWS:
        found = ui.project.query(f"SELECT id FROM {api}_sandbox.{name}")
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
