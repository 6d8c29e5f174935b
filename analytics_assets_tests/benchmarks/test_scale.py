"""The measurements and the simulation of many APIs, with small numbers. Times are not asserted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analytics_assets_tests.benchmarks.scale import __main__ as command_line
from analytics_assets_tests.benchmarks.scale import measurements
from analytics_assets_tests.benchmarks.scale.simulation import HOUR, Rates, Setting, simulate

FAST = Rates(
    tick_seconds=0.01, run_seconds=1, resource_seconds=0.1, run_events=10, resource_events=20, events_per_second=1e6
)
SMALL = Setting(apis=100, resources=10, workers=10)


def test_windows_are_loaded_soon_if_nothing_is_short() -> None:
    outcome = simulate(FAST, SMALL)
    assert outcome.keeps_up
    assert len(outcome.lag) == SMALL.hours
    # 100 runs of 2 s on 10 workers, after the first look of the queue
    assert outcome.lag[0] == pytest.approx(SMALL.queue_interval + 100 * 2 / 10, abs=2)


@pytest.mark.parametrize(
    ("rates", "setting", "bottleneck"),
    [
        (replace(FAST, tick_seconds=40), SMALL, "scheduler"),
        (FAST, replace(SMALL, apis=20_000, workers=1), "workers"),
        (replace(FAST, events_per_second=5), SMALL, "database"),
    ],
)
def test_part_that_does_not_keep_up_is_named(rates: Rates, setting: Setting, bottleneck: str) -> None:
    outcome = simulate(rates, setting)
    assert not outcome.keeps_up
    assert outcome.bottleneck == bottleneck
    assert outcome.lag[-1] > outcome.lag[0]


def test_most_apis_is_the_last_number_that_keeps_up() -> None:
    slow = replace(FAST, events_per_second=50)
    most = command_line.most_apis(slow, SMALL)
    assert simulate(slow, replace(SMALL, apis=most)).lag[-1] <= HOUR
    assert not simulate(slow, replace(SMALL, apis=most + 5)).keeps_up


def test_line_is_fitted_to_sizes() -> None:
    assert command_line.fitted([100, 200, 400], [2, 3, 5], 1_000) == pytest.approx((1, 10))


@pytest.mark.e2e
def test_run_of_generated_apis_stores_events(tmp_path: Path) -> None:
    cost, events, kilobytes = measurements.run_of_one_window(tmp_path, resources=2, rounds=1)
    assert cost.memory > 0
    assert events > 10
    assert kilobytes > 0


@pytest.mark.e2e
def test_tick_of_a_generated_api_requests_one_run(tmp_path: Path) -> None:
    assert measurements.tick(tmp_path, resources=2, loaded=3) > 0
