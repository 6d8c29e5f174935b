"""What a load writes to the log while it runs: one line at its start, then one every few seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import MutableMapping
from typing import Any

from analytics_assets.rest_api.arrow.statistics import Statistics
from analytics_assets.rest_api.load.progress import Counts, notify
from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets.rest_api.redaction import redacted_request

PROGRESS_SECONDS = 5.0  # between two lines of the log


class NamedLog(logging.LoggerAdapter):  # type: ignore[type-arg]  # generic from Python 3.11 on
    """A logger whose lines begin with a name."""

    def __init__(self, log: logging.Logger, name: str) -> None:
        super().__init__(log, {})
        self.resource = name

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return f"{self.resource}: {msg}", kwargs


def start_text(request: LoadRequest, url: str) -> str:
    """What a load is about to read, as its first line.

    Args:
        request: The load.
        url: The URL of its endpoint. The text does not contain the secrets that a URL may have.
    """
    window, threads = request.read_window, request.client.max_concurrency
    limit = getattr(request.resource.endpoint.paginator, "limit", None)
    parts = [
        f"reading {redacted_request(url, request.resource.endpoint.method)}",
        f"window {window}" if window else "all history",
        *([f"pages of {limit} rows"] if limit else []),
        f"up to {threads} requests at once" if threads > 1 else "one request at a time",
    ]
    return ", ".join(parts)


class ProgressLog:
    """Logs the progress of a read every few seconds."""

    def __init__(self, log: NamedLog, counts: Counts) -> None:
        self._log, self._counts = log, counts
        self._began = self._last = time.monotonic()
        self._has_total = False

    def log_if_due(self) -> None:
        """Log a line if the last one is long enough ago, or as soon as the size of a longer read is known."""
        notify(self._log.resource, self._counts)
        now, progress = time.monotonic(), self._counts.progress
        is_first_total = progress is not None and not self._has_total and progress.share < 1
        if now - self._last < PROGRESS_SECONDS and not is_first_total:
            return
        self._last, self._has_total = now, progress is not None
        self._log.info(progress_text(self._counts, seconds=now - self._began))

    def log_end(self, statistics: Statistics, *, table: str) -> None:
        """Log the end of a read that took long, since the load may take a while too, and a filter without effect."""
        counts, seconds = self._counts, time.monotonic() - self._began
        notify(self._log.resource, counts)
        if seconds >= PROGRESS_SECONDS:
            self._log.info(
                f"{counted(counts.rows, 'row')} in {counted(counts.pages, 'page')} were read in "
                f"{format_seconds(seconds)}; writing to {table}"
            )
        if statistics.filter_seems_ignored:
            self._log.warning(
                f"{statistics.rows_outside_window} of {statistics.fetched} rows are outside the window and were "
                "discarded: does the API ignore the parameters of `incremental`?"
            )


def progress_text(counts: Counts, *, seconds: float) -> str:
    """How much was read, how fast, and if the size is known, which share and how long the rest takes.

    Args:
        counts: What has been read so far.
        seconds: How long that took.
    """
    progress, text = counts.progress, f"{counted(counts.rows, 'row')} in {counted(counts.pages, 'page')}"
    if progress:
        text += f", {progress.share:.0%} of {counted(progress.total, progress.unit)}"
    if seconds:
        text += f", {counts.rows / seconds:.0f} rows/s"
    if progress and (left := progress.seconds_left(seconds)):
        text += f", about {format_seconds(left)} left"
    return text


def counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def format_seconds(seconds: float) -> str:
    """A duration in its two largest units: `48 s`, `2 min 5 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, hours = whole // 60, whole // 3600
    return f"{minutes} min {whole % 60} s" if minutes < 60 else f"{hours} h {minutes % 60} min"
