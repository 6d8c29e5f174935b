"""Background workers: the consumer reads their results from a bounded queue, and re-raises the first exception."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

# A consumer that waits longer than this for a result gets more workers: about the time of one fast response.
START_WORKERS_AFTER_SECONDS = 0.01
STOP_CHECK_SECONDS = 1.0

Part = TypeVar("Part")
Result = TypeVar("Result")


class ParallelMap(Generic[Part, Result]):
    """The results of `work` over the parts, in any order, from up to `threads` threads.

    Parts are taken one by one: a generator of them may react to results. Workers are started while the consumer
    waits, because more workers than keep it busy compete with it for the interpreter's lock. Each time, their number
    doubles. Workers that wait for a slow API do not compete: `start` starts them earlier.
    """

    def __init__(self, work: Callable[[Iterator[Part]], Iterable[Result]], parts: Iterator[Part], threads: int) -> None:
        self._work, self._parts, self._threads = work, parts, threads
        self._results: queue.Queue[Result | BaseException | None] = queue.Queue(maxsize=2 * threads)
        self._next_part, self._stop = threading.Lock(), threading.Event()
        self._started = 0

    def start(self, workers: int) -> None:
        """Start so many more workers, up to `threads` in all."""
        for _ in range(min(workers, self._threads - self._started)):
            self._started += 1
            threading.Thread(target=self._run, name="parallel_map", daemon=True).start()

    def stop(self) -> None:
        """Stop the workers after their current result."""
        self._stop.set()

    def __iter__(self) -> Iterator[Result]:
        """The results; the workers stop when the iteration ends.

        Raises:
            Exception: The first exception of a worker.
        """
        try:
            self.start(int(not self._started))
            finished = 0
            while finished < self._started:
                try:
                    wait = START_WORKERS_AFTER_SECONDS if self._started < self._threads else None
                    result = self._results.get(timeout=wait)
                except queue.Empty:
                    self.start(self._started)
                    continue
                if isinstance(result, BaseException):
                    raise result
                if result is None:
                    finished += 1
                else:
                    yield result
        finally:
            self.stop()

    def _run(self) -> None:
        try:
            for result in self._work(self._take_parts()):
                self._put(result)
                if self._stop.is_set():
                    return
        except BaseException as error:  # re-raised by the consumer
            self._put(error)
        self._put(None)

    def _take_parts(self) -> Iterator[Part]:
        while not self._stop.is_set():
            with self._next_part:
                part = next(self._parts, None)
            if part is None:
                return
            yield part

    def _put(self, result: Result | BaseException | None) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._results.put(result, timeout=STOP_CHECK_SECONDS)
                return


def parallel_map(
    work: Callable[[Iterator[Part]], Iterable[Result]], parts: Iterator[Part], threads: int, *, at_once: int = 1
) -> Iterator[Result]:
    """The results of a `ParallelMap`, of which `at_once` workers are started with the first result.

    Raises:
        Exception: The first exception of a worker. The other workers stop after their current result.
    """
    results = ParallelMap(work, parts, threads)
    results.start(at_once)
    yield from results


def prefetch(results: Iterable[Result]) -> Iterator[Result]:
    """The same results, made by another thread, up to two of them in advance."""
    return parallel_map(lambda _: results, iter(()), 1)
