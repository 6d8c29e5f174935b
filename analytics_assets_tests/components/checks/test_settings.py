"""`checks` in the YAML: severity and switch-off, for the API, as a default, and for a resource."""

from __future__ import annotations

import dagster as dg
import pytest

from analytics_assets_tests.components.checks.conftest import BuildShop, evaluations, order

DUPLICATES = [order(1), order(1)]
UNIQUE = "key_is_unique_and_present"
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


@pytest.mark.parametrize(
    ("api", "resource", "severity"),
    [
        ("", "", WARN),
        (f"checks: {{{UNIQUE}: error}}", "", ERROR),
        (f"resource_defaults: {{checks: {{{UNIQUE}: error}}}}", "", ERROR),
        ("", f"checks: {{{UNIQUE}: error}}", ERROR),
        (f"checks: {{{UNIQUE}: error}}", f"checks: {{{UNIQUE}: warn}}", WARN),
        (f"checks: {{{UNIQUE}: off}}", f"checks: {{{UNIQUE}: error}}", ERROR),
        (f"checks: {{{UNIQUE}: error}}", "checks: {complete: off}", ERROR),
        (f"checks: {{{UNIQUE}: off}}", "", None),
        (f"resource_defaults: {{checks: {{{UNIQUE}: off}}}}", "", None),
        (f"checks: {{{UNIQUE}: error}}", f"checks: {{{UNIQUE}: off}}", None),
    ],
)
def test_severity_and_switch_off(
    shop: BuildShop, api: str, resource: str, severity: dg.AssetCheckSeverity | None
) -> None:
    harness = shop(DUPLICATES, api=api, resource=resource)
    check = evaluations(harness.run("shop_incremental", partition="2026-10-01"), harness).get(UNIQUE)
    assert (check.severity if check else None) == severity
    names = {key.name for key in harness.definitions.resolve_asset_graph().asset_check_keys}
    assert (UNIQUE in names) is (severity is not None)


@pytest.mark.parametrize(
    ("resource", "absent"),
    [
        ("write_disposition: append", "rows_gone_from_api"),
        ("checks: {complete: off, rows_as_usual: off}", "complete"),
    ],
)
def test_checks_that_do_not_apply_do_not_exist(shop: BuildShop, resource: str, absent: str) -> None:
    names = {key.name for key in shop(resource=resource).definitions.resolve_asset_graph().asset_check_keys}
    assert absent not in names
    assert UNIQUE in names
