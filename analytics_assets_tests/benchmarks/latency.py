"""Workloads with a slow API: 10,000 rows in pages of 50, with 100 ms of latency."""

from __future__ import annotations

from analytics_assets_tests.benchmarks.bench import Bench
from analytics_assets_tests.benchmarks.measure import ratio
from analytics_assets_tests.benchmarks.programs import LIMIT, OURS, ReadSettings

LATENCY_MS, ROWS, PAGE = 100, 10_000, 50
CURSOR_CONCURRENCY, OFFSET_CONCURRENCY = 8, 16
API = f"an API with {LATENCY_MS} ms latency"


def cursor(bench: Bench) -> None:
    """By cursor: time slices in parallel, compared with the fastest sequential read."""
    settings = {
        LIMIT: ReadSettings(limit=PAGE, concurrency=1),
        OURS: ReadSettings("cursor", PAGE, CURSOR_CONCURRENCY),
    }
    loads = bench.load({LIMIT: 1, OURS: 1}, bench.url(ROWS, LATENCY_MS), settings)
    faster = ratio(loads[LIMIT].walls(), loads[OURS].walls())
    bench.add_finding(
        f"By cursor from {API}, {CURSOR_CONCURRENCY} time slices in parallel load {ROWS:,} rows {faster.median:.1f} "
        "times as fast as pages that are read one after the other.",
        f"{loads[OURS].wall():.2f} s against {loads[LIMIT].wall():.2f} s; ratio {faster}; pages of {PAGE} rows",
    )


def offset(bench: Bench) -> None:
    """By offset with a total, both with the same number of requests in parallel."""
    settings = ReadSettings(limit=PAGE, concurrency=OFFSET_CONCURRENCY)
    loads = bench.load({LIMIT: 1, OURS: 1}, bench.url(ROWS, LATENCY_MS), settings)
    slower = ratio(loads[OURS].walls(), loads[LIMIT].walls())
    bench.add_finding(
        f"By offset from {API}, with {OFFSET_CONCURRENCY} requests in parallel, {ROWS:,} rows take "
        f"{slower.median:.2f} times as long as with the hand-written program.",
        f"{loads[OURS].wall():.2f} s against {loads[LIMIT].wall():.2f} s; ratio {slower}; pages of {PAGE} rows",
    )
