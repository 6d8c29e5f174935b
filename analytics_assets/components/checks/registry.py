"""The checks of a resource: their specs, and their results after a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dagster as dg

from analytics_assets.components.asset_plan import AssetPlan
from analytics_assets.components.checks.base import Check, RunOfLoads
from analytics_assets.components.checks.columns import KnownColumns, StableTypes
from analytics_assets.components.checks.keys import GoneRows, UniqueKey
from analytics_assets.components.checks.reads import CompleteRead, RealData, WindowHonoured
from analytics_assets.components.checks.usual_rows import UsualRows
from analytics_assets.rest_api.errors import RestApiError

CHECKS: tuple[Check, ...] = (
    UniqueKey(),
    CompleteRead(),
    StableTypes(),
    KnownColumns(),
    UsualRows(),
    WindowHonoured(),
    GoneRows(),
    RealData(),
)
SEVERITIES = {"warn": dg.AssetCheckSeverity.WARN, "error": dg.AssetCheckSeverity.ERROR}


def checks_of(plan: AssetPlan) -> list[Check]:
    """The checks that apply to the asset and are not switched off."""
    return [check for check in CHECKS if setting(plan, check) != "off" and check.applies_to(plan)]


def setting(plan: AssetPlan, check: Check) -> str | None:
    """The setting in the YAML: `warn`, `error` or `off`; None if there is none."""
    value: str | None = getattr(plan.resource.checks, check.name)
    return value


def build_check_specs(plan: AssetPlan) -> list[dg.AssetCheckSpec]:
    """The specs of the checks of an asset."""
    return [dg.AssetCheckSpec(check.name, asset=plan.key, description=check.description) for check in checks_of(plan)]


def check_results(run: RunOfLoads, error: RestApiError | None = None) -> Iterator[dg.AssetCheckResult]:
    """The results of the checks about which the run says something.

    Args:
        run: The loads that succeeded.
        error: The error of the load after them.
    """
    for check in checks_of(run.plan):
        severity = SEVERITIES[setting(run.plan, check) or "warn"]
        if isinstance(error, check.failed_by):
            yield dg.AssetCheckResult(
                check_name=check.name,
                asset_key=run.plan.key,
                passed=False,
                severity=dg.AssetCheckSeverity.ERROR,
                description=f"The load failed, and the table was not changed: {error}",
                metadata={"error": str(error)},
            )
        elif run.results and (finding := check.evaluate(run)):
            yield dg.AssetCheckResult(
                check_name=check.name,
                asset_key=run.plan.key,
                passed=finding.passed,
                severity=severity,
                description=finding.text,
                metadata=finding.metadata,
            )


def outputs_without_result(
    specs: Sequence[dg.AssetCheckSpec], results: Sequence[dg.AssetCheckResult]
) -> Iterator[dg.Output[None]]:
    """The outputs of checks that have no result in this run: their last result stays.

    Dagster logs a line for each output that a step does not yield.
    """
    evaluated = {result.check_name for result in results}
    for spec in specs:
        if spec.name not in evaluated:
            yield dg.Output(None, output_name=spec.get_python_identifier())
