"""Take the documents' pictures from the running UI: `python -m analytics_assets_tests.docs.pictures`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import FloatRect, Locator, Page, ViewportSize, expect, sync_playwright

from analytics_assets_tests.support.project import ROOT, checkout
from analytics_assets_tests.support.ui import serve_ui

IMAGES = ROOT / "docs" / "images"
MAX_BYTES = 200_000
TIMEOUT_MS = 60_000.0
WINDOW = ViewportSize(width=2200, height=1100)  # pixels; the whole graph fits in without scrolling
ENDPOINTS_ABOVE_TABLES = """localStorage.setItem("asset-graph-direction", '"vertical"')"""
MARGIN = 16.0  # pixels around the graph


def asset_graph(page: Page, url: str, folder: Path) -> Path:
    """Take the graph of all assets, with all groups open."""
    file = folder / "asset-graph.png"
    page.add_init_script(ENDPOINTS_ABOVE_TABLES)
    page.goto(f"{url}/asset-groups")
    expect(page.get_by_role("button", name="Materialize all")).to_be_visible()
    expect(page.locator("foreignObject")).not_to_have_count(0)
    page.keyboard.press("Alt+e")  # the UI's shortcut that opens all groups
    expect(page.locator("foreignObject").get_by_text("% filled").first).to_be_visible()
    page.wait_for_timeout(2_000)  # the graph moves into place
    page.screenshot(path=file, clip=bounding_box(page.locator("foreignObject").all()))
    return file


def bounding_box(parts: Sequence[Locator]) -> FloatRect:
    """Return the rectangle around all parts, in pixels of the window."""
    boxes = [box for part in parts if (box := part.bounding_box())]
    left, top = min(box["x"] for box in boxes) - MARGIN, min(box["y"] for box in boxes) - MARGIN
    right = max(box["x"] + box["width"] for box in boxes) + MARGIN
    bottom = max(box["y"] + box["height"] for box in boxes) + MARGIN
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


def take(folder: Path) -> list[Path]:
    """Run the main job in a new project, serve its UI and take all pictures into the folder."""
    with tempfile.TemporaryDirectory() as temporary:
        project = checkout(Path(temporary) / "project")
        project.execute("full_refresh")
        with (
            serve_ui(project, "dagster", "dev", "-w", "workspace.yaml") as url,
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"]) as browser,
        ):
            page = browser.new_page(viewport=WINDOW, color_scheme="light")
            page.set_default_timeout(TIMEOUT_MS)
            return [asset_graph(page, url, folder)]


if __name__ == "__main__":
    expect.set_options(timeout=TIMEOUT_MS)
    for taken in take(IMAGES):
        print(taken.relative_to(ROOT), f"{taken.stat().st_size:,} bytes")
