"""The commands of docs/add-your-api.md lead from nothing to a table of another project's API."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from analytics_assets_tests.docs.markdown import blocks
from analytics_assets_tests.rest_api.test_datasette import address
from analytics_assets_tests.support.project import BIN, ROOT, Project, checkout
from analytics_assets_tests.support.requirements import require_or_skip

pytestmark = pytest.mark.e2e

PAGE = ROOT / "docs" / "add-your-api.md"
PORT = "8001"


@pytest.fixture
def port() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return str(unused.getsockname()[1])


@pytest.fixture
def clone(tmp_path: Path) -> Project:
    """Return a checkout of the project, whose own packages are imported."""
    require_or_skip((BIN / "analytics-assets").exists(), "the command analytics-assets: install the project again")
    project = checkout(tmp_path / "project")
    project.env["PYTHONPATH"] = str(project.folder)
    return project


@pytest.fixture
def commands(clone: Project, port: str) -> Iterator[list[str]]:
    """Yield the commands after the first two: these create the data and serve it."""
    written = [line[2:].replace(PORT, port) for block in blocks("console", PAGE) for line in block.text.splitlines()]
    create, serve, *others = written
    clone.run("bash", "-ec", create)
    with subprocess.Popen(
        ["bash", "-c", f"exec {serve}"], cwd=clone.folder, env=clone.env, stderr=subprocess.PIPE, text=True
    ) as server:
        address(server)
        yield others
        server.terminate()


def test_commands_lead_to_the_table(clone: Project, commands: list[str], port: str) -> None:
    guessed, correction, right = (block.text for block in blocks("yaml", PAGE))
    file = clone.folder / "analytics_assets" / "defs" / "library" / "defs.yaml"
    scaffold, probe, *others = commands
    clone.run("bash", "-ec", scaffold)
    assert file.exists()
    file.write_text(guessed.replace(PORT, port))
    printed = clone.run("bash", "-ec", probe, ok=False)
    assert yaml.safe_load(proposal(printed)) == yaml.safe_load(correction)
    file.write_text(right.replace(PORT, port))
    outputs = [clone.run("bash", "-ec", command) for command in others]
    assert "problem" not in outputs[1]
    assert "library/books: 3 of the 100 rows of the first page" in outputs[2]
    assert "library/books: 250 rows loaded" in outputs[3]
    [(count, first, last)] = clone.query("SELECT count(*), min(added)::TEXT, max(added)::TEXT FROM library.books")
    assert (count, first, last) == (250, "2026-10-01", "2026-10-28")


def proposal(printed: str) -> str:
    """Return the YAML of the only proposal."""
    found = re.search(r"proposal[^\n]*:\n(.*?)\n  requests ", printed, re.DOTALL)
    assert found, printed
    return found[1]
