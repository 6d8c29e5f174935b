"""Progress: what a load has read so far, for the log, and what became of it, for metadata and checks."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Protocol

PROGRESS_SECONDS = 5.0  # between two lines of the log


@dataclass
class Statistics:
    """What a load read.

    Attributes:
        rows: Rows that were written to the table.
        rows_outside_window: Rows that were discarded because their cursor is outside the window.
        rows_without_key: Rows that were discarded because a key is null (`null_key: skip`).
        pages: Pages that were read.
        ignored_reads: Reads without rows because `response_actions` ignores their response.
        changed_columns: Columns with values of another type: their variant columns, or how many values were discarded.
    """

    rows: int = 0
    rows_outside_window: int = 0
    rows_without_key: int = 0
    pages: int = 0
    ignored_reads: int = 0
    changed_columns: dict[str, list[str]] = field(default_factory=dict)

    @property
    def fetched(self) -> int:
        """Rows that the API sent."""
        return self.rows + self.rows_outside_window + self.rows_without_key

    @property
    def filter_seems_ignored(self) -> bool:
        """Whether most rows were outside the window: the API does not filter as the configuration says."""
        return self.rows_outside_window > self.rows


class Counts(Protocol):
    """What has been read so far, and how many rows there are, if the API names a total."""

    rows: int
    pages: int
    total: int | None


class Progress:
    """Logs the progress of a long load every few seconds."""

    def __init__(self, log: logging.Logger, name: str, counts: Counts) -> None:
        self._log, self._name, self._counts = log, name, counts
        self._began = self._last = time.monotonic()

    def log_if_due(self) -> None:
        """Logs a line if the last one is long enough ago."""
        now, counts = time.monotonic(), self._counts
        if now - self._last < PROGRESS_SECONDS:
            return
        self._last = now
        share = f", {min(counts.rows / counts.total, 1):.0%} of {counts.total}" if counts.total else ""
        rate = counts.rows / (now - self._began)
        self._log.info(f"{self._name}: {counts.rows} rows in {counts.pages} pages, {rate:.0f} rows/s{share}")
