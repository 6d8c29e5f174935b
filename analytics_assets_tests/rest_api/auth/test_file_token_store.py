"""Tokens in files: private, atomic, and clear errors about the folder."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from analytics_assets.rest_api.auth.file_token_store import FileTokenStore
from analytics_assets.rest_api.errors import CredentialsError, TokenStoreError
from analytics_assets_tests.rest_api.auth.test_token_store import NAME, TOKEN


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_token_files_are_private(tmp_path: Path) -> None:
    store = FileTokenStore(tmp_path / "state")
    with store.locked(NAME) as file:
        assert file.read() is None
        file.reserve()
        file.write(TOKEN)
        file.write(replace(TOKEN, access_token="access-2", refresh_token=None))
    with FileTokenStore(tmp_path / "state").locked(NAME) as file:
        assert file.read() == replace(TOKEN, access_token="access-2", refresh_token=None)
    assert mode(store.folder) == 0o700
    assert {path.name: mode(path) for path in store.folder.iterdir()} == {f"{NAME}.json": 0o600, f"{NAME}.lock": 0o600}


def test_folder_that_others_can_read_becomes_private(tmp_path: Path) -> None:
    store = FileTokenStore(tmp_path)
    store.folder.mkdir(mode=0o755)
    with store.locked(NAME):
        assert mode(store.folder) == 0o700


def test_file_left_by_a_crash_is_overwritten(tmp_path: Path) -> None:
    with FileTokenStore(tmp_path).locked(NAME) as file:
        leftover = file.path.with_suffix(".new")
        leftover.write_bytes(b"x" * 100_000)
        leftover.chmod(0o644)
        file.write(TOKEN)
        assert file.read() == TOKEN
        assert mode(file.path) == 0o600
        assert not leftover.exists()


def test_unusable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in the way")
    with (
        pytest.raises(TokenStoreError, match=r"state/tokens \(Not a directory\).*ANALYTICS_STATE_DIR"),
        FileTokenStore(tmp_path / "state").locked(NAME),
    ):
        pass


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    with FileTokenStore(tmp_path).locked(NAME) as file:
        file.path.mkdir()
        with pytest.raises(CredentialsError, match=r"\.json \(Is a directory\)"):
            file.read()
