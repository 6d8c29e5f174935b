"""The commands in the documents run, and print what the documents show."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics_assets_tests.docs.markdown import DOCUMENTS, README, blocks, section
from analytics_assets_tests.e2e.test_ui import DAGSTER_DEV
from analytics_assets_tests.support.project import ROOT, Project, checkout
from analytics_assets_tests.support.requirements import require_or_skip

pytestmark = pytest.mark.e2e

INSTALL = "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt -e '.[test]'"
MAIN_JOB = 'DAGSTER_HOME="$PWD/.dagster" .venv/bin/dagster job execute -m analytics_assets.definitions -j full_refresh'
SETUP = 'source .venv/bin/activate && export DAGSTER_HOME="$PWD/.dagster"\n'
# Commands that this module does not run as they are, and why.
NOT_RUN = {
    INSTALL: "it installs into the environment of the tests: `.ci/run` runs it",
    f"{INSTALL} && {MAIN_JOB}": "its second half is run",
    " ".join(DAGSTER_DEV): "it is served by test_ui.py",
    ".venv/bin/pytest": "it would run itself",
    "pytest": "it would run itself",
    "dg scaffold defs analytics_assets.components.RestApi shop --spec openapi.json": "test_tooling.py runs it",
    "pytest -m e2e": "it would run itself",
    "pytest -m soak": "it takes hours",
    "ruff check . && ruff format --check .": "`.ci/run` runs it",
    "mypy": "`.ci/run` runs it",
    "lint-imports": "`.ci/run` runs it",
    "python -m analytics_assets.sandbox --port 8900": "it serves until it is stopped: test_examples.py serves the API",
    "dagster job execute -m analytics_assets.definitions -j helpdesk_full_refresh": "test_examples.py runs it",
}
BENCHMARKS = "python -m analytics_assets_tests.benchmarks"  # minutes: test_benchmarks.py runs them in small


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a clone after the install command; `.venv` is the environment of the tests."""
    require_or_skip((Path(sys.prefix) / "bin" / "activate").exists(), "a virtual environment to run the tests in")
    project = checkout(tmp_path_factory.mktemp("documents") / "project")
    (project.folder / ".venv").symlink_to(sys.prefix)
    return project


@pytest.fixture(scope="module")
def done() -> set[str]:
    """Return the commands that have run: each one runs once, in the first document that has it."""
    return set(NOT_RUN)


def commands(document: Path) -> Iterator[str]:
    for block in blocks("bash", document):
        yield from block.text.splitlines()


def test_the_quickstart_prints_what_is_shown(clone: Project) -> None:
    assert next(commands(README)) == f"{INSTALL} && {MAIN_JOB}"
    assert set(INSTALL.replace("-q", "--quiet --disable-pip-version-check").split(" && ")) <= set(
        (ROOT / ".ci" / "run").read_text().splitlines()
    )
    printed = [seconds_masked(line) for line in clone.run("bash", "-ec", MAIN_JOB).splitlines()]
    [shown] = blocks("", README)
    for line in shown.text.splitlines():
        assert any(text.endswith(seconds_masked(line)) for text in printed), printed


def seconds_masked(line: str) -> str:
    return re.sub(r"\d+\.\d s$", "SECONDS", line)


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if [*commands(path)]], ids=lambda path: path.name)
def test_commands_run(clone: Project, done: set[str], document: Path) -> None:
    todo = [line for line in commands(document) if line not in done and not line.startswith(BENCHMARKS)]
    clone.run("bash", "-exc", SETUP + "\n".join(todo))
    done.update(todo)


def test_the_shown_errors_are_printed(clone: Project) -> None:
    misspelled, partial = (block.text for block in blocks("", ROOT / "docs" / "errors.md"))
    half_set = {"RECRUITING_BASE_URL": "https://api.example.com", "RECRUITING_CLIENT_ID": "me"}
    assert partial in clone.execute("recruiting_full_refresh", env=half_set, ok=False)
    file = clone.folder / "analytics_assets" / "defs" / "recruiting" / "defs.yaml"
    text = file.read_text()
    file.write_text(text.replace("max_retries", "max_retrys"))
    try:
        assert misspelled in clone.execute("full_refresh", ok=False).replace(f"{clone.folder}/", "")
    finally:
        file.write_text(text)


def test_every_skipped_command_is_in_a_document() -> None:
    written = {line for document in DOCUMENTS for line in commands(document)}
    assert set(NOT_RUN) <= written
    assert all("soak" in line or "e2e" in line for line in written if line.startswith("pytest -m"))


def test_markers_are_the_registered_ones(pytestconfig: pytest.Config) -> None:
    registered = {line.partition(":")[0] for line in pytestconfig.getini("markers")}
    table = section(ROOT / "docs" / "contributing.md", "Check a change")
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) <= registered
