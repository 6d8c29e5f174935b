"""Faults at the first, a middle and the last page: the load has the right rows, or fails and changes nothing."""

from __future__ import annotations

import random
import threading
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from analytics_assets_tests.cases import action_faults, record_faults, response_faults
from analytics_assets_tests.fake_api import Api, Bearer, Endpoint, Exchange, FakeServer, FaultyResponse, Response, serve
from analytics_assets_tests.harness.fault_injection import (
    PAGES,
    PAGINATIONS,
    ROWS,
    TOKEN,
    FaultCase,
    FaultyApi,
    Trial,
    serve_faulty_api,
    trials,
)
from analytics_assets_tests.support.clock import Clock

TRIALS = trials([*response_faults.CASES, *record_faults.CASES, *action_faults.CASES])
SAMPLE = sorted(random.Random(4).sample(sorted(TRIALS), 75))


@pytest.fixture(scope="module")
def faulty_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyApi]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        Clock().install(monkeypatch)
        with serve_faulty_api(tmp_path_factory.mktemp("faults")) as served:
            yield served


@pytest.mark.parametrize("trial", SAMPLE)
def test_fault_leads_to_the_right_rows_or_an_error_and_no_change(faulty_api: FaultyApi, trial: str) -> None:
    faulty_api.attempt(TRIALS[trial])


@pytest.mark.parametrize("page", PAGES)
def test_server_that_stops_during_a_read_fails_the_load(
    faulty_api: FaultyApi, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is closed, and all later ones are refused."""
    stopped = threading.Event()
    Clock(during_wait=lambda: stopped.wait(30)).install(monkeypatch)
    endpoint = Endpoint("/offset", ROWS, pagination=PAGINATIONS["offset"][0])
    server = FakeServer([Api("shop", [endpoint], auth=Bearer(TOKEN))])
    with ExitStack() as running:
        url = running.enter_context(serve(server))

        def stop() -> None:
            running.pop_all().close()
            stopped.set()

        def stop_server(_: Exchange) -> Response:
            threading.Thread(target=stop).start()
            return FaultyResponse(drop=True)

        error = "failed after 4 attempts: the connection was refused"
        case = FaultCase(name="the server stops", fault=stop_server, error=error)
        replace(faulty_api, server=server, url=url).attempt(Trial(case, "offset", page))
    assert stopped.is_set()


@pytest.mark.soak
def test_every_fault_at_every_page(faulty_api: FaultyApi, capsys: pytest.CaptureFixture[str]) -> None:
    failed: list[str] = []
    requests = rows = 0
    for concurrency in (1, 4, 16):
        for name, trial in TRIALS.items():
            try:
                counts = faulty_api.attempt(trial, concurrency=concurrency)
                requests, rows = requests + counts.requests, rows + counts.rows_compared
            except Exception:
                failed.append(f"{name}, concurrency {concurrency}:\n{traceback.format_exc(limit=-2)}")
    with capsys.disabled():
        faults = len({trial.case.name for trial in TRIALS.values()})
        print(
            f"\n{faults} faults in {3 * len(TRIALS)} trials at first, middle and last pages, with concurrency 1, 4 and "
            f"16: {requests} requests, {rows} rows compared, {len(failed)} failed"
        )
    assert not failed, "\n".join(failed)
