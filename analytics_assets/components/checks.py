"""Asset checks: what a load noticed that does not stop it, but that a person should see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from analytics_assets.rest_api.config import ResolvedResource
from analytics_assets.rest_api.errors import RestApiError, TypeChangeError

if TYPE_CHECKING:
    from analytics_assets.rest_api.arrow.converter import Statistics

STABLE_TYPES = "columns_keep_their_types"
FILTER_HONOURED = "api_honours_the_window"


def build_check_specs(key: dg.AssetKey, resource: ResolvedResource) -> list[dg.AssetCheckSpec]:
    specs = [
        dg.AssetCheckSpec(
            STABLE_TYPES,
            asset=key,
            description="No field changed its type: no value went into a variant column, was left out, or failed the "
            "load.",
        )
    ]
    incremental = resource.endpoint.incremental
    if incremental and incremental.cursor_path:
        specs.append(
            dg.AssetCheckSpec(
                FILTER_HONOURED, asset=key, description="Most rows that the API sent were of the window asked for."
            )
        )
    return specs


def check_results(specs: Sequence[dg.AssetCheckSpec], loads: Sequence[Statistics]) -> Iterator[dg.AssetCheckResult]:
    """What the loads of a run noticed, taken together."""
    changed: dict[str, set[str]] = {}
    for load in loads:
        for name, to in load.changed_columns.items():
            changed.setdefault(name, set()).update(to)
    rows, outside = sum(load.rows for load in loads), sum(load.rows_outside_window for load in loads)
    for spec in specs:
        if spec.name == STABLE_TYPES:
            passed = not changed
            metadata: dict[str, Any] = {name: ", ".join(sorted(to)) for name, to in changed.items()}
        else:
            passed = outside <= rows
            metadata = {"rows": rows, "rows_outside_window": outside}
        yield dg.AssetCheckResult(
            check_name=spec.name,
            asset_key=spec.asset_key,
            passed=passed,
            severity=dg.AssetCheckSeverity.WARN,
            metadata=metadata,
        )


def failed_checks(specs: Sequence[dg.AssetCheckSpec], error: RestApiError) -> Iterator[dg.AssetCheckResult]:
    """What a load that failed says of its checks."""
    for spec in specs:
        if spec.name == STABLE_TYPES and isinstance(error, TypeChangeError):
            yield dg.AssetCheckResult(
                check_name=spec.name,
                asset_key=spec.asset_key,
                passed=False,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"error": str(error)},
            )
