"""Packaging: dependencies and their pins, environment variables, the files of the wheel."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from analytics_assets.components.command_line.run_origin import LOCATION, MODULE
from analytics_assets.rest_api.auth.secret_reader import variables
from analytics_assets.rest_api.config import load_config
from analytics_assets_tests.support.project import ROOT, Project, checkout
from analytics_assets_tests.support.requirements import require_or_skip

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAME = "analytics_assets"
PACKAGE = ROOT / NAME
TESTS = ROOT / f"{NAME}_tests"
PEERS = TESTS / "benchmarks" / "peers"  # run in environments of their own
# Concatenated, so that this file does not match.
REGISTRIES = ["pypi" + ".org", "python" + "hosted", "/sim" + "ple/", "index" + "-url", "index" + "_url"]

WITHOUT_DAGSTER = """
import importlib, pkgutil, sys

class DagsterBlocker:
    def find_spec(self, name, path=None, target=None):
        assert name.split(".")[0] not in ("dagster", "dagster_dlt", "dagster_embedded_elt"), name

sys.meta_path.insert(0, DagsterBlocker())
import analytics_assets.rest_api as package
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
    print(module.name)
"""

LOAD_DEFINITIONS = """
import analytics_assets.definitions as module
print(module.__file__)
print(*sorted(key.to_user_string() for key in module.defs.resolve_asset_graph().materializable_asset_keys))
"""


def project_table() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins() -> list[Requirement]:
    return [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if line]


def declared() -> Iterator[Requirement]:
    """The requirements of the project and its extras, without those on the project itself."""
    project = project_table()["project"]
    for lines in (project["dependencies"], *project["optional-dependencies"].values()):
        yield from (requirement for requirement in map(Requirement, lines) if requirement.name != NAME)


def test_uv_and_pip_have_the_same_pins() -> None:
    uv_pins = project_table()["tool"]["uv"]["constraint-dependencies"]
    assert uv_pins == [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line]


def test_dagster_dg_and_runs_name_the_same_code_location() -> None:
    """Schedules that are started under one name are stopped under another, and runs do not appear."""
    [workspace] = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    project = project_table()["tool"]["dg"]["project"]
    assert workspace == {"python_module": {"module_name": MODULE, "location_name": LOCATION}}
    assert (project["code_location_target_module"], project["code_location_name"]) == (MODULE, LOCATION)


def test_every_pin_is_one_version() -> None:
    for pin in pins():
        assert [specifier.operator for specifier in pin.specifier] == ["=="], pin


def test_every_requirement_has_an_upper_bound_and_a_pin_within_it() -> None:
    for name in {requirement.name for requirement in declared()}:
        bounds = [requirement.specifier for requirement in declared() if requirement.name == name]
        assert any("<" in str(bound) for bound in bounds), f"{name} has no upper bound"
        versions = [
            next(iter(pin.specifier)).version
            for pin in pins()
            if canonicalize_name(pin.name) == canonicalize_name(name)
        ]
        assert versions, f"{name} is not pinned"
        assert all(version in bound for version in versions for bound in bounds), f"{name}: {versions}, {bounds}"


def test_every_imported_distribution_is_declared() -> None:
    """An undeclared distribution can disappear with the next version of the one that installs it."""
    declared_names = {canonicalize_name(requirement.name) for requirement in declared()}
    distributions = packages_distributions()
    undeclared = {
        (str(file.relative_to(ROOT)), module)
        for folder in (PACKAGE, TESTS)
        for file in folder.rglob("*.py")
        if not file.is_relative_to(PEERS)
        for module in imported_modules(file)
        if module not in (*sys.stdlib_module_names, PACKAGE.name, TESTS.name)
        and not declared_names & {canonicalize_name(name) for name in distributions.get(module, [module])}
    }
    assert undeclared == set()


def imported_modules(file: Path) -> Iterator[str]:
    """The top-level names of all modules that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_every_installed_dependency_is_pinned() -> None:
    pinned = {canonicalize_name(pin.name) for pin in pins() if pin.marker is None or pin.marker.evaluate()}
    required = set(dependencies(Requirement(f"{NAME}[test]"), seen=set()))
    assert required - pinned == {canonicalize_name(NAME)}


def dependencies(requirement: Requirement, *, seen: set[str]) -> Iterator[str]:
    """The names of a distribution and of its direct and indirect requirements in this environment."""
    if str(requirement) in seen:
        return
    seen.add(str(requirement))
    yield canonicalize_name(requirement.name)
    for line in requires(requirement.name) or []:
        dependency = Requirement(line)
        extras = [{"extra": extra} for extra in ("", *requirement.extras)]
        if dependency.marker is None or any(dependency.marker.evaluate(extra) for extra in extras):
            yield from dependencies(dependency, seen=seen)


def test_no_file_contains_the_address_of_a_registry() -> None:
    require_or_skip(shutil.which("git") is not None and (ROOT / ".git").exists(), "a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    assert ROOT / "pyproject.toml" in files
    texts = {file: file.read_bytes().decode(errors="replace").lower() for file in files if file.is_file()}
    assert [(file, registry) for file, text in texts.items() for registry in REGISTRIES if registry in text] == []


def test_example_environment_lists_exactly_the_variables_in_use() -> None:
    listed = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
    read = {
        name
        for file in PACKAGE.rglob("*.py")
        for name in re.findall(r"(?:ANALYTICS|CELERY)_[A-Z_]*[A-Z]", file.read_text())
    }
    named = {name for file in PACKAGE.glob("defs/*/defs.yaml") for name in variables(load_config(file))}
    assert sorted(listed) == sorted(read | named)


def test_rest_api_is_importable_without_dagster(project: Project) -> None:
    imported = project.run("python", "-c", WITHOUT_DAGSTER, env={"PYTHONPATH": str(ROOT)}).split()
    assert "analytics_assets.rest_api.load.table" in imported


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the package, built in a copy of the project because a build leaves files behind."""
    copy = checkout(tmp_path_factory.mktemp("wheel") / "project")
    copy.run("pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", ".")
    [built] = (copy.folder / "dist").glob("*.whl")
    return built


@pytest.mark.e2e
def test_wheel_contains_every_file_of_the_package(wheel: Path) -> None:
    contents = set(zipfile.ZipFile(wheel).namelist())
    files = [file for file in PACKAGE.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    assert {name for name in contents if ".dist-info/" not in name} == {str(file.relative_to(ROOT)) for file in files}
    assert {f"{NAME}/py.typed", f"{NAME}/defs/recruiting/defs.yaml", f"{NAME}/defs/treasury/defs.yaml"} <= contents


@pytest.mark.e2e
def test_definitions_load_from_the_wheel(wheel: Path, project: Project, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    [file, *keys] = project.run("python", "-c", LOAD_DEFINITIONS, env={"PYTHONPATH": str(site)}).split()
    assert Path(file) == site / NAME / "definitions.py"
    assert keys == ["recruiting/opportunities", "recruiting/users", "treasury/bank_accounts", "treasury/cash_drawers"]
