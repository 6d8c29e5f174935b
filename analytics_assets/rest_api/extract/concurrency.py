"""Threads: work that goes on beside the one who waits for its results, who sees its first error."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

WAIT_SECONDS = 0.01
Part = TypeVar("Part")
Result = TypeVar("Result")


def parallel_map(
    work: Callable[[Iterator[Part]], Iterable[Result]], parts: Iterator[Part], threads: int
) -> Iterator[Result]:
    """The results of `work` over the parts, shared out to up to so many threads; the first error ends all.

    Parts are taken one by one, so a generator of them may react to what was done already. Threads are started while
    the reader waits: more than it takes to keep it busy would only get into each other's way.
    """
    results: queue.Queue[Result | BaseException | None] = queue.Queue(maxsize=2 * threads)
    taking, stop = threading.Lock(), threading.Event()

    def put(result: Result | BaseException | None) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                results.put(result, timeout=1.0)
                return

    def share() -> Iterator[Part]:
        while not stop.is_set():
            with taking:
                part = next(parts, None)
            if part is None:
                return
            yield part

    def take() -> None:
        try:
            for result in work(share()):
                put(result)
                if stop.is_set():
                    return
        except BaseException as error:  # it is the reader's: it raises there
            put(error)
        put(None)

    def start() -> int:
        threading.Thread(target=take, name="at_once", daemon=True).start()
        return 1

    started, finished = start(), 0
    try:
        while finished < started:
            try:
                result = results.get(timeout=WAIT_SECONDS if started < threads else None)
            except queue.Empty:
                started += start()
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
    """The same results, made by another thread, up to two of them before they are asked for."""
    return parallel_map(lambda _: results, iter(()), 1)
