"""Background workers: the consumer reads their results from a bounded queue, and re-raises the first exception."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

# A consumer that waits longer than this for a result gets another worker: about the time of one fast response.
START_WORKER_AFTER_SECONDS = 0.01
STOP_CHECK_SECONDS = 1.0

Part = TypeVar("Part")
Result = TypeVar("Result")


def parallel_map(
    work: Callable[[Iterator[Part]], Iterable[Result]], parts: Iterator[Part], threads: int
) -> Iterator[Result]:
    """The results of `work` over the parts, in any order, from up to `threads` threads.

    Parts are taken one by one: a generator of them may react to results. Workers are started while the consumer
    waits, because more workers than keep it busy compete with it for the interpreter's lock.

    Raises:
        Exception: The first exception of a worker. The other workers stop after their current result.
    """
    results: queue.Queue[Result | BaseException | None] = queue.Queue(maxsize=2 * threads)
    next_part, stop = threading.Lock(), threading.Event()

    def put(result: Result | BaseException | None) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                results.put(result, timeout=STOP_CHECK_SECONDS)
                return

    def take_parts() -> Iterator[Part]:
        while not stop.is_set():
            with next_part:
                part = next(parts, None)
            if part is None:
                return
            yield part

    def run() -> None:
        try:
            for result in work(take_parts()):
                put(result)
                if stop.is_set():
                    return
        except BaseException as error:  # re-raised by the consumer
            put(error)
        put(None)

    def start_worker() -> int:
        threading.Thread(target=run, name="parallel_map", daemon=True).start()
        return 1

    started, finished = start_worker(), 0
    try:
        while finished < started:
            try:
                result = results.get(timeout=START_WORKER_AFTER_SECONDS if started < threads else None)
            except queue.Empty:
                started += start_worker()
                continue
            if isinstance(result, BaseException):
                raise result
            if result is None:
                finished += 1
            else:
                yield result
    finally:
        stop.set()


def prefetch(results: Iterable[Result]) -> Iterator[Result]:
    """The same results, made by another thread, up to two of them in advance."""
    return parallel_map(lambda _: results, iter(()), 1)
