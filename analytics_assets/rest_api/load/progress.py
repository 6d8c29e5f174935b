"""The progress of loads in this process, for a listener such as a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from analytics_assets.rest_api.extract.read_progress import ReadProgress


class Counts(Protocol):
    """What has been read so far."""

    @property
    def rows(self) -> int: ...

    @property
    def pages(self) -> int: ...

    @property
    def progress(self) -> ReadProgress | None:
        """How far the read is, if that is known."""


Listener = Callable[[str, Counts], None]
"""Takes the name of the resource and what has been read so far, after each batch of pages."""

_listeners: list[Listener] = []


@contextmanager
def listen(listener: Listener) -> Iterator[None]:
    """Call the listener for all loads of this process while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def notify(name: str, counts: Counts) -> None:
    """Tell the listeners what has been read."""
    for listener in _listeners:
        listener(name, counts)
