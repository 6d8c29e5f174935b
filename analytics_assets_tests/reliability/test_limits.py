"""A disk that is full or read-only, files that may not grow, no memory to spare: a clear error, an unchanged table."""

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
from random import Random
from typing import Any

import pytest

from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets_tests.fake_api import CursorPagination, Endpoint, serve_endpoint
from analytics_assets_tests.harness.killed_loads import KeyPath
from analytics_assets_tests.support.shop import Shop

WALK = {"paginator": {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next", "limit": 1000}}
FEW = 100
MANY = 10_000


def rows(count: int, version: int) -> list[dict[str, Any]]:
    """Rows that do not compress: 800 bytes each."""
    chance = Random(version)
    return [{"id": n, "version": version, "text": chance.randbytes(400).hex()} for n in range(count)]


def endpoint() -> Endpoint:
    return Endpoint("/rows", rows(FEW, 0), pagination=CursorPagination(max_limit=1000))


def state(shop: Shop) -> tuple[Any, ...]:
    [found] = shop.query("SELECT COUNT(*), MIN(version), MAX(version) FROM shop.rows")
    return found


@dataclass(frozen=True)
class Disk:
    """A small disk of the test's own."""

    folder: Path

    def fill(self) -> None:
        with (self.folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def make_room(self) -> None:
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


@pytest.mark.parametrize(
    ("what", "problem", "said"),
    [
        (
            "warehouse",
            "full",
            r"loading shop\.rows failed with \w+: No space left on device\. The table was not changed",
        ),
        ("temp", "full", r"No space left on device \(temporary files are in .*/disk; TMPDIR names another folder\)"),
        ("warehouse", "read-only", r"cannot open the DuckDB file .*/disk/w\.duckdb: .*Read-only file system"),
        ("temp", "read-only", r"cannot make a working folder .*: Read-only file system\. Set TMPDIR to a folder"),
        ("state", "read-only", r"cannot keep locks in .*/disk/.*: Read-only file system\. Set ANALYTICS_STATE_DIR"),
    ],
)
def test_a_disk_that_cannot_be_written_to(
    shop: Shop, disk: Disk, monkeypatch: pytest.MonkeyPatch, what: str, problem: str, said: str
) -> None:
    break_it, mend_it = (disk.fill, disk.make_room) if problem == "full" else (disk.make_read_only, disk.make_writable)
    places: dict[str, dict[str, Any]] = {
        "warehouse": {"duckdb_path": disk.folder / "w.duckdb"},
        "state": {"state_dir": disk.folder / "state"},
    }
    shop = replace(shop, warehouse=replace(shop.warehouse, **places.get(what, {})))
    if what == "temp":
        monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
    with serve_endpoint(endpoint()) as (sandbox, url):
        shop.load(url, endpoint=WALK)
        sandbox.set_rows("shop", "/rows", rows(FEW, 1))
        break_it()
        with pytest.raises(WarehouseError, match=said) as caught:
            shop.load(url, endpoint=WALK)
        assert type(caught.value) is WarehouseError  # not one that is worth a retry
        mend_it()
        assert state(shop) == (FEW, 0, 0)
        if what == "temp":
            assert list(disk.folder.iterdir()) == []
        shop.load(url, endpoint=WALK)
    assert state(shop) == (FEW, 1, 1)


def test_a_disk_that_fills_up_while_rows_come(shop: Shop, disk: Disk) -> None:
    small = replace(shop, warehouse=replace(shop.warehouse, duckdb_path=disk.folder / "w.duckdb"))
    with serve_endpoint(endpoint()) as (sandbox, url):
        small.load(url, endpoint=WALK)
        sandbox.set_rows("shop", "/rows", rows(2 * MANY, 1))
        with pytest.raises(WarehouseError, match="No space left on device"):
            small.load(url, endpoint=WALK)
        assert state(small) == (FEW, 0, 0)


def test_files_that_may_not_grow(shop: Shop, tmp_path: Path) -> None:
    """Needs no rights: the process's own bound on the size of a file (RLIMIT_FSIZE) stands for a full disk."""
    place = KeyPath(tmp_path, {})
    with serve_endpoint(endpoint()) as (sandbox, url):
        request = shop.request(url, endpoint=WALK)
        assert place.load(request).error == ""
        sandbox.set_rows("shop", "/rows", rows(MANY, 1))
        error = place.load(request, largest_file=1_000_000).error
        assert re.match(r"WarehouseError: loading shop\.rows failed with \w+: File too large", error)
        assert state(shop) == (FEW, 0, 0)
        assert place.load(request).error == ""
    assert state(shop) == (MANY, 1, 1)
    assert list(place.temp.iterdir()) == []


@pytest.mark.parametrize("bound", ["memory_limit", "max_memory"])
def test_no_memory_to_spare(shop: Shop, bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_endpoint(endpoint()) as (sandbox, url):
        shop.load(url, endpoint=WALK)
        sandbox.set_rows("shop", "/rows", rows(MANY, 1))
        settings = {bound: "20MB", "max_temp_directory_size": "0KB", "threads": 1}
        with monkeypatch.context() as little:
            little.setenv("DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG", json.dumps(settings))
            with pytest.raises(WarehouseError, match=r"failed with OutOfMemoryException: .+ The table was not changed"):
                shop.load(url, endpoint=WALK)
        assert state(shop) == (FEW, 0, 0)
        shop.load(url, endpoint=WALK)
    assert state(shop) == (MANY, 1, 1)


def test_what_a_killed_process_spilled_is_removed(shop: Shop) -> None:
    spilled = shop.warehouse.duckdb_path.with_name("warehouse.duckdb.tmp")
    spilled.mkdir()
    (spilled / "duckdb_temp_1_0_storage_DEFAULT-0.tmp").write_bytes(bytes(4096))
    with serve_endpoint(endpoint()) as (_, url):
        shop.load(url, endpoint=WALK)
    assert not spilled.exists()
