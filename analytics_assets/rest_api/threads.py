"""Threads: work that goes on beside the one who waits for its results, who sees its first error."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


def at_once(work: Callable[[Part], Iterable[Result]], parts: Iterator[Part], threads: int) -> Iterator[Result]:
    """The results of `work` over the parts, by several threads; the first error ends all.

    Parts are taken one by one, so a generator of them may react to what was done already.
    """
    results: queue.Queue[Result | BaseException | None] = queue.Queue(maxsize=2 * threads)
    taking, stop = threading.Lock(), threading.Event()

    def put(result: Result | BaseException | None) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                results.put(result, timeout=1.0)
                return

    def take() -> None:
        try:
            while not stop.is_set():
                with taking:
                    part = next(parts, None)
                if part is None:
                    break
                for result in work(part):
                    put(result)
                    if stop.is_set():
                        return
        except BaseException as error:  # it is the reader's: it raises there
            put(error)
        put(None)

    for _ in range(threads):
        threading.Thread(target=take, name="at_once", daemon=True).start()
    try:
        working = threads
        while working:
            result = results.get()
            if isinstance(result, BaseException):
                raise result
            if result is None:
                working -= 1
            else:
                yield result
    finally:
        stop.set()


def ahead(results: Iterable[Result]) -> Iterator[Result]:
    """The same results, made by another thread, up to two of them before they are asked for."""
    return at_once(lambda made: made, iter([results]), 1)
