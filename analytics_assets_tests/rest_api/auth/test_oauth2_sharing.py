"""Threads and processes share one token and refresh it once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

from analytics_assets.rest_api.auth.authenticator import build_authenticator
from analytics_assets.rest_api.auth.token_store import build_token_store
from analytics_assets.rest_api.auth.tokens import TokenResponse
from analytics_assets.rest_api.state.store import choose_state_store
from analytics_assets_tests.support.auth import resolve_credentials
from analytics_assets_tests.support.clock import Clock
from analytics_assets_tests.support.token_server import (
    EVERY_STORE,
    REFRESH_TOKEN,
    ROTATING,
    TokenServer,
    access_token,
    authenticator,
    refresh,
)


@EVERY_STORE
def test_threads_share_one_token_and_one_refresh(server: TokenServer, tmp_path: Path) -> None:
    signer = authenticator(tmp_path, server.environ, ROTATING)
    together = threading.Barrier(16)

    def work(_: int) -> tuple[str, bool, str]:
        together.wait(timeout=60)
        used = signer.sign({}, {})
        together.wait(timeout=60)
        return used, signer.refresh(used), access_token(signer)

    with ThreadPoolExecutor(16) as pool:
        results = set(pool.map(work, range(16)))
    assert len(results) == 1
    assert results.pop()[1:] == (True, "acc3ss-2")
    assert (server.issued, server.reused) == (2, [])


@EVERY_STORE
def test_one_token_request_per_lifetime_for_all_authenticators(server: TokenServer, tmp_path: Path) -> None:
    clock = Clock()
    signers = [authenticator(tmp_path, server.environ, clock=clock) for _ in range(4)]
    assert {access_token(signer) for signer in signers} == {"acc3ss-1"}
    clock.now += 3600
    assert {access_token(signer) for signer in signers} == {"acc3ss-2"}
    later = authenticator(tmp_path, server.environ, clock=clock)
    assert access_token(later) == "acc3ss-2"
    assert "acc3ss-2" in later.secret_values()


@EVERY_STORE
def test_401_uses_a_newer_stored_token_before_it_refreshes(server: TokenServer, tmp_path: Path) -> None:
    first, second = (authenticator(tmp_path, server.environ, ROTATING) for _ in range(2))
    assert access_token(first) == access_token(second) == "acc3ss-1"
    assert refresh(second)
    assert refresh(first)
    assert access_token(first) == access_token(second) == "acc3ss-2"
    assert server.issued == 2


def test_refresh_is_false_if_the_endpoint_issues_the_same_token_again(server: TokenServer, tmp_path: Path) -> None:
    signer = authenticator(tmp_path, server.environ)
    server.prepared.extend([(200, {"access_token": "acc3ss-same"})] * 2)
    assert refresh(signer) is False
    assert "API_CLIENT_ID, API_CLIENT_SECRET, API_TOKEN_URL" in signer.rejection_hint(401)
    assert "API_CLIENT_ID, API_CLIENT_SECRET, API_TOKEN_URL: the credentials may lack" in signer.rejection_hint(403)


@EVERY_STORE
def test_changed_scope_requests_a_token_with_the_newest_refresh_token(server: TokenServer, tmp_path: Path) -> None:
    assert access_token(authenticator(tmp_path, server.environ, ROTATING)) == "acc3ss-1"
    wider = authenticator(tmp_path, server.environ, {**ROTATING, "scope": "all"})
    assert access_token(wider) == "acc3ss-2"
    assert server.requests[-1][0]["refresh_token"] == f"{REFRESH_TOKEN}-1"


@EVERY_STORE
def test_another_token_url_has_its_own_token(server: TokenServer, tmp_path: Path) -> None:
    assert access_token(authenticator(tmp_path, server.environ)) == "acc3ss-1"
    url = server.environ["API_TOKEN_URL"] + "?tenant=2"
    assert access_token(authenticator(tmp_path, {**server.environ, "API_TOKEN_URL": url})) == "acc3ss-2"


BARRIER: Barrier  # of the processes below


def refresh_repeatedly(state: str, environ: dict[str, str], rounds: int) -> list[str]:
    """In each round, the tokens of all processes are rejected at the same time."""
    signer = authenticator(Path(state), environ, ROTATING)
    tokens = []
    for _ in range(rounds):
        used = signer.sign({}, {})
        BARRIER.wait(timeout=120)
        assert signer.refresh(used)
        BARRIER.wait(timeout=120)
        tokens.append(access_token(signer))
    return tokens


def set_barrier(barrier: Barrier) -> None:
    global BARRIER
    BARRIER = barrier


@EVERY_STORE
def test_processes_refresh_concurrently_and_use_each_refresh_token_once(server: TokenServer, tmp_path: Path) -> None:
    processes, rounds = 8, 5
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, set_barrier, (context.Barrier(processes),)) as pool:
        work = [pool.submit(refresh_repeatedly, str(tmp_path), server.environ, rounds) for _ in range(processes)]
        results = {tuple(future.result(timeout=300)) for future in work}
    assert results == {tuple(f"acc3ss-{number + 2}" for number in range(rounds))}
    assert (server.issued, server.reused) == (rounds + 1, [])


def die_while_refreshing(state: str, environ: dict[str, str]) -> None:
    """Kills its process, which holds the lock, before the refresh token is sent."""

    def die(*_: object) -> TokenResponse:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    credentials = resolve_credentials(ROTATING, environ)
    store = build_token_store(choose_state_store(environ, Path(state)))
    an_hour_later = Clock(now=time.time() + 3600)
    build_authenticator(credentials, store=store, send=die, clock=an_hour_later.time).sign({}, {})


@EVERY_STORE
def test_killed_refresh_releases_the_lock_and_keeps_the_token(server: TokenServer, tmp_path: Path) -> None:
    signer = authenticator(tmp_path, server.environ, ROTATING)
    assert refresh(signer)
    clock = Clock()
    clock.now += 3600
    process = multiprocessing.get_context("spawn").Process(
        target=die_while_refreshing, args=(str(tmp_path), server.environ)
    )
    process.start()
    process.join(timeout=120)
    assert process.exitcode == -signal.SIGKILL
    assert access_token(authenticator(tmp_path, server.environ, ROTATING, clock=clock)) == "acc3ss-3"
    assert server.reused == []


def refresh_until_interrupted(state: str, environ: dict[str, str], interrupted: Event) -> None:
    def interrupt(*_: object) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    authenticator(Path(state), environ, ROTATING).sign({}, {})


@EVERY_STORE
def test_interrupted_refresh_stores_the_token_first(server: TokenServer, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    interrupted = context.Event()
    arguments = (str(tmp_path), server.environ, interrupted)
    server.may_respond.clear()
    process = context.Process(target=refresh_until_interrupted, args=arguments)
    process.start()
    assert server.requested.wait(timeout=60)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    assert interrupted.wait(timeout=60)
    server.may_respond.set()
    process.join(timeout=60)
    assert process.exitcode == 1
    assert access_token(authenticator(tmp_path, server.environ, ROTATING)) == "acc3ss-1"
