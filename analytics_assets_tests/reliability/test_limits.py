"""Full or read-only disks, limited file sizes, little memory: a clear error, and an unchanged table."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets_tests.fake_api import serve_endpoint
from analytics_assets_tests.harness.killed_loads import LoadRunner
from analytics_assets_tests.support.shop import Shop
from analytics_assets_tests.support.wide_rows import (
    ENDPOINT,
    FEW,
    MANY,
    count_and_versions,
    wide_endpoint,
    wide_rows,
)


@dataclass(frozen=True)
class Disk:
    """A small disk of the test's own."""

    folder: Path

    def fill(self) -> None:
        with (self.folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def free(self) -> None:
        (self.folder / "filler").unlink()

    def make_read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(self.folder)], check=True)

    def make_writable(self) -> None:
        subprocess.run(["mount", "-o", "remount,rw", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("this user cannot mount a small disk")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass(frozen=True, kw_only=True)
class DiskCase:
    """What is on the disk, what is wrong with it, and the pattern of the error message."""

    contents: Literal["warehouse", "temporary files", "state"]
    problem: Literal["full", "read-only"]
    error: str


DISK_CASES = [
    DiskCase(
        contents="warehouse",
        problem="full",
        error=r"loading shop\.rows failed with \w+: No space left on device\. The table was not changed",
    ),
    DiskCase(
        contents="temporary files",
        problem="full",
        error=r"No space left on device \(temporary files are in .*/disk; TMPDIR names another folder\)",
    ),
    DiskCase(
        contents="warehouse",
        problem="read-only",
        error=r"cannot open the DuckDB file .*/disk/w\.duckdb: .*Read-only file system",
    ),
    DiskCase(
        contents="temporary files",
        problem="read-only",
        error=r"cannot create a working folder for temporary files: Read-only file system\. Set TMPDIR",
    ),
    DiskCase(
        contents="state",
        problem="read-only",
        error=r"cannot keep locks in .*/disk/.*: Read-only file system\. Set ANALYTICS_STATE_DIR",
    ),
]


@pytest.mark.parametrize("case", DISK_CASES, ids=lambda case: f"{case.contents}, {case.problem}")
def test_disk_without_space_or_write_access_fails_the_load(
    shop: Shop, disk: Disk, monkeypatch: pytest.MonkeyPatch, case: DiskCase
) -> None:
    folders: dict[str, dict[str, Any]] = {
        "warehouse": {"duckdb_path": disk.folder / "w.duckdb"},
        "state": {"state_dir": disk.folder / "state"},
    }
    shop = replace(shop, warehouse=replace(shop.warehouse, **folders.get(case.contents, {})))
    if case.contents == "temporary files":
        monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
    with serve_endpoint(wide_endpoint()) as (server, url):
        shop.load(url, endpoint=ENDPOINT)
        server.set_rows("shop", "/rows", wide_rows(FEW, 1))
        if case.problem == "full":
            disk.fill()
        else:
            disk.make_read_only()
        with pytest.raises(WarehouseError, match=case.error) as caught:
            shop.load(url, endpoint=ENDPOINT)
        assert type(caught.value) is WarehouseError  # not a subclass that leads to a retry
        if case.problem == "full":
            disk.free()
        else:
            disk.make_writable()
        assert count_and_versions(shop) == (FEW, 0, 0)
        if case.contents == "temporary files":
            assert list(disk.folder.iterdir()) == []
        shop.load(url, endpoint=ENDPOINT)
    assert count_and_versions(shop) == (FEW, 1, 1)


def test_disk_that_fills_up_during_a_load_fails_the_load(shop: Shop, disk: Disk) -> None:
    small = replace(shop, warehouse=replace(shop.warehouse, duckdb_path=disk.folder / "w.duckdb"))
    with serve_endpoint(wide_endpoint()) as (server, url):
        small.load(url, endpoint=ENDPOINT)
        server.set_rows("shop", "/rows", wide_rows(MANY, 1))
        with pytest.raises(WarehouseError, match="No space left on device"):
            small.load(url, endpoint=ENDPOINT)
        assert count_and_versions(small) == (FEW, 0, 0)


def test_file_size_limit_fails_the_load(shop: Shop, tmp_path: Path) -> None:
    """The process's own limit (RLIMIT_FSIZE) acts like a full disk and needs no privileges."""
    runner = LoadRunner(tmp_path, {})
    with serve_endpoint(wide_endpoint()) as (server, url):
        request = shop.request(url, endpoint=ENDPOINT)
        assert runner.load(request).error == ""
        server.set_rows("shop", "/rows", wide_rows(MANY, 1))
        error = runner.load(request, max_file_size=1_000_000).error
        assert re.match(r"WarehouseError: loading shop\.rows failed with \w+: File too large", error)
        assert count_and_versions(shop) == (FEW, 0, 0)
        assert runner.load(request).error == ""
    assert count_and_versions(shop) == (MANY, 1, 1)
    assert list(runner.temporary_folder.iterdir()) == []


@pytest.mark.parametrize("setting", ["memory_limit", "max_memory"])
def test_too_little_memory_fails_the_load(shop: Shop, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_endpoint(wide_endpoint()) as (server, url):
        shop.load(url, endpoint=ENDPOINT)
        server.set_rows("shop", "/rows", wide_rows(MANY, 1))
        settings = {setting: "20MB", "max_temp_directory_size": "0KB", "threads": 1}
        with monkeypatch.context() as limited:
            limited.setenv("DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG", json.dumps(settings))
            with pytest.raises(WarehouseError, match=r"failed with OutOfMemoryException: .+ The table was not changed"):
                shop.load(url, endpoint=ENDPOINT)
        assert count_and_versions(shop) == (FEW, 0, 0)
        shop.load(url, endpoint=ENDPOINT)
    assert count_and_versions(shop) == (MANY, 1, 1)


def test_spill_files_of_killed_processes_are_deleted(shop: Shop) -> None:
    spilled = shop.warehouse.duckdb_path.with_name("warehouse.duckdb.tmp")
    spilled.mkdir()
    (spilled / "duckdb_temp_1_0_storage_DEFAULT-0.tmp").write_bytes(bytes(4096))
    with serve_endpoint(wide_endpoint()) as (_, url):
        shop.load(url, endpoint=ENDPOINT)
    assert not spilled.exists()
