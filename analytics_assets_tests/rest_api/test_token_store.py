"""Tokens on disk: private, whole, one writer at a time, and never in the way when they are broken."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from analytics_assets.rest_api.errors import CredentialsError
from analytics_assets.rest_api.token_store import Token, TokenStore, TokenStoreError, fingerprint, state_dir

TOKEN = Token("access-1", "refresh-1", issued_at=1000.0, expires_at=4600.0, request="of-this-scope")
NAME = "0" * 64


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"ANALYTICS_STATE_DIR": "/srv/state", "DAGSTER_HOME": "/srv/dagster"}, "/srv/state"),
        ({"ANALYTICS_STATE_DIR": "", "DAGSTER_HOME": "/srv/dagster"}, "/srv/.analytics_state"),
        ({"DAGSTER_HOME": "/srv/dagster/", "HOME": "/home/u"}, "/srv/.analytics_state"),
        ({"XDG_STATE_HOME": "/home/u/state", "HOME": "/home/u"}, "/home/u/state/analytics_assets"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/u"}, "/home/u/.local/state/analytics_assets"),
        ({"HOME": "/home/u"}, "/home/u/.local/state/analytics_assets"),
    ],
)
def test_state_dir(environ: dict[str, str], expected: str) -> None:
    assert state_dir(environ) == Path(expected)


def test_state_dir_without_home_is_found_or_named_in_an_error() -> None:
    code = (
        "from analytics_assets.rest_api.errors import CredentialsError\n"
        "from analytics_assets.rest_api.token_store import state_dir\n"
        "try: print(state_dir({}).is_absolute())\n"
        "except CredentialsError as error: print('ANALYTICS_STATE_DIR' in str(error))"
    )
    environ = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


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
    assert token.usable(usable_until - 0.01)
    assert not token.usable(usable_until + 0.01)


def test_a_token_is_kept_in_private(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "state")
    with store.locked(NAME) as file:
        assert file.read() is None
        file.reserve()
        file.write(TOKEN)
        file.write(replace(TOKEN, access_token="access-2", refresh_token=None))
    with TokenStore(tmp_path / "state").locked(NAME) as file:
        assert file.read() == replace(TOKEN, access_token="access-2", refresh_token=None)
    assert mode(store.folder) == 0o700
    assert {path.name: mode(path) for path in store.folder.iterdir()} == {f"{NAME}.json": 0o600, f"{NAME}.lock": 0o600}


def test_a_folder_that_others_can_read_is_closed(tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    store.folder.mkdir(mode=0o755)
    with store.locked(NAME):
        assert mode(store.folder) == 0o700


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"access_token": "acc',
        b"\xff\xfe",
        b"[]",
        b'"text"',
        b'{"token": "of another program"}',
        b'{"access_token": 7, "refresh_token": null, "issued_at": 1, "expires_at": 2, "request": "x"}',
        b"[" * 100_000,
        b"\0" * 16_384,
    ],
)
def test_what_is_no_token_counts_as_none_with_a_warning(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with TokenStore(tmp_path).locked(NAME) as file:
        file.path.write_bytes(content)
        assert file.read() is None
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert str(file.path) in caplog.text
        file.write(TOKEN)
        assert file.read() == TOKEN


def test_what_a_crash_left_is_overwritten(tmp_path: Path) -> None:
    with TokenStore(tmp_path).locked(NAME) as file:
        leftover = file.path.with_suffix(".new")
        leftover.write_bytes(b"x" * 100_000)
        leftover.chmod(0o644)
        file.write(TOKEN)
        assert file.read() == TOKEN
        assert mode(file.path) == 0o600
        assert not leftover.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in the way")
    with (
        pytest.raises(TokenStoreError, match=r"state/tokens \(Not a directory\).*ANALYTICS_STATE_DIR"),
        TokenStore(tmp_path / "state").locked(NAME),
    ):
        pass


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with TokenStore(tmp_path).locked(NAME) as file:
        file.path.mkdir()
        with pytest.raises(CredentialsError, match=r"\.json \(Is a directory\)"):
            file.read()


def test_a_lock_keeps_other_processes_out_and_dies_with_its_holder(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from analytics_assets.rest_api.token_store import TokenStore\n"
        "with TokenStore(Path(sys.argv[1])).locked(sys.argv[2]): print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), NAME],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        impatient = TokenStore(tmp_path, lock_timeout=0)
        with pytest.raises(TokenStoreError, match=r"another process .* still holds"), impatient.locked(NAME):
            pass
        with impatient.locked("1" * 64):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with impatient.locked(NAME) as file:
        assert file.read() is None
