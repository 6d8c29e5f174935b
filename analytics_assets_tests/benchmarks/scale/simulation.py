"""A simulation of many APIs whose windows end at the same time: scheduler, queue, workers and database.

Each hour every API has one tick. The scheduler evaluates the ticks one after the other. Each tick requests one run. The
queue starts runs in its interval, and a run occupies one worker until its resources are loaded. All runs write their
events to one database, which stores them in the order of the runs.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

HOUR = 3600.0


@dataclass(frozen=True)
class Rates:
    """Measured costs.

    Attributes:
        tick_seconds: Evaluation of the tick of one API.
        run_seconds: Fixed time of a run, without its resources: start of the process and import.
        resource_seconds: Time of one resource in a run.
        run_events: Events of a run besides those of its resources.
        resource_events: Events of one resource.
        events_per_second: What the database stores.
    """

    tick_seconds: float
    run_seconds: float
    resource_seconds: float
    run_events: float
    resource_events: float
    events_per_second: float


@dataclass(frozen=True)
class Setting:
    """How much is run, and on what.

    Attributes:
        apis: APIs, each with one run per hour.
        resources: Resources of an API.
        workers: Runs at once: `max_concurrent_runs`.
        schedulers: Code locations whose ticks are evaluated side by side.
        queue_interval: Seconds between two looks of the queue.
        hours: Simulated hours.
    """

    apis: int = 1_000
    resources: int = 50
    workers: int = 100
    schedulers: int = 1
    queue_interval: float = 5.0
    hours: int = 6


@dataclass(frozen=True)
class Outcome:
    """What happened.

    Attributes:
        lag: Seconds from the end of each hour's windows until all of them were loaded, by hour.
        scheduler, workers, database: Share of the time in which each was busy.
    """

    lag: tuple[float, ...]
    scheduler: float
    workers: float
    database: float

    @property
    def keeps_up(self) -> bool:
        """Whether the last hour was loaded no later after its end than an hour, and no later than the first one."""
        return self.lag[-1] <= min(HOUR, self.lag[0] * 1.05 + 1)

    @property
    def bottleneck(self) -> str:
        """The part that was busy for the greatest share of the time."""
        shares = {"scheduler": self.scheduler, "workers": self.workers, "database": self.database}
        return max(shares, key=lambda name: shares[name])


def simulate(rates: Rates, setting: Setting) -> Outcome:
    """Run the simulation."""
    free_workers = [0.0] * setting.workers
    schedulers = [0.0] * setting.schedulers
    database_free = database_busy = workers_busy = scheduler_busy = 0.0
    events = rates.run_events + setting.resources * rates.resource_events
    work = rates.run_seconds + setting.resources * rates.resource_seconds
    requested: list[tuple[float, int]] = []  # when a run was requested, and for which hour
    for hour in range(setting.hours):
        for _ in range(setting.apis):
            tick = max(heapq.heappop(schedulers), hour * HOUR) + rates.tick_seconds
            heapq.heappush(schedulers, tick)
            scheduler_busy += rates.tick_seconds
            requested.append((tick, hour))
    last = [0.0] * setting.hours
    for requested_at, hour in sorted(requested):
        polled = -(-requested_at // setting.queue_interval) * setting.queue_interval
        started = max(heapq.heappop(free_workers), polled)
        # A run ends when its own work is done and its last event is stored.
        database_free = max(database_free, started) + events / rates.events_per_second
        database_busy += events / rates.events_per_second
        ended = max(started + work, database_free)
        heapq.heappush(free_workers, ended)
        workers_busy += ended - started
        last[hour] = max(last[hour], ended)
    lags = [ended - hour * HOUR for hour, ended in enumerate(last)]
    span = max(last[-1], setting.hours * HOUR)
    return Outcome(
        tuple(lags),
        scheduler_busy / span / setting.schedulers,
        workers_busy / span / setting.workers,
        database_busy / span,
    )
