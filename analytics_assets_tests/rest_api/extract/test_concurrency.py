"""Background workers: how many start, what they take, and how they end."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

import pytest

from analytics_assets.rest_api.extract.concurrency import ParallelMap, parallel_map

TIMEOUT_SECONDS = 30.0


def test_workers_start_before_the_first_result_is_wanted() -> None:
    met = threading.Barrier(5, timeout=TIMEOUT_SECONDS)

    def meet(parts: Iterator[int]) -> Iterator[int]:
        for part in parts:
            met.wait()
            yield part

    results = ParallelMap(meet, iter(range(4)), 8)
    results.start(4)
    met.wait()  # four workers have taken a part each
    assert sorted(results) == [0, 1, 2, 3]


def test_no_more_workers_start_than_threads() -> None:
    workers: set[int] = set()

    def work(parts: Iterator[int]) -> Iterator[int]:
        workers.add(threading.get_ident())
        return parts

    results = ParallelMap(work, iter(range(100)), 2)
    results.start(1)
    results.start(5)
    assert sorted(results) == list(range(100))
    assert len(workers) <= 2


def test_each_part_is_taken_once_while_more_workers_start() -> None:
    release = threading.Event()

    def work(parts: Iterator[int]) -> Iterable[int]:
        for part in parts:
            if part == 50:
                release.set()
            assert part > 7 or release.wait(TIMEOUT_SECONDS)  # until all eight workers wait, the consumer does too
            yield part

    assert sorted(parallel_map(work, iter(range(100)), 9)) == list(range(100))


def test_workers_that_are_stopped_take_no_more_parts() -> None:
    taken, stopped = [], threading.Event()

    def work(parts: Iterator[int]) -> Iterator[int]:
        for part in parts:
            taken.append(part)
            assert stopped.wait(TIMEOUT_SECONDS)
            yield part

    parts = iter(range(100))
    results = ParallelMap(work, parts, 1)
    results.start(1)
    results.stop()
    stopped.set()
    for thread in threading.enumerate():
        if thread.name == "parallel_map":
            thread.join(TIMEOUT_SECONDS)
    assert taken in ([], [0])
    assert next(parts) == len(taken)


def test_the_first_error_of_a_worker_that_started_early_is_raised() -> None:
    def work(parts: Iterator[int]) -> Iterator[int]:
        yield next(parts)
        raise ValueError("part 1")

    results = ParallelMap(work, iter(range(100)), 1)
    results.start(1)
    with pytest.raises(ValueError, match="part 1"):
        list(results)
