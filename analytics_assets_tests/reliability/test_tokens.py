"""Refresh tokens that work once: never lost, never used twice, whatever moment a process dies at."""

from __future__ import annotations

import multiprocessing
import re
import signal
import time
from collections.abc import Iterator, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from analytics_assets.rest_api.errors import CredentialsError
from analytics_assets_tests.fake_api import FakeServer, serve
from analytics_assets_tests.harness.token_refresh_processes import (
    NEEDS_AUTHORIZATION,
    Killer,
    die_at,
    families,
    renew_again_and_again,
    shop,
    signing,
)

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["analytics_assets_tests.harness.token_refresh_processes"])
NEW_AUTHORIZATION = (
    r"the token endpoint of shop \(127\.0\.0\.1\) returned 400 \(invalid_grant\): .* A new authorization is needed: "
    r"authorize again at the API, and set SHOP_REFRESH_TOKEN to the new refresh token\."
)


@pytest.fixture(params=["folder", "table"])
def store(request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables that say where tokens are kept: in files by default, or in PostgreSQL."""
    if request.param == "folder":
        return {}
    return {"ANALYTICS_TOKEN_STORE": request.getfixturevalue("token_database")}


@pytest.fixture
def sandbox() -> FakeServer:
    return shop()


@pytest.fixture
def environ(sandbox: FakeServer, store: Mapping[str, str]) -> Iterator[dict[str, str]]:
    with serve(sandbox) as url:
        yield {**sandbox.variables(url), **store}


def renewed(environ: Mapping[str, str], folder: Path) -> str:
    """What a run says that finds its token refused: nothing if another one was had, and is accepted."""
    with signing(environ, folder) as (client, auth):
        try:
            assert auth.refresh(auth.sign({}, {}))
        except CredentialsError as error:
            return str(error)
        assert client.get(client.url("rows"), {}).status == 200
        return ""


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.soak)])
def test_killed_at_each_line_between_the_answer_and_the_end_of_the_renewal(
    step: int, sandbox: FakeServer, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept: list[bool] = []
    exit_code = None
    while exit_code != 0:
        environ["SHOP_REFRESH_TOKEN"] = sandbox.authorize("shop")
        sandbox.requests.clear()
        process = PROCESSES.Process(target=die_at, args=(len(kept) * step + 1, environ, tmp_path))
        process.start()
        process.join(timeout=60)
        exit_code = process.exitcode
        assert exit_code in (0, -signal.SIGKILL)
        said = renewed(environ, tmp_path)
        kept.append(not said)
        [family] = families(sandbox.requests).values()
        assert [status for _, status, _ in family.shown] == ([200, 400] if said else [200, 200])
        assert len({token for token, _, _ in family.shown}) == (1 if said else 2)
        if said:
            assert re.fullmatch(NEW_AUTHORIZATION, said)
            assert re.fullmatch(NEW_AUTHORIZATION, renewed(environ, tmp_path))
    # From one line on, the one that replaces the token, it is kept.
    assert kept == sorted(kept)
    assert kept[0] is False
    assert kept.count(True) > 1
    if step == 1:
        with capsys.disabled():
            print(
                f"\ntokens: killed at each of {len(kept) - 1} lines after the answer: {kept.count(False)} before the "
                "token was kept, and after that none was lost, none used twice"
            )


BOUNDED = (4, 40)
FULL = pytest.param(20, 500, marks=pytest.mark.soak)


@pytest.mark.parametrize(("processes", "refreshes"), [BOUNDED, FULL])
def test_processes_that_renew_together_and_are_killed(
    processes: int,
    refreshes: int,
    sandbox: FakeServer,
    environ: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    killer, journal, stop = Killer(every=5), tmp_path / "journal", tmp_path / "stop"
    sandbox.faults.add(killer.kind, path="/oauth/token", times=None)
    running: list[BaseProcess] = []
    authorizations = 1
    environ["SHOP_REFRESH_TOKEN"] = sandbox.authorize("shop")
    while not stop.exists() or running:
        if sum(family.renewed for family in families(sandbox.requests).values()) >= refreshes:
            stop.touch()
        ended = [process for process in running if process.exitcode is not None]
        running = [process for process in running if process not in ended]
        codes = {process.exitcode for process in ended}
        assert codes <= {0, -signal.SIGKILL, NEEDS_AUTHORIZATION}
        assert all(process.pid in killer.killed for process in ended if process.exitcode == -signal.SIGKILL)
        if NEEDS_AUTHORIZATION in codes:
            for process in running:  # the others notice as well, or are killed on their way to it
                process.join(timeout=60)
                assert process.exitcode in (0, -signal.SIGKILL, NEEDS_AUTHORIZATION)
            running = []
            authorizations += 1
            environ["SHOP_REFRESH_TOKEN"] = sandbox.authorize("shop")
        while not stop.exists() and len(running) < processes:
            arguments = (dict(environ), tmp_path / "state", journal, stop)
            running.append(PROCESSES.Process(target=renew_again_and_again, args=arguments))
            running[-1].start()
        time.sleep(0.02)

    notes = [line.partition(" ")[::2] for line in journal.read_text().splitlines()]
    errors = {said for what, said in notes if what == "error"}
    kept = {said for what, said in notes if what == "kept"}
    found = families(sandbox.requests)
    lost = 0
    for family in found.values():
        for (token, status, pid), (next_token, _, _) in zip(family.shown, family.shown[1:], strict=False):
            if next_token == token and status == 200:
                lost += 1
                assert pid in killer.killed
                assert token not in kept
        tokens = [token for token, status, _ in family.shown if status == 200]
        assert len(set(tokens)) == len(tokens)
    renewed = sum(family.renewed for family in found.values())
    assert renewed >= refreshes
    assert 0 < lost < len(killer.killed)
    assert len(found) == lost + 1 or len(found) == lost
    assert len(found) <= authorizations <= lost + 1
    assert all(re.fullmatch(NEW_AUTHORIZATION, said) for said in errors)
    with capsys.disabled():
        print(
            f"\ntokens: {processes} processes, {renewed} refreshes, {len(killer.killed)} kills, of which {lost} lost "
            f"the answer; {len(kept)} refreshes seen to be kept, of which 0 were lost or used twice"
        )
