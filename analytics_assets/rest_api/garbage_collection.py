"""Garbage collection around imports: modules live as long as the process, and each collection would search them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def long_lived_objects() -> Iterator[None]:
    """A scope whose objects are never collected, for imports and for what lives as long as the process.

    There is no collection in the scope. Later collections, and those at the end of the process, skip its objects.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if "_duckdb" not in sys.modules:  # DuckDB's objects are reported as leaks at exit if they are not collected
            gc.freeze()
        if was_enabled:
            gc.enable()
