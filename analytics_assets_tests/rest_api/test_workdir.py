"""Working folders are removed: at the end, or after their process was killed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets.rest_api.workdir import temporary_workdir
from analytics_assets_tests.support.project import ROOT


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder, for this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_workdir_is_private_and_removed_at_the_end(temporary: Path) -> None:
    with temporary_workdir() as folder:
        (folder / "file").write_text("x")
        assert folder.stat().st_mode & 0o777 == 0o700
        with temporary_workdir() as other:
            assert other != folder
        assert (folder / "file").exists(), "a folder in use is not removed by another load"
    assert list(temporary.iterdir()) == []


DIE = """
import os, signal
from analytics_assets.rest_api.workdir import temporary_workdir
with temporary_workdir() as folder:
    (folder / "file").write_text("x")
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workdir_of_a_killed_process_is_removed_by_the_next_load(temporary: Path) -> None:
    environ = {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    done = subprocess.run([sys.executable, "-c", DIE], env=environ, capture_output=True, text=True, check=False)
    left = Path(done.stdout.strip())
    assert (left / "file").exists()
    with temporary_workdir():
        assert not left.exists()
    assert list(temporary.iterdir()) == []


def test_unusable_temporary_folder_names_tmpdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with (
        pytest.raises(WarehouseError, match=r"cannot create a working folder .*File exists.* Set TMPDIR"),
        temporary_workdir(),
    ):
        pass
