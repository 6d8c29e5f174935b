"""Send slots that processes share: the limit over all of them, pauses, killed processes, and stores that fail."""

from __future__ import annotations

import json
import logging
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analytics_assets.rest_api.errors import UnavailableError
from analytics_assets.rest_api.http.rate_limiter import RateLimiter
from analytics_assets.rest_api.state import postgres_slots
from analytics_assets.rest_api.state.file_slots import FileSlots
from analytics_assets.rest_api.state.postgres_slots import PostgresSlots
from analytics_assets.rest_api.state.slots import BATCH_SECONDS, ReservedSlots, SlotStore
from analytics_assets_tests.fake_api import CursorPagination, Endpoint, serve_endpoint
from analytics_assets_tests.support.postgres import PASSWORD, Postgres
from analytics_assets_tests.support.processes import FORK_SERVER
from analytics_assets_tests.support.shop import Shop, load_in_parallel

API = "shop 127.0.0.1"
PAGES = {"paginator": {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next", "limit": 1}}
OpenStore = Callable[[], SlotStore]


def open_store(folder: Path, credentials: str | None, log: logging.Logger | None = None) -> SlotStore:
    if credentials is None:
        return FileSlots(folder, API)
    return PostgresSlots(credentials, API, variable="TOKENS", log=log or logging.getLogger("analytics_assets"))


@pytest.fixture(params=["file", "table"])
def credentials(request: pytest.FixtureRequest) -> str | None:
    """The connection string of the store's database; None for a file."""
    if request.param == "file":
        return None
    credentials: str = request.getfixturevalue("token_database")
    return credentials


@pytest.fixture
def new_store(credentials: str | None, tmp_path: Path) -> Iterator[OpenStore]:
    """Opens the store as another process does."""
    opened: list[SlotStore] = []

    def new() -> SlotStore:
        opened.append(open_store(tmp_path, credentials))
        return opened[-1]

    yield new
    for store in opened:
        store.close()


def test_time_spans_of_all_processes_follow_each_other(new_store: OpenStore) -> None:
    first, second = new_store(), new_store()
    waits = [store.reserve(100.0) for store in (first, second, first)]
    assert waits == pytest.approx([0, 100, 200], abs=10)


def test_pause_holds_for_all_processes(new_store: OpenStore) -> None:
    first, second = RateLimiter(5, slots=ReservedSlots(new_store(), 5)), new_store()
    first.wait()
    first.pause(500)
    assert second.reserve(1.0) == pytest.approx(500, abs=10)
    first.pause(100)  # does not shorten the other pause
    assert second.reserve(1.0) == pytest.approx(501, abs=10)


def test_slots_are_given_up_in_a_pause(new_store: OpenStore) -> None:
    slots = ReservedSlots(new_store(), 100)
    while slots.take() < time.monotonic() + 0.2:  # a batch of many slots
        pass
    slots.pause(500)
    assert slots.take() > time.monotonic() + 400


class CountingStore(FileSlots):
    """Counts the batches."""

    batches = 0

    def reserve(self, seconds: float) -> float:
        self.batches += 1
        return super().reserve(seconds)


def test_store_is_asked_once_per_batch(tmp_path: Path) -> None:
    store = CountingStore(tmp_path, API)
    slots = ReservedSlots(store, 20)
    times = [slots.take() for _ in range(200)]
    assert store.batches <= 16  # 1, 2, 4, 8, 16, then 20 each
    assert times == sorted(times)
    assert times[-1] - times[0] == pytest.approx(199 / 20, abs=1)


def test_slots_that_were_not_used_in_time_expire(tmp_path: Path) -> None:
    store = CountingStore(tmp_path, API)
    slots = ReservedSlots(store, 1_000)
    while slots.take() < time.monotonic() + 0.1:
        pass
    time.sleep(2 * BATCH_SECONDS)  # longer than any batch
    batches, now = store.batches, time.monotonic()
    assert slots.take() >= now
    assert store.batches == batches + 1


def test_file_of_a_machine_that_was_restarted_or_that_is_corrupt_is_ignored(tmp_path: Path) -> None:
    store = FileSlots(tmp_path, API)
    store.reserve(1_000)
    [file] = (tmp_path / "rate_limits").glob("*.json")
    for content in (json.dumps({"written": time.monotonic() + 10_000, "free": time.monotonic() + 20_000}), "[]", "{"):
        file.write_text(content)
        assert store.reserve(1_000) == pytest.approx(0, abs=1)


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "rate_limits").write_text("a file")
    with pytest.raises(UnavailableError, match=r"cannot be stored in .*: File exists\. Set ANALYTICS_STATE_DIR"):
        FileSlots(tmp_path, API).reserve(1)


@pytest.mark.parametrize("kind", ["shop", "postgres_shop"])
def test_processes_together_do_not_exceed_the_limit(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """On DuckDB they share a folder; on PostgreSQL each has its own, as on machines of their own."""
    shop: Shop = request.getfixturevalue(kind)
    limit, pages = 25, 25
    environ = {"DESTINATION__POSTGRES__CREDENTIALS": shop.postgres.credentials} if shop.postgres else {}
    rows = [{"id": n} for n in range(pages)]
    with serve_endpoint(Endpoint("/rows", rows, pagination=CursorPagination())) as (server, url):
        requests = [
            shop.request(url, endpoint=PAGES, name=name, client={"max_requests_per_second": limit})
            for name in ("rows", "orders", "users")
        ]
        requests = [replace(each, environ=environ) for each in requests]
        if shop.postgres:
            requests = [
                replace(each, warehouse=replace(each.warehouse, state_dir=tmp_path / f"machine {number}"))
                for number, each in enumerate(requests)
            ]
        assert load_in_parallel(requests, environ) == [""] * 3
        arrivals = sorted(record.began for record in server.requests)
    assert len(arrivals) == 3 * pages
    # Half a second of tolerance for arrivals that are late. Without a common limit there are three times as many.
    seconds = arrivals[-1] - arrivals[0] + 0.5
    assert len(arrivals) <= limit * seconds
    if shop.postgres:
        assert shop.postgres.query("SELECT count(*) FROM analytics_assets_rate_limits") == [(1,)]
        assert not list(tmp_path.rglob("rate_limits"))


def test_nothing_is_stored_without_a_limit(postgres_shop: Shop, tmp_path: Path) -> None:
    assert postgres_shop.postgres
    with serve_endpoint(Endpoint("/rows", [{"id": 1}])) as (_, url):
        request = postgres_shop.request(url)
        environ = {"DESTINATION__POSTGRES__CREDENTIALS": postgres_shop.postgres.credentials}
        assert load_in_parallel([replace(request, environ=environ)], environ) == [""]
    assert postgres_shop.postgres.query("SELECT to_regclass('analytics_assets_rate_limits')") == [(None,)]
    assert not list(tmp_path.rglob("rate_limits"))


def take_slots(folder: Path, credentials: str | None, taken: Path) -> None:
    """Take slots until the process is killed."""
    slots = ReservedSlots(open_store(folder, credentials), 20)
    for _ in range(100):
        slots.take()
    taken.touch()
    time.sleep(600)


def test_killed_process_wastes_no_more_than_what_it_reserved(
    credentials: str | None, new_store: OpenStore, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    process = FORK_SERVER.Process(target=take_slots, args=(tmp_path, credentials, taken))
    process.start()
    while not taken.exists():
        assert process.is_alive()
        time.sleep(0.01)
    process.kill()
    process.join(timeout=60)
    assert process.exitcode == -signal.SIGKILL
    assert new_store().reserve(1.0) <= 100 / 20 + BATCH_SECONDS


CLERK = "ALTER ROLE slot_clerk {}"


@pytest.fixture
def clerk(postgres: Postgres, token_database: str) -> Iterator[str]:
    """The connection string of a user whose login tests switch off."""
    postgres.query(f"CREATE ROLE slot_clerk LOGIN PASSWORD '{PASSWORD}'")
    postgres.query("GRANT USAGE, CREATE ON SCHEMA tokens TO slot_clerk")
    yield token_database.replace("postgres:", "slot_clerk:", 1)
    postgres.query("DROP OWNED BY slot_clerk CASCADE")
    postgres.query("DROP ROLE slot_clerk")


def cut(postgres: Postgres) -> None:
    """Switch the clerk's login off and end its connections."""
    postgres.query(CLERK.format("NOLOGIN"))
    postgres.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'slot_clerk'")


def test_database_that_is_cut_off_is_waited_for(
    clerk: str, postgres: Postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Restore(logging.Handler):
        """Ends the outage as soon as it is logged."""

        def emit(self, record: logging.LogRecord) -> None:
            postgres.query(CLERK.format("LOGIN"))

    log = logging.getLogger("analytics_assets.test_slots")
    log.addHandler(handler := Restore())
    try:
        store = open_store(tmp_path, clerk, log)
        store.reserve(1_000)
        cut(postgres)
        assert store.reserve(1_000) == pytest.approx(1_000, abs=100)  # the state is that of before
        store.close()
    finally:
        log.removeHandler(handler)
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "the PostgreSQL database that TOKENS names" in record.message
    assert "No request is sent until then" in record.message


def test_database_that_stays_away_fails_the_load_and_no_request_is_sent(
    clerk: str, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_slots, "RECONNECT_SECONDS", -1)
    limiter = RateLimiter(5, slots=ReservedSlots(open_store(tmp_path, clerk), 5))
    limiter.wait()
    cut(postgres)
    with pytest.raises(UnavailableError, match="the rate limit over all runs cannot be stored in the Post") as caught:
        limiter.wait()
    assert PASSWORD not in str(caught.value)


def test_user_without_rights_gets_an_error_at_once(clerk: str, postgres: Postgres, tmp_path: Path) -> None:
    postgres.query("REVOKE CREATE ON SCHEMA tokens FROM slot_clerk")
    with pytest.raises(UnavailableError, match="the user may not create or change the table analytics_assets_rate"):
        open_store(tmp_path, clerk).reserve(1)
