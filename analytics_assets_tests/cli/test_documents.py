"""The commands in docs/command-line.md print what the page shows."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from analytics_assets.cli.commands import main
from analytics_assets_tests.cli.conftest import DEFS, Folder
from analytics_assets_tests.docs.markdown import Block, blocks
from analytics_assets_tests.fake_api import FakeServer
from analytics_assets_tests.support.project import ROOT

PAGE = ROOT / "docs" / "command-line.md"
MASKS = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"\b\d+(\.\d+)? (ms|s|min)\b", "TIME"),
    (r"(about|less than) TIME", "about TIME"),
    (r"run [0-9a-f-]{36}", "run ID"),
    (r"is in \S+", "is in FOLDER"),
)
BLOCKS = blocks("console", PAGE)
LOADS = [block for block in BLOCKS if block.text.startswith("$ analytics-assets load ")]


def masked(text: str) -> list[str]:
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def test_the_page_shows_the_file_of_the_examples() -> None:
    assert DEFS.strip() in [block.text for block in blocks("yaml", PAGE)]


@pytest.mark.parametrize("block", [block for block in BLOCKS if block not in LOADS], ids=str)
def test_commands_print_what_is_shown(block: Block, folder: Folder, payroll: FakeServer) -> None:
    command, _, shown = block.text.partition("\n")
    printed = CliRunner().invoke(main, command.removeprefix("$ analytics-assets ").split()).output
    assert masked(printed) == masked(shown)


@pytest.mark.e2e
def test_load_prints_what_is_shown(folder: Folder, payroll: FakeServer) -> None:
    [block] = LOADS
    command, _, shown = block.text.partition("\n")
    arguments = command.removeprefix("$ analytics-assets ").split()
    done = subprocess.run(
        [sys.executable, "-m", "analytics_assets", *arguments],
        cwd=folder.path,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert masked(done.stdout) == masked(shown)
