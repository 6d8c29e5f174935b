"""Refresh tokens that work once are never lost and never used twice, whenever a process is killed."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from analytics_assets.rest_api.errors import CredentialsError
from analytics_assets.rest_api.http.request import Request
from analytics_assets_tests.fake_api import FakeServer, serve
from analytics_assets_tests.harness.token_refresh_processes import (
    NEEDS_AUTHORIZATION,
    Killer,
    authenticated_client,
    die_at_line,
    refresh_repeatedly,
    rotating_server,
    token_families,
)
from analytics_assets_tests.support.processes import FORK_SERVER

NEW_AUTHORIZATION = (
    r"the token endpoint of shop \(127\.0\.0\.1\) returned 400 \(invalid_grant\): .* A new authorization is needed: "
    r"authorize again at the API, and set SHOP_REFRESH_TOKEN to the new refresh token\."
)


@pytest.fixture(params=["files", "postgres"])
def token_store(request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables of a token store: files by default, or PostgreSQL."""
    if request.param == "files":
        return {}
    return {"ANALYTICS_TOKEN_STORE": request.getfixturevalue("token_database")}


@pytest.fixture
def server() -> FakeServer:
    return rotating_server()


@pytest.fixture
def environ(server: FakeServer, token_store: Mapping[str, str]) -> Iterator[dict[str, str]]:
    with serve(server) as url:
        yield {**server.variables(url), **token_store}


def refresh_error(environ: Mapping[str, str], folder: Path) -> str:
    """The error of a load whose token is rejected, or "" if the refreshed token is accepted."""
    with authenticated_client(environ, folder) as (client, auth):
        try:
            assert auth.refresh(auth.sign({}, {}))
        except CredentialsError as error:
            return str(error)
        assert client.send(Request(client.url("rows"))).status == 200
        return ""


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.soak)])
def test_process_killed_at_any_line_of_a_refresh_loses_no_stored_token(
    step: int, server: FakeServer, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    was_stored: list[bool] = []
    exit_code = None
    while exit_code != 0:
        environ["SHOP_REFRESH_TOKEN"] = server.authorize("shop")
        server.requests.clear()
        process = FORK_SERVER.Process(target=die_at_line, args=(len(was_stored) * step + 1, environ, tmp_path))
        process.start()
        process.join(timeout=60)
        exit_code = process.exitcode
        assert exit_code in (0, -signal.SIGKILL)
        error = refresh_error(environ, tmp_path)
        was_stored.append(not error)
        [family] = token_families(server.requests).values()
        assert [request.status for request in family.requests] == ([200, 400] if error else [200, 200])
        assert len({request.token for request in family.requests}) == (1 if error else 2)
        if error:
            assert re.fullmatch(NEW_AUTHORIZATION, error)
            assert re.fullmatch(NEW_AUTHORIZATION, refresh_error(environ, tmp_path))
    # The token is stored from one line on: the one that replaces it in the store.
    assert was_stored == sorted(was_stored)
    assert was_stored[0] is False
    assert was_stored.count(True) > 1
    if step == 1:
        with capsys.disabled():
            print(
                f"\ntokens: killed at {len(was_stored) - 1} lines after the response, {was_stored.count(False)} "
                "of them before the token was stored; after that, none was lost and none was used twice"
            )


@pytest.mark.parametrize(("processes", "refreshes"), [(4, 40), pytest.param(20, 500, marks=pytest.mark.soak)])
def test_parallel_processes_that_are_killed_use_each_refresh_token_once(
    processes: int,
    refreshes: int,
    server: FakeServer,
    environ: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    killer, journal, stop = Killer(every=5), tmp_path / "journal", tmp_path / "stop"
    server.faults.add(killer.fault, path="/oauth/token", times=None)
    running: list[BaseProcess] = []
    authorizations = 1
    environ["SHOP_REFRESH_TOKEN"] = server.authorize("shop")
    while not stop.exists() or running:
        if sum(family.refreshes for family in token_families(server.requests).values()) >= refreshes:
            stop.touch()
        ended = [process for process in running if process.exitcode is not None]
        running = [process for process in running if process not in ended]
        exit_codes = {process.exitcode for process in ended}
        assert exit_codes <= {0, -signal.SIGKILL, NEEDS_AUTHORIZATION}
        assert all(process.pid in killer.killed for process in ended if process.exitcode == -signal.SIGKILL)
        if NEEDS_AUTHORIZATION in exit_codes:
            for process in running:  # the others fail as well, or are killed before that
                process.join(timeout=60)
                assert process.exitcode in (0, -signal.SIGKILL, NEEDS_AUTHORIZATION)
            running = []
            authorizations += 1
            environ["SHOP_REFRESH_TOKEN"] = server.authorize("shop")
        while not stop.exists() and len(running) < processes:
            arguments = (dict(environ), tmp_path / "state", journal, stop)
            running.append(FORK_SERVER.Process(target=refresh_repeatedly, args=arguments))
            running[-1].start()
        time.sleep(0.02)

    notes = [line.partition(" ")[::2] for line in journal.read_text().splitlines()]
    errors = {text for kind, text in notes if kind == "error"}
    stored = {text for kind, text in notes if kind == "stored"}
    families = token_families(server.requests)
    lost = 0
    for family in families.values():
        for request, following in pairwise(family.requests):
            if request.status == 200 and following.token == request.token:
                lost += 1
                assert request.process in killer.killed
                assert request.token not in stored
        accepted = [request.token for request in family.requests if request.status == 200]
        assert len(set(accepted)) == len(accepted)
    total = sum(family.refreshes for family in families.values())
    assert total >= refreshes
    assert 0 < lost < len(killer.killed)
    assert len(families) == lost + 1 or len(families) == lost
    assert len(families) <= authorizations <= lost + 1
    assert all(re.fullmatch(NEW_AUTHORIZATION, error) for error in errors)
    with capsys.disabled():
        print(
            f"\ntokens: {processes} processes, {total} refreshes, {len(killer.killed)} kills, of which {lost} lost "
            f"the response; {len(stored)} stored tokens, none of them lost or used twice"
        )
