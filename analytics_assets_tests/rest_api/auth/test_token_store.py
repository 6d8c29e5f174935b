"""Tokens in either store: found again, whole, one writer at a time, and never in the way when they are broken."""

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
from analytics_assets.rest_api.auth.token_store import Token, TokenStore, TokenStoreError, fingerprint
from analytics_assets_tests.conftest import ROOT
from analytics_assets_tests.rest_api.conftest import Postgres

TOKEN = Token("access-1", "refresh-1", issued_at=1000.0, expires_at=4600.0, request="of-this-scope")
NAME = "0" * 64


def test_a_fingerprint_changes_with_each_part_and_shows_none() -> None:
    parts = ("recruiting", "https://auth.example.com", "me", "first")
    variations = [parts, *((*parts[:at], "other", *parts[at + 1 :]) for at in range(4))]
    names = [fingerprint(api=a, token_url=b, client_id=c, refresh_token=d) for a, b, c, d in variations]
    names.append(fingerprint(api=parts[0], token_url=parts[1], client_id=parts[2], refresh_token=None))
    assert len(set(names)) == 6
    assert all(set(name) <= set("0123456789abcdef") for name in names)


@pytest.mark.parametrize(
    ("life", "usable_until"),
    [(3600, 3570), (300, 270), (60, 54), (1, 0.9)],
)
def test_leeway_is_a_small_part_of_short_lives(life: float, usable_until: float) -> None:
    token = replace(TOKEN, issued_at=0.0, expires_at=float(life))
    assert token.is_fresh(usable_until - 0.01)
    assert not token.is_fresh(usable_until + 0.01)


# What every store does


class Kept(Protocol):
    """A store as these tests use it: opened anew, as by another process, and with something put into it."""

    def open(self, *, lock_seconds: float = 60.0) -> TokenStore: ...
    def put(self, content: str) -> None: ...


@dataclass
class InFolder:
    folder: Path

    def open(self, *, lock_seconds: float = 60.0) -> TokenStore:
        return FileTokenStore(self.folder, lock_seconds=lock_seconds)

    def put(self, content: str) -> None:
        (self.folder / "tokens" / f"{NAME}.json").write_text(content)


@dataclass
class InTable:
    postgres: Postgres
    credentials: str

    def open(self, *, lock_seconds: float = 60.0) -> TokenStore:
        return PostgresTokenStore(self.credentials, variable="TOKENS", lock_seconds=lock_seconds)

    def put(self, content: str) -> None:
        self.postgres.query(f"UPDATE tokens.analytics_assets_tokens SET token = '{content}'")


@pytest.fixture(params=["folder", "table"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    if request.param == "folder":
        return InFolder(tmp_path)
    return InTable(request.getfixturevalue("postgres"), request.getfixturevalue("token_database"))


def test_a_token_is_found_by_whoever_comes_next(kept: Kept) -> None:
    second = replace(TOKEN, access_token="access-2", refresh_token=None)
    with kept.open().locked(NAME) as place:
        assert place.read() is None
        place.reserve()
        assert place.read() is None
        place.write(TOKEN)
        assert place.read() == TOKEN
    with kept.open().locked(NAME) as place:
        assert place.read() == TOKEN
        place.reserve()
        place.write(second)
    with kept.open().locked(NAME) as place:
        assert place.read() == second
    with kept.open().locked("1" * 64) as place:
        assert place.read() is None


def test_what_was_not_written_leaves_the_token_as_it_was(kept: Kept) -> None:
    with kept.open().locked(NAME) as place:
        place.write(TOKEN)
    with kept.open().locked(NAME) as place:
        place.reserve()
    with kept.open().locked(NAME) as place:
        assert place.read() == TOKEN


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
def test_what_is_no_token_counts_as_none_with_a_warning(
    content: str, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    with kept.open().locked(NAME) as place:
        place.write(TOKEN)
    kept.put(content)
    with kept.open().locked(NAME) as place:
        assert place.read() is None
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "s3cret" not in caplog.text
        place.write(TOKEN)
    with kept.open().locked(NAME) as place:
        assert place.read() == TOKEN


HOLD = """
import pickle, sys, time
with pickle.loads(bytes.fromhex(sys.argv[1])).locked(sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_keeps_other_processes_out_and_dies_with_its_holder(kept: Kept) -> None:
    impatient = kept.open(lock_seconds=0.001)
    with kept.open().locked(NAME) as place:
        place.write(TOKEN)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, pickle.dumps(kept.open()).hex(), NAME],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(TokenStoreError, match=r"another process .*look for a run that hangs"),
            impatient.locked(NAME),
        ):
            pass
        with impatient.locked("1" * 64):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with kept.open().locked(NAME) as place:
        assert place.read() == TOKEN
