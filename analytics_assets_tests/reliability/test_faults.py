"""The API misbehaves, at the first, a middle and the last page: exactly the right rows, or an error and no change."""

from __future__ import annotations

import random
import threading
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from analytics_assets_tests.cases import response_faults
from analytics_assets_tests.fake_api import Api, Bearer, Endpoint, Exchange, FakeServer, FaultyResponse, Response, serve
from analytics_assets_tests.harness.fault_injection import (
    PAGES,
    PAGINATIONS,
    ROWS,
    TOKEN,
    Case,
    FaultyApi,
    Trial,
    each,
    misbehaving,
)
from analytics_assets_tests.strategies import api_records
from analytics_assets_tests.support.clock import Clock

TRIALS = each([*response_faults.CASES, *api_records.CASES])
SAMPLE = sorted(random.Random(4).sample(sorted(TRIALS), 75))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyApi]:
    clock = Clock()  # waits between tries take no time
    with pytest.MonkeyPatch.context() as patch:
        clock.install(patch)
        with misbehaving(tmp_path_factory.mktemp("misbehaving")) as served:
            yield served


@pytest.mark.parametrize("trial", SAMPLE)
def test_the_right_rows_or_an_error_and_no_change(world: FaultyApi, trial: str) -> None:
    world.attempt(TRIALS[trial])


@pytest.mark.parametrize("page", PAGES)
def test_a_server_that_goes_away(world: FaultyApi, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is cut, and from then on each is refused."""
    gone = threading.Event()
    clock = Clock(during_wait=lambda: gone.wait(30))
    clock.install(monkeypatch)
    sandbox = FakeServer([Api("shop", [Endpoint("/offset", ROWS, pagination=PAGINATIONS["offset"][0])], Bearer(TOKEN))])
    with ExitStack() as server:
        url = server.enter_context(serve(sandbox))

        def stop() -> None:
            server.pop_all().close()
            gone.set()

        def leave(_: Exchange) -> Response:
            threading.Thread(target=stop).start()
            return FaultyResponse(drop=True)

        case = Case("the server goes away", leave, "failed after 4 attempts: the connection was refused")
        replace(world, sandbox=sandbox, url=url).attempt(Trial(case, "offset", page))
    assert gone.is_set()


@pytest.mark.soak
def test_every_fault_at_every_page(world: FaultyApi, capsys: pytest.CaptureFixture[str]) -> None:
    failed: list[str] = []
    requests = rows = 0
    for concurrency in (1, 4, 16):
        for name, trial in TRIALS.items():
            try:
                attempted = world.attempt(trial, concurrency)
                requests, rows = requests + attempted.requests, rows + attempted.rows_compared
            except Exception:
                failed.append(f"{name}, {concurrency} at once:\n{traceback.format_exc(limit=-2)}")
    with capsys.disabled():
        faults = len({trial.case.name for trial in TRIALS.values()})
        print(
            f"\n{faults} faults tried {3 * len(TRIALS)} times at first, middle and last pages, 1, 4 and 16 at once: "
            f"{requests} requests, {rows} rows compared, {len(failed)} failed"
        )
    assert not failed, "\n".join(failed)
