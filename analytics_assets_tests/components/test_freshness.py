"""When the UI shows an asset as late."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.freshness import TimeWindowFreshnessPolicy

from analytics_assets.definitions import build_definitions
from analytics_assets_tests.components.conftest import write_defs

YAML = """\
type: analytics_assets.components.RestApi
attributes:
  client: {base_url: https://api.example.com}
  resource_defaults:
    primary_key: id
    endpoint: {data_selector: data, paginator: {type: offset, limit: 100}}
  resources:
    - {name: orders, endpoint: {incremental: {start_param: since}}}
    - name: customers
  partitions: {cadence: %s, start: 2026-10-01}
  schedule: {hour: 2, minute: 30%s}
"""


def late_after(folder: Path, cadence: str, setting: str) -> dict[str, timedelta | None]:
    """After how long each asset of the API is late."""
    definitions = build_definitions(
        {"ANALYTICS_DEFS_DIR": str(write_defs(folder / "defs", {"shop": YAML % (cadence, setting)}))}
    )
    policies = {
        spec.key.path[-1]: spec.freshness_policy
        for spec in definitions.resolve_all_asset_specs()
        if spec.key.path[0] == "shop"
    }
    assert all(isinstance(policy, TimeWindowFreshnessPolicy | None) for policy in policies.values())
    return {
        name: policy.fail_window.to_timedelta() if isinstance(policy, TimeWindowFreshnessPolicy) else None
        for name, policy in policies.items()
    }


@pytest.mark.parametrize(
    ("cadence", "expected"),
    [
        ("hourly", timedelta(minutes=90)),
        ("daily", timedelta(hours=27)),
        ("weekly", timedelta(days=7, hours=3)),
        ("monthly", timedelta(days=31, hours=3)),
    ],
)
def test_lateness_follows_the_cadence(folder: Path, cadence: str, expected: timedelta) -> None:
    """Resources without windows are loaded once a day, whatever the cadence."""
    assert late_after(folder, cadence, "") == {"orders": expected, "customers": timedelta(hours=27)}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("PT36H", timedelta(hours=36)), ("2 days", timedelta(days=2)), ("false", None), ("off", None)],
)
def test_lateness_is_set_in_the_yaml(folder: Path, setting: str, expected: timedelta | None) -> None:
    assert late_after(folder, "daily", f", freshness: {setting}") == {"orders": expected, "customers": expected}


def test_endpoints_are_never_late() -> None:
    specs = build_definitions({}).resolve_all_asset_specs()
    assert {spec.key.path[0] for spec in specs if spec.freshness_policy} == {"recruiting", "treasury"}
    assert any(spec.key == dg.AssetKey(["recruiting_api", "users"]) for spec in specs)
