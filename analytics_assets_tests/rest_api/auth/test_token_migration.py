"""Tokens move from files to PostgreSQL when the setting of the store changes: none is lost, none is used twice."""

from __future__ import annotations

import logging
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from analytics_assets.rest_api.auth.file_token_store import FileTokenStore
from analytics_assets.rest_api.auth.token_store import TokenStore, build_token_store
from analytics_assets.rest_api.errors import TokenStoreError
from analytics_assets.rest_api.state.store import StateStore
from analytics_assets_tests.rest_api.auth.test_token_store import NAME, TOKEN
from analytics_assets_tests.support.processes import FORK_SERVER
from analytics_assets_tests.support.token_server import ROTATING, TokenServer, access_token, authenticator, refresh

NEWER = replace(TOKEN, access_token="access-2", refresh_token="refresh-2", issued_at=2000.0)


@pytest.fixture
def table(token_database: str, tmp_path: Path) -> TokenStore:
    """The table, with files of tokens in the test's folder."""
    return build_token_store(StateStore(tmp_path, token_database, "TOKENS"))


def test_rotated_token_moves_from_its_file_to_the_table(
    server: TokenServer, token_database: str, tmp_path: Path
) -> None:
    before = authenticator(tmp_path, server.environ, ROTATING)
    assert refresh(before)
    environ = {**server.environ, "ANALYTICS_TOKEN_STORE": token_database}
    after = authenticator(tmp_path, environ, ROTATING)
    assert access_token(after) == "acc3ss-2"
    assert refresh(after)
    elsewhere = authenticator(tmp_path / "another machine", environ, ROTATING)
    assert access_token(elsewhere) == "acc3ss-3"
    assert server.reused == []
    assert not (tmp_path / "another machine").exists()
    assert not list((tmp_path / "tokens").glob("*.json"))


def test_process_that_still_uses_the_file_gets_an_error_and_sends_no_token(
    server: TokenServer, token_database: str, tmp_path: Path
) -> None:
    before = authenticator(tmp_path, server.environ, ROTATING)
    assert refresh(before)
    access_token(authenticator(tmp_path, {**server.environ, "ANALYTICS_TOKEN_STORE": token_database}, ROTATING))
    with pytest.raises(TokenStoreError, match=r"was moved to .* ANALYTICS_TOKEN_STORE names\. Set ANALYTICS_TOKEN"):
        refresh(before)
    assert (server.issued, server.reused) == (2, [])


def refresh_at_once(environ: dict[str, str], folder: Path, together: Barrier) -> None:
    signer = authenticator(folder, environ, ROTATING)
    together.wait(timeout=60)
    assert refresh(signer)


def test_processes_that_change_the_store_at_once_use_each_refresh_token_once(
    server: TokenServer, token_database: str, tmp_path: Path
) -> None:
    assert refresh(authenticator(tmp_path, server.environ, ROTATING))
    environ, together = {**server.environ, "ANALYTICS_TOKEN_STORE": token_database}, FORK_SERVER.Barrier(4)
    processes = [FORK_SERVER.Process(target=refresh_at_once, args=(environ, tmp_path, together)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert server.reused == []
    assert access_token(authenticator(tmp_path, environ, ROTATING)) == f"acc3ss-{server.issued}"


@pytest.mark.parametrize(
    ("in_table", "in_file"), [(None, TOKEN), (TOKEN, NEWER), (NEWER, TOKEN), (TOKEN, TOKEN)]
)  # fmt: skip
def test_newer_token_stays_if_a_process_was_killed_before_it_deleted_the_file(
    in_table: object, in_file: object, table: TokenStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    if in_table:
        with table.locked(NAME) as row:
            row.write(in_table)  # type: ignore[arg-type]
    with FileTokenStore(tmp_path).locked(NAME) as file:
        file.write(in_file)  # type: ignore[arg-type]
    (tmp_path / "tokens" / f"{NAME}.moved").write_text("TOKENS\n")
    with table.locked(NAME) as row:
        assert row.read() == (NEWER if NEWER in (in_table, in_file) else TOKEN)
    assert not FileTokenStore(tmp_path).contains(NAME)
    assert ("a token was moved" in caplog.text) == (in_table is None or in_file == NEWER != in_table)
    assert "refresh-" not in caplog.text


def test_corrupt_file_and_token_without_refresh_token_leave_no_mark(table: TokenStore, tmp_path: Path) -> None:
    files = FileTokenStore(tmp_path)
    with files.locked(NAME) as file:
        file.write(replace(TOKEN, refresh_token=None))
    with table.locked(NAME) as row:
        assert row.read() == replace(TOKEN, refresh_token=None)
    (tmp_path / "tokens" / f"{NAME}.json").write_text("corrupt")
    with table.locked(NAME) as row:
        assert row.read() == replace(TOKEN, refresh_token=None)
    with files.locked(NAME) as file:
        assert file.read() is None
