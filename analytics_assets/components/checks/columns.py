"""Checks of columns: their types and their names."""

from __future__ import annotations

from typing import Any, ClassVar

from analytics_assets.components.checks.base import Check, Finding, RunOfLoads, counted, example_sql
from analytics_assets.rest_api.arrow.column_names import VARIANT_SEPARATOR
from analytics_assets.rest_api.errors import RestApiError, TypeChangeError

ENOUGH_ROWS = 100  # to tell that a field vanished


class StableTypes(Check):
    """Evaluates the table: the check fails as long as there is a variant column."""

    name = "columns_keep_their_types"
    description = (
        "No field changed its data type: the table has no variant column, and no value was discarded or failed the "
        "load."
    )
    failed_by: ClassVar[tuple[type[RestApiError], ...]] = (TypeChangeError,)

    def evaluate(self, run: RunOfLoads) -> Finding:
        changed: dict[str, set[str]] = {}
        variants = run.last.findings.variant_columns
        for variant in variants:
            changed.setdefault(variant.rpartition(VARIANT_SEPARATOR)[0], set()).add(variant)
        for result in run.results:
            for column, targets in result.statistics.changed_columns.items():
                changed.setdefault(column, set()).update(targets)
        metadata: dict[str, Any] = {
            "variant_columns": len(variants),
            **{column: ", ".join(sorted(targets)) for column, targets in sorted(changed.items())},
        }
        if not changed:
            return Finding(True, "All values have the types of their columns.", metadata)
        text = f"{counted(len(changed), 'column')} got values of another type: {', '.join(sorted(changed))}. "
        if variants:
            query = example_sql(run.last.table.name, (), f' WHERE "{variants[0]}" IS NOT NULL')
            text += f"Such values are in {', '.join(variants)}. {query}. "
        text += (
            "If the API changed, declare the new type under `columns`, and run the full refresh, which creates the "
            "table anew"
        )
        return Finding(False, text, metadata)


class KnownColumns(Check):
    """New fields, and fields that vanished.

    Many APIs omit fields without a value, so a few rows of a window do not show that a field vanished.
    """

    name = "columns_are_known"
    description = (
        "The fields of the records are those of the table: none is new, and none is missing in all records of a "
        f"complete read or of at least {ENOUGH_ROWS} rows."
    )

    def evaluate(self, run: RunOfLoads) -> Finding:
        variants = set(run.last.findings.variant_columns)
        new = {name for result in run.results if not result.findings.created_table for name in result.new_columns}
        new -= variants
        with_rows = [set(result.findings.vanished_columns) for result in run.results if result.rows]
        is_enough = run.last.window is None or sum(result.rows for result in run.results) >= ENOUGH_ROWS
        vanished = set.intersection(*with_rows) if with_rows and is_enough else set()
        metadata: dict[str, Any] = {"new_columns": len(new), "vanished_columns": len(vanished)}
        texts = []
        if new:
            metadata["new"] = ", ".join(sorted(new))
            texts.append(
                f"{counted(len(new), 'new column')}: {metadata['new']}. Rows loaded before have NULL in them until the "
                "full refresh. Declare them under `columns` to fix their types"
            )
        if vanished:
            metadata["vanished"] = ", ".join(sorted(vanished))
            texts.append(
                f"No record has the field of {counted(len(vanished), 'column')}: {metadata['vanished']}. The new rows "
                "have NULL in them. Ask the API's owner whether the fields were renamed or removed; the full refresh "
                f"removes the columns. {example_sql(run.last.table.name, sorted(vanished))}"
            )
        return Finding(not texts, ". ".join(texts) or "No field is new, and none is missing.", metadata)
