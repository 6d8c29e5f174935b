"""Freshness: when the UI shows an asset as late."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from analytics_assets.rest_api.config import Schedule

LAG = timedelta(hours=3)  # a run may wait for other runs, and retry
# The time between two scheduled runs, and the lag.
LATE_AFTER = {
    "hourly": timedelta(hours=1, minutes=30),
    "daily": timedelta(days=1) + LAG,
    "weekly": timedelta(weeks=1) + LAG,
    "monthly": timedelta(days=31) + LAG,
}


def build_freshness_policy(cadence: str, schedule: Schedule) -> dg.FreshnessPolicy | None:
    """The policy of the assets of a schedule; None if the YAML switches it off.

    A time window and not a deadline: Dagster's deadlines by cron make the import of the definitions slower.
    """
    if schedule.freshness is False:
        return None
    return dg.FreshnessPolicy.time_window(fail_window=schedule.freshness or LATE_AFTER[cadence])
