"""Asset checks: findings of a load that a person should see and that do not stop it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from analytics_assets import rest_api
from analytics_assets.rest_api.config import ResolvedResource
from analytics_assets.rest_api.errors import TypeChangeError

STABLE_TYPES = "columns_keep_their_types"
WINDOW_HONOURED = "api_honours_the_window"


def build_check_specs(key: dg.AssetKey, resource: ResolvedResource) -> list[dg.AssetCheckSpec]:
    """The checks of an asset. The window is checked only if rows have a cursor."""
    specs = [
        dg.AssetCheckSpec(
            STABLE_TYPES,
            asset=key,
            description="No field changed its data type: no value went into a variant column, was discarded, or failed "
            "the load.",
        )
    ]
    incremental = resource.endpoint.incremental
    if incremental and incremental.cursor_path:
        specs.append(
            dg.AssetCheckSpec(
                WINDOW_HONOURED,
                asset=key,
                description="At least half of the rows that the API returned belong to the requested time window.",
            )
        )
    return specs


def check_results(
    specs: Sequence[dg.AssetCheckSpec], results: Sequence[rest_api.LoadResult]
) -> Iterator[dg.AssetCheckResult]:
    """The checks of a run over all of its loads."""
    changed: dict[str, set[str]] = {}
    for result in results:
        for column, targets in result.statistics.changed_columns.items():
            changed.setdefault(column, set()).update(targets)
    rows = sum(result.rows for result in results)
    outside = sum(result.statistics.rows_outside_window for result in results)
    for spec in specs:
        if spec.name == STABLE_TYPES:
            passed = not changed
            metadata: dict[str, Any] = {column: ", ".join(sorted(targets)) for column, targets in changed.items()}
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


def type_change_results(specs: Sequence[dg.AssetCheckSpec], error: TypeChangeError) -> Iterator[dg.AssetCheckResult]:
    """The failed check of a load that a change of data type failed."""
    for spec in specs:
        if spec.name == STABLE_TYPES:
            yield dg.AssetCheckResult(
                check_name=spec.name,
                asset_key=spec.asset_key,
                passed=False,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"error": str(error)},
            )
