"""One login serves all processes, whenever a process is killed; a lost refresh token costs one further login."""

from __future__ import annotations

import itertools
import json
import random
import re
import signal
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from analytics_assets.rest_api.errors import RestApiError
from analytics_assets.rest_api.http.request import Request
from analytics_assets_tests.cases import response_faults
from analytics_assets_tests.fake_api import Api, Endpoint, FakeServer, Fault, Login, serve
from analytics_assets_tests.harness.token_refresh_processes import (
    UNPROCESSED,
    Killer,
    authenticated_client,
    refresh_login_repeatedly,
)
from analytics_assets_tests.support.auth import LOGIN, REFRESHED_LOGIN
from analytics_assets_tests.support.clock import Clock
from analytics_assets_tests.support.processes import FORK_SERVER

PROCESSES = 4


def login_server() -> FakeServer:
    return FakeServer([Api("shop", [Endpoint("/rows", [{"id": 1}])], auth=Login("ann@example.com", "pa55word"))])


def read_rows(environ: dict[str, str], folder: Path) -> None:
    """What a run does: sign in, and read."""
    with authenticated_client(environ, folder, auth=LOGIN) as (client, _):
        assert client.send(Request(client.url("rows"))).status == 200


@pytest.mark.parametrize("store", ["files", "postgres"])
def test_processes_share_one_login(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server = login_server()
    with serve(server) as url:
        environ = server.variables(url)
        if store == "postgres":
            environ["ANALYTICS_TOKEN_STORE"] = request.getfixturevalue("token_database")
        processes = [FORK_SERVER.Process(target=read_rows, args=(environ, tmp_path)) for _ in range(PROCESSES)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(timeout=60)
        assert [process.exitcode for process in processes] == [0] * PROCESSES
    paths = Counter(record.request.path for record in server.requests)
    assert paths == {"/shop/auth/login": 1, "/shop/rows": PROCESSES}


@pytest.mark.parametrize("refreshes", [40, pytest.param(500, marks=pytest.mark.soak)])
def test_processes_that_are_killed_use_each_refresh_token_once(refreshes: int, tmp_path: Path) -> None:
    server, killer, stop = login_server(), Killer(every=5), tmp_path / "stop"
    server.faults.add(killer.fault, path="/auth/refresh", times=None)
    running: list[BaseProcess] = []
    with serve(server) as url:
        environ = server.variables(url)
        while not stop.exists() or running:
            if killer.refreshes >= refreshes:
                stop.touch()
            ended = [process for process in running if process.exitcode is not None]
            running = [process for process in running if process not in ended]
            for process in ended:
                assert process.exitcode == 0 or (process.exitcode == -signal.SIGKILL and process.pid in killer.killed)
            while not stop.exists() and len(running) < PROCESSES:
                arguments = (environ, tmp_path / "state", stop)
                running.append(FORK_SERVER.Process(target=refresh_login_repeatedly, args=arguments))
                running[-1].start()
            time.sleep(0.02)
        server.faults.clear()
        with authenticated_client(environ, tmp_path / "state", auth=REFRESHED_LOGIN) as (client, _):
            assert client.send(Request(client.url("rows"))).status == 200
    accepted: list[str] = []
    rejected: list[str] = []
    logins = 0
    for record in server.requests:
        if record.request.path == "/shop/auth/refresh" and record.status != UNPROCESSED:
            token = json.loads(record.request.body)["refresh_token"]
            (accepted if record.status == 200 else rejected).append(token)
        logins += record.request.path == "/shop/auth/login"
    assert len(set(accepted)) == len(accepted)
    assert set(rejected) <= set(accepted), "only tokens whose response was lost are rejected"
    assert 0 < len(rejected) < len(killer.killed)
    assert 1 < logins <= len(rejected) + 1


# Faults that the client repairs by a further request: the server says that it has not processed the first one, or the
# request uses no refresh token.
REPAIRED = {"/auth/login": (429, 500, 502, 503, 504), "/auth/refresh": (429, 503)}
FAULTS: dict[str, Fault] = {
    **{name: fault for name, fault, _ in response_faults.TRANSIENT},
    **dict(response_faults.HARMLESS),
    **{case.name: case.fault for case in response_faults.PERMANENT if case.fault and "150 MB" not in case.name},
}
LEAK = "THE ERROR CONTAINS A SECRET"
TRIALS = sorted(itertools.product(REPAIRED, FAULTS))
SAMPLE = random.Random(7).sample(TRIALS, 50)


def expects_rows(path: str, name: str) -> bool | None:
    """Whether a read returns the rows in spite of a fault; None if an error is right as well."""
    if name in dict(response_faults.HARMLESS):
        return True
    if name in (name for name, _, _ in response_faults.TRANSIENT):
        status = re.search(r"\d{3}", name)
        return status is not None and int(status[0]) in REPAIRED[path]
    return None


@pytest.mark.parametrize(
    ("path", "name"),
    [pytest.param(*trial, marks=[] if trial in SAMPLE else pytest.mark.soak) for trial in TRIALS],
)
def test_fault_of_a_login_leads_to_the_rows_or_an_error_and_the_next_read_succeeds(
    path: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Clock().install(monkeypatch)
    server = login_server()
    with serve(server) as url:
        environ = server.variables(url)

        def read() -> str:
            """Read the rows in a run of its own, and return the error, "" if there is none."""
            with authenticated_client(environ, tmp_path, auth=REFRESHED_LOGIN, read_timeout=0.3, max_retries=3) as (
                client,
                auth,
            ):
                try:
                    if path == "/auth/refresh":
                        auth.refresh(auth.sign({}, {}))
                    assert client.send(Request(client.url("rows"))).body == b'{"data":[{"id":1}]}'
                except RestApiError as problem:
                    return str(problem) + "".join(LEAK for secret in auth.secret_values() if secret in str(problem))
                return ""

        server.faults.add(FAULTS[name], path=path)
        error = read()
        assert LEAK not in error
        assert not server.faults.unused(), "the fault did not occur"
        expected = expects_rows(path, name)
        assert expected is None or expected == (error == ""), error
        assert read() == ""
    refreshes = [record.request.body for record in server.requests if record.request.path.endswith("/refresh")]
    assert len(refreshes) - len(set(refreshes)) <= 1, "a refresh token was sent more than twice"
