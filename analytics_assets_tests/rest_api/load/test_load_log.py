"""Lines that a load writes to the log while it runs."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest

from analytics_assets.rest_api.arrow.statistics import Statistics
from analytics_assets.rest_api.extract.read_progress import ReadProgress
from analytics_assets.rest_api.load.log import NamedLog, ProgressLog, format_seconds, progress_text


@dataclass
class Read:
    rows: int
    pages: int
    progress: ReadProgress | None = None


@pytest.mark.parametrize(
    ("read", "seconds", "text"),
    [
        (Read(0, 0), 0.0, "0 rows in 0 pages"),
        (Read(1, 1), 0.5, "1 row in 1 page, 2 rows/s"),
        (Read(500, 10), 10.0, "500 rows in 10 pages, 50 rows/s"),
        (
            Read(500, 10, ReadProgress(500, 2000)),
            10.0,
            "500 rows in 10 pages, 25% of 2000 rows, 50 rows/s, about 30 s left",
        ),
        (
            Read(500, 10, ReadProgress(10, 1000, "page")),
            10.0,
            "500 rows in 10 pages, 1% of 1000 pages, 50 rows/s, about 16 min 30 s left",
        ),
        (
            Read(500, 10, ReadProgress(3, 4, "parent")),
            9.0,
            "500 rows in 10 pages, 75% of 4 parents, 56 rows/s, about 3 s left",
        ),
        (Read(0, 1, ReadProgress(0, 2000)), 10.0, "0 rows in 1 page, 0% of 2000 rows, 0 rows/s"),
        (Read(2500, 50, ReadProgress(2500, 2000)), 10.0, "2500 rows in 50 pages, 100% of 2000 rows, 250 rows/s"),
    ],
)
def test_progress_shows_share_speed_and_time_left(read: Read, seconds: float, text: str) -> None:
    assert progress_text(read, seconds=seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3600, "1 h 0 min"),
        (12_000, "3 h 20 min"),
    ],
)
def test_durations_are_in_two_units(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_size_is_logged_once_as_soon_as_it_is_known(caplog: pytest.LogCaptureFixture) -> None:
    """Not after the next PROGRESS_SECONDS only: these calls follow each other at once."""
    caplog.set_level(logging.INFO)
    read = Read(50, 1)
    progress = ProgressLog(NamedLog(logging.getLogger("test"), "shop/orders"), read)
    progress.log_if_due()
    assert caplog.messages == []
    read.progress = ReadProgress(50, 2000)
    progress.log_if_due()
    progress.log_if_due()
    [line] = caplog.messages
    assert line.startswith("shop/orders: 50 rows in 1 page, 2% of 2000 rows, ")


def test_short_read_logs_no_progress(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    progress = ProgressLog(NamedLog(logging.getLogger("test"), "shop/orders"), Read(50, 1, ReadProgress(50, 50)))
    progress.log_if_due()
    progress.log_end(Statistics(rows=50), table="shop.orders")
    assert caplog.messages == []
