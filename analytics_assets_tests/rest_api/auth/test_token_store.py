"""What both token stores do: store tokens durably, lock them for one process, and ignore corrupt ones."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import pytest

from analytics_assets.rest_api.auth.file_token_store import FileTokenStore
from analytics_assets.rest_api.auth.postgres_token_store import PostgresTokenStore
from analytics_assets.rest_api.auth.token_store import TokenStore
from analytics_assets.rest_api.auth.tokens import Token
from analytics_assets.rest_api.errors import TokenStoreError
from analytics_assets_tests.support.postgres import Postgres
from analytics_assets_tests.support.project import ROOT

TOKEN = Token("access-1", "refresh-1", issued_at=1000.0, expires_at=4600.0, request="of-this-scope")
NAME = "0" * 64


class StoreUnderTest(Protocol):
    """Opens the store as another process does, or puts a text into it."""

    def open(self, *, lock_seconds: float = 60.0) -> TokenStore: ...
    def put(self, content: str) -> None: ...


@dataclass
class FileStore:
    folder: Path

    def open(self, *, lock_seconds: float = 60.0) -> TokenStore:
        return FileTokenStore(self.folder, lock_seconds=lock_seconds)

    def put(self, content: str) -> None:
        (self.folder / "tokens" / f"{NAME}.json").write_text(content)


@dataclass
class PostgresStore:
    postgres: Postgres
    credentials: str

    def open(self, *, lock_seconds: float = 60.0) -> TokenStore:
        return PostgresTokenStore(self.credentials, variable="TOKENS", lock_seconds=lock_seconds)

    def put(self, content: str) -> None:
        self.postgres.query(f"UPDATE tokens.analytics_assets_tokens SET token = '{content}'")


@pytest.fixture(params=["folder", "table"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> StoreUnderTest:
    if request.param == "folder":
        return FileStore(tmp_path)
    return PostgresStore(request.getfixturevalue("postgres"), request.getfixturevalue("token_database"))


def test_stored_token_is_read_by_the_next_process(store: StoreUnderTest) -> None:
    second = replace(TOKEN, access_token="access-2", refresh_token=None)
    with store.open().locked(NAME) as locked:
        assert locked.read() is None
        locked.reserve()
        assert locked.read() is None
        locked.write(TOKEN)
        assert locked.read() == TOKEN
    with store.open().locked(NAME) as locked:
        assert locked.read() == TOKEN
        locked.reserve()
        locked.write(second)
    with store.open().locked(NAME) as locked:
        assert locked.read() == second
    with store.open().locked("1" * 64) as locked:
        assert locked.read() is None


def test_reserve_alone_does_not_change_the_token(store: StoreUnderTest) -> None:
    with store.open().locked(NAME) as locked:
        locked.write(TOKEN)
    with store.open().locked(NAME) as locked:
        locked.reserve()
    with store.open().locked(NAME) as locked:
        assert locked.read() == TOKEN


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"access_token": "s3cret',
        "[]",
        '"text"',
        '{"token": "s3cret of another program"}',
        '{"access_token": 7, "refresh_token": null, "issued_at": 1, "expires_at": 2, "request": "x"}',
        "[" * 100_000,
    ],
    ids=range(7),
)
def test_corrupt_token_is_ignored_with_a_warning(
    content: str, store: StoreUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    with store.open().locked(NAME) as locked:
        locked.write(TOKEN)
    store.put(content)
    with store.open().locked(NAME) as locked:
        assert locked.read() is None
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "s3cret" not in caplog.text
        locked.write(TOKEN)
    with store.open().locked(NAME) as locked:
        assert locked.read() == TOKEN


HOLD = """
import pickle, sys, time
with pickle.loads(bytes.fromhex(sys.argv[1])).locked(sys.argv[2]):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_lock_excludes_other_processes_and_ends_with_its_holder(store: StoreUnderTest) -> None:
    hurried = store.open(lock_seconds=0.001)
    with store.open().locked(NAME) as locked:
        locked.write(TOKEN)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, pickle.dumps(store.open()).hex(), NAME],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with (
            pytest.raises(TokenStoreError, match=r"another process .*(?i:look) for a run that hangs"),
            hurried.locked(NAME),
        ):
            pass
        with hurried.locked("1" * 64):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with store.open().locked(NAME) as locked:
        assert locked.read() == TOKEN
