"""Refresh tokens that rotate: each is used once, and none is lost without an error that says what to do."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.errors import CredentialsError, ResponseError, TokenStoreError
from analytics_assets_tests.support.clock import Clock
from analytics_assets_tests.support.token_server import (
    CLIENT_SECRET,
    EVERY_STORE,
    REFRESH_TOKEN,
    ROTATING,
    TokenServer,
    access_token,
    assert_no_secret,
    authenticator,
    refresh,
)


@EVERY_STORE
def test_short_lived_tokens_rotate_without_reuse(server: TokenServer, tmp_path: Path) -> None:
    server.token_fields = {"expires_in": 1}
    clock = Clock()
    signer = authenticator(tmp_path, server.environ, ROTATING, clock=clock)
    tokens = []
    for _ in range(50):
        tokens.append(access_token(signer))
        clock.now += 0.5
    assert tokens == [f"acc3ss-{number // 2 + 1}" for number in range(50)]
    assert server.reused == []
    assert {"acc3ss-25", f"{REFRESH_TOKEN}-25", REFRESH_TOKEN} <= signer.secret_values()


@EVERY_STORE
def test_response_without_a_refresh_token_keeps_the_current_one(server: TokenServer, tmp_path: Path) -> None:
    signer = authenticator(tmp_path, server.environ, ROTATING)
    server.prepared.extend([(200, {"access_token": "a"}), (200, {"access_token": "b", "refresh_token": None})])
    assert refresh(signer)
    assert [fields["refresh_token"] for fields, _ in server.requests] == [REFRESH_TOKEN] * 2


@EVERY_STORE
def test_newly_configured_refresh_token_replaces_the_stored_one(server: TokenServer, tmp_path: Path) -> None:
    server.families["n3w"] = ["n3w"]
    assert refresh(authenticator(tmp_path, server.environ, ROTATING))
    assert refresh(authenticator(tmp_path, {**server.environ, "API_REFRESH_TOKEN": "n3w"}, ROTATING))
    sent = [fields["refresh_token"] for fields, _ in server.requests]
    assert sent == [REFRESH_TOKEN, f"{REFRESH_TOKEN}-1", "n3w", "n3w-1"]


def test_token_files_are_private_and_their_names_contain_no_secret(server: TokenServer, tmp_path: Path) -> None:
    access_token(authenticator(tmp_path, server.environ, ROTATING))
    (stored,) = (tmp_path / "tokens").glob("*.json")
    assert stored.stat().st_mode & 0o777 == 0o600
    assert {"acc3ss-1", f"{REFRESH_TOKEN}-1"} <= set(json.loads(stored.read_text()).values())
    assert_no_secret(*tmp_path.rglob("*"))
    assert CLIENT_SECRET not in stored.read_text()


def test_rejected_refresh_token_needs_a_new_authorization(server: TokenServer, tmp_path: Path) -> None:
    server.families.clear()
    with pytest.raises(CredentialsError, match=r"new authorization is needed.*set API_REFRESH_TOKEN to the") as caught:
        access_token(authenticator(tmp_path, server.environ, ROTATING))
    assert_no_secret(caught.value)


@EVERY_STORE
@pytest.mark.parametrize("response", [(0, None), (502, b"<html>"), (200, b'{"access_token": "acc3ss-1", "refr')])
def test_lost_response_may_have_used_up_the_refresh_token(
    response: tuple[int, Any], server: TokenServer, tmp_path: Path
) -> None:
    signer = authenticator(tmp_path, server.environ, ROTATING)
    server.prepared.append(response)
    with pytest.raises(ResponseError, match=r"may have used up the refresh token.*set API_REFRESH_TOKEN") as caught:
        access_token(signer)
    assert_no_secret(caught.value)
    with pytest.raises(CredentialsError, match="new authorization is needed"):
        access_token(signer)
    server.families["n3w"] = ["n3w"]
    assert access_token(authenticator(tmp_path, {**server.environ, "API_REFRESH_TOKEN": "n3w"}, ROTATING))


def test_refresh_token_is_not_sent_if_the_folder_is_unusable(server: TokenServer, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_text("a file in the way")
    with pytest.raises(TokenStoreError, match="ANALYTICS_STATE_DIR"):
        access_token(authenticator(state, server.environ, ROTATING))
    assert server.requests == []
    state.unlink()
    assert access_token(authenticator(state, server.environ, ROTATING)) == "acc3ss-1"


def test_refresh_token_is_not_sent_if_the_database_is_unreachable(server: TokenServer, tmp_path: Path) -> None:
    environ = {**server.environ, "ANALYTICS_TOKEN_STORE": "postgresql://me:s3cret@127.0.0.1:1/db"}
    with pytest.raises(TokenStoreError, match="ANALYTICS_TOKEN_STORE names: no server listens") as caught:
        access_token(authenticator(tmp_path, environ, ROTATING))
    assert server.requests == []
    assert "s3cret" not in str(caught.value)


def test_token_that_could_not_be_stored_needs_a_new_authorization(
    server: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is removed while the endpoint responds."""
    signer = authenticator(tmp_path / "state", server.environ, ROTATING)

    def issue_and_remove(fields: dict[str, str], authorization: str | None) -> tuple[int, dict[str, Any]]:
        shutil.rmtree(tmp_path / "state")
        return issue(fields, authorization)

    issue = server.issue
    monkeypatch.setattr(server, "issue", issue_and_remove)
    with pytest.raises(TokenStoreError, match=r"is lost: authorize again.*set API_REFRESH_TOKEN") as caught:
        access_token(signer)
    assert_no_secret(caught.value)


def test_refresh_token_is_not_sent_if_the_disk_is_full(server: TokenServer, tmp_path: Path) -> None:
    """Simulated by a limit on file sizes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signer = authenticator(tmp_path, server.environ, ROTATING)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(TokenStoreError, match="File too large"):
            access_token(signer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert server.requests == []
    assert access_token(signer) == "acc3ss-1"


def test_client_credentials_work_without_a_token_store(
    server: TokenServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"
    state.write_text("a file in the way")
    signer = authenticator(state, server.environ)
    used = signer.sign({}, {})
    assert [access_token(signer), signer.refresh(used), signer.refresh(used), access_token(signer)] == [
        "acc3ss-1",
        True,
        True,
        "acc3ss-2",
    ]
    assert "ANALYTICS_STATE_DIR" in caplog.text
    assert_no_secret(caplog.text)
