"""Findings: what a load found out about its rows and their table, for asset checks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from analytics_assets.rest_api.arrow.column_names import RESERVED, variant_columns
from analytics_assets.rest_api.destination.duplicate_keys import Keys
from analytics_assets.rest_api.destination.pipeline import TablePipeline
from analytics_assets.rest_api.extract.pagination.proof import Completeness


@dataclass(frozen=True)
class Findings:
    """What a load found out about its rows and their table, for asset checks.

    Attributes:
        created_table: Whether there was no table before.
        keys: The keys of the rows that were read; None if the resource has no primary key.
        completeness: What proves that all rows were read.
        variant_columns: Columns of the table that store values whose type does not fit their column.
        vanished_columns: Stored columns that no record of the load had; empty if there were no records.
        rows_gone: Rows of the table before the load that are not in the load; None if it did not read the whole
            resource, or rows have no key.
        gone_keys: Some of their keys.
    """

    created_table: bool = False
    keys: Keys | None = None
    completeness: Completeness | None = None
    variant_columns: tuple[str, ...] = ()
    vanished_columns: tuple[str, ...] = ()
    rows_gone: int | None = None
    gone_keys: tuple[tuple[Any, ...], ...] = ()


def build_findings(
    pipeline: TablePipeline,
    *,
    stored: Collection[str],
    vanished: Collection[str],
    keys: Keys | None,
    reads: Sequence[Completeness],
) -> Findings:
    """The findings of a load.

    Args:
        pipeline: The pipeline, after `load`.
        stored: The columns that the table had before.
        vanished: The stored columns that no record had.
        keys: The keys of the rows; None if they have none.
        reads: What proves the end of each time range that was read.
    """
    completeness = Completeness.combined(reads)
    reads_all = pipeline.plan.window is None and completeness is not None and completeness.proof != "bound"
    rows_gone = pipeline.outcome.rows_gone if stored else 0
    return Findings(
        created_table=not stored,
        keys=keys,
        completeness=completeness,
        variant_columns=variant_columns(pipeline.report.columns),
        vanished_columns=tuple(sorted(set(vanished) - RESERVED - set(variant_columns(stored)))),
        rows_gone=rows_gone if reads_all else None,
        gone_keys=pipeline.outcome.gone_keys,
    )
