"""Take the documents' pictures from the running UI: `python -m analytics_assets_tests.docs.pictures`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from playwright.sync_api import FloatRect, Locator, Page, expect, sync_playwright

from analytics_assets.sandbox import builtin
from analytics_assets.sandbox.server import serve
from analytics_assets_tests.support.project import ROOT, Project, checkout
from analytics_assets_tests.support.ui import query_graphql, serve_ui

IMAGES = ROOT / "docs" / "images"
MAX_PICTURES = 7
MAX_BYTES = 1_500_000  # of all pictures
WIDTH = 1600
TIMEOUT_MS = 60_000.0
SETTLE_MS = 2_000.0  # the graph moves into place, and plots are drawn
ENDPOINTS_ABOVE_TABLES = """localStorage.setItem("asset-graph-direction", '"vertical"')"""
ASSET = "assets/recruiting/opportunities"
RANGE = ("2026-10-01", "2026-10-21")
FAILED_DAY = "2026-10-05"
PARTITIONS = "partitions: {cadence: daily, start: 2026-10-01"
RUN_IDS = "{runsOrError {... on Runs {results {runId status}}}}"  # the newest first


class Camera:
    """Takes pictures of pages of one UI.

    Attributes:
        page: The tab.
        url: The UI's URL.
        taken: The files of the pictures so far.
    """

    def __init__(self, page: Page, url: str, folder: Path) -> None:
        self.page, self.url = page, url
        self.taken: list[Path] = []
        self._folder = folder

    def open(self, path: str, *, height: int, width: int = WIDTH) -> Page:
        """Open a page of the UI in a window of that size."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.goto(f"{self.url}/{path}")
        return self.page

    def take(self, name: str, shows: Locator) -> None:
        """Take a picture of the window once it shows something."""
        expect(shows.first).to_be_visible()
        self.page.wait_for_timeout(SETTLE_MS)
        self.save(name)

    def save(self, name: str, clip: FloatRect | None = None) -> None:
        """Save a picture of the window, or of a part of it."""
        file = self._folder / f"{name}.png"
        self.page.screenshot(path=file, clip=clip)
        self.taken.append(file)


def take_graph(camera: Camera) -> None:
    """All assets, with all groups open."""
    page = camera.open("asset-groups", width=2400, height=1100)  # the whole graph in full size, without scrolling
    nodes = page.locator("foreignObject")
    expect(page.get_by_role("button", name="Materialize all")).to_be_visible()
    expect(nodes).not_to_have_count(0)
    page.keyboard.press("Alt+e")  # the UI's shortcut that opens all groups
    expect(nodes.get_by_text("% filled").first).to_be_visible()
    page.wait_for_timeout(SETTLE_MS)
    camera.save("asset-graph", graph_box(nodes.all()))


def graph_box(nodes: Sequence[Locator]) -> FloatRect:
    """The rectangle around all nodes, WIDTH pixels wide."""
    boxes = [box for node in nodes if (box := node.bounding_box())]
    left, right = min(box["x"] for box in boxes), max(box["x"] + box["width"] for box in boxes)
    top, bottom = min(box["y"] for box in boxes), max(box["y"] + box["height"] for box in boxes)
    return {"x": (left + right - WIDTH) / 2, "y": top - 16, "width": WIDTH, "height": bottom - top + 32}


def take_asset(camera: Camera) -> None:
    """What an asset is: columns and their descriptions, owners, storage, schedule, freshness, metadata."""
    page = camera.open(ASSET, height=1500)
    camera.take("asset", page.get_by_text("rows_loaded", exact=True))


def take_plots(camera: Camera) -> None:
    """The numbers of the loads by partition."""
    page = camera.open(ASSET, height=1300)
    for section in ("Status", "Description", "Columns"):
        page.get_by_text(section, exact=True).first.click()  # closes it
    page.get_by_text("Plots", exact=True).click()
    camera.take("plots", page.locator("canvas"))


def take_checks(camera: Camera) -> None:
    """The checks of an asset, and the history of one."""
    page = camera.open(f"{ASSET}?view=checks", height=1000)
    page.get_by_text("rows_as_usual").first.click()
    camera.take("checks", page.locator("canvas"))


def take_partitions(camera: Camera) -> None:
    """The partitions of an asset, with one whose last load failed."""
    page = camera.open(f"{ASSET}?view=partitions&partition={FAILED_DAY}", height=900)
    camera.take("partitions", page.get_by_text("rows_loaded", exact=True))


def take_failed_run(camera: Camera, run_id: str) -> None:
    page = camera.open(f"runs/{run_id}", height=800)
    camera.take("failed-run", page.get_by_text("Check RECRUITING_CLIENT_ID"))


def take_run_log(camera: Camera, run_id: str) -> None:
    """The lines that the loads of a run logged, without Dagster's events."""
    page = camera.open(f"runs/{run_id}", height=800)
    page.get_by_role("button", name="Levels").click()
    page.get_by_text("event", exact=True).click()
    page.keyboard.press("Escape")
    page.mouse.move(0, 0)
    camera.take("run-log", page.get_by_text(" into recruiting.users, which has "))


def take(folder: Path) -> list[Path]:
    """Run jobs in a new project against the sandbox APIs, and take all pictures into the folder."""
    sandbox = builtin.build_sandbox()
    with tempfile.TemporaryDirectory() as temporary, serve(sandbox) as api:
        project = checkout(Path(temporary) / "project")
        project.env.update(sandbox.variables(api))
        load_by_day(project)
        with open_camera(project, folder) as camera:
            for take_picture in (take_graph, take_asset, take_plots, take_checks):
                take_picture(camera)
            run_with_wrong_secret(project)
            take_partitions(camera)
            failed, loaded, *_ = query_graphql(camera.url, RUN_IDS)["runsOrError"]["results"]
            take_failed_run(camera, failed["runId"])
            take_run_log(camera, loaded["runId"])
            return camera.taken


def load_by_day(project: Project) -> None:
    """Load all history, then a range of days, each of which is a load of its own: plots show a point for each."""
    project.execute("full_refresh")
    file = project.folder / "analytics_assets" / "defs" / "recruiting" / "defs.yaml"
    file.write_text(file.read_text().replace(PARTITIONS, f"{PARTITIONS}, chunk: 1"))
    # The full refresh is a load of the newest partition: this one takes its place in the plots.
    newest = datetime.now(timezone.utc).date() - timedelta(days=1)
    project.execute("recruiting_incremental", partition=newest.isoformat())
    project.execute("recruiting_incremental", partitions=RANGE)


def run_with_wrong_secret(project: Project) -> None:
    """Run a load that fails. Its state folder is another one: no token is stored there."""
    wrong = {"RECRUITING_CLIENT_SECRET": "wrong", "ANALYTICS_STATE_DIR": str(project.folder / "empty_state")}
    project.execute("recruiting_incremental", partition=FAILED_DAY, env=wrong, ok=False)


@contextmanager
def open_camera(project: Project, folder: Path) -> Iterator[Camera]:
    """Serve the UI of a project and open it in a browser, in the light theme."""
    with (
        serve_ui(project, "dagster", "dev", "-w", "workspace.yaml") as url,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"]) as browser,
    ):
        page = browser.new_page(color_scheme="light")
        page.set_default_timeout(TIMEOUT_MS)
        page.add_init_script(ENDPOINTS_ABOVE_TABLES)
        yield Camera(page, url, folder)


if __name__ == "__main__":
    expect.set_options(timeout=TIMEOUT_MS)
    for taken in take(IMAGES):
        print(taken.relative_to(ROOT), f"{taken.stat().st_size:,} bytes")
