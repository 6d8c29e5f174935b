"""The documents' pictures can be taken again, whatever the UI looks like today."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest
from playwright.sync_api import expect

from analytics_assets_tests.docs import pictures
from analytics_assets_tests.support.requirements import require_or_skip

pytestmark = pytest.mark.e2e


def test_pictures_can_be_taken_again(tmp_path: Path) -> None:
    require_or_skip(shutil.which("chromium") is not None, "chromium")
    expect.set_options(timeout=pictures.TIMEOUT_MS)
    taken = pictures.take(tmp_path)
    assert {file.name for file in taken} == {file.name for file in pictures.IMAGES.glob("*.png")}
    assert {png_width(file) for file in taken} == {pictures.WIDTH}
    assert sum(file.stat().st_size for file in taken) <= pictures.MAX_BYTES


def png_width(file: Path) -> int:
    width: int = struct.unpack(">I", file.read_bytes()[16:20])[0]
    return width
