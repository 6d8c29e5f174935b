"""Checks of primary keys: in the records of a load, and in the table."""

from __future__ import annotations

from typing import Any

from analytics_assets.components.asset_plan import AssetPlan
from analytics_assets.components.checks.base import Check, Finding, RunOfLoads, counted, example_sql, sample_of_keys
from analytics_assets.rest_api.arrow.column_names import column_name
from analytics_assets.rest_api.errors import MissingKeyError


class UniqueKey(Check):
    """Evaluates the records of each load: in a merged table the keys are unique by construction."""

    name = "key_is_unique_and_present"
    description = "Each record has its primary key, and no two records of a load have the same one."
    failed_by = (MissingKeyError,)

    def applies_to(self, plan: AssetPlan) -> bool:
        return bool(plan.resource.primary_key)

    def evaluate(self, run: RunOfLoads) -> Finding:
        keys = [result.findings.keys for result in run.results if result.findings.keys]
        rows, duplicates = sum(key.rows for key in keys), sum(key.duplicates for key in keys)
        without_key = sum(result.statistics.rows_without_key for result in run.results)
        metadata: dict[str, Any] = {"rows": rows, "rows_with_same_key": duplicates, "rows_without_key": without_key}
        names = [column_name(field) for field in run.plan.resource.primary_key]
        texts = []
        if duplicates:
            repeated = [key for part in keys for key in part.repeated][:5]
            metadata.update(sample_of_keys(run, repeated))
            texts.append(
                f"{duplicates:,} of {counted(rows, 'row')} have the key ({', '.join(names)}) of another row of the "
                f"load. {self._effect(run, names)} If the key does not identify a record, correct `primary_key`"
            )
        if without_key:
            skipped = f"{counted(without_key, 'record')} without a key ({', '.join(names)}) skipped"
            texts.append(f"{skipped}, as `null_key: skip` says")
        return Finding(not texts, ". ".join(texts) or f"{counted(rows, 'key')}, all different.", metadata)

    def _effect(self, run: RunOfLoads, names: list[str]) -> str:
        if run.plan.resource.write_disposition == "append":
            columns = ", ".join(names)
            grouped = f" WHERE _dlt_load_id = '{run.last.load_id}' GROUP BY {columns} HAVING COUNT(*) > 1"
            return f"All of them are in the table. {example_sql(run.last.table.name, names, grouped)}."
        return "The newest row of each key is in the table."


class GoneRows(Check):
    """Evaluates loads that read the whole resource: full refreshes, and resources without windows."""

    name = "rows_gone_from_api"
    description = (
        "The API still has the rows of the table. Judged by loads of all rows: loads of a window cannot see rows that "
        "were deleted."
    )

    def applies_to(self, plan: AssetPlan) -> bool:
        return bool(plan.resource.primary_key) and plan.resource.write_disposition != "append"

    def evaluate(self, run: RunOfLoads) -> Finding | None:
        findings = run.last.findings
        if findings.rows_gone is None or findings.keys is None:
            return None
        gone, rows, table = findings.rows_gone, findings.keys.distinct, run.last.table.name
        metadata: dict[str, Any] = {"rows_gone": gone, "rows_in_api": rows}
        if not gone:
            return Finding(True, "The API has all rows that the table had.", metadata)
        metadata = {**metadata, **sample_of_keys(run, findings.gone_keys)}
        text = f"{counted(gone, 'row')} of {table} are not in the API any more. "
        if run.last.mode == "merge":
            return Finding(
                False,
                f"{text}They stay in the table, since `merge` deletes nothing. Run the full refresh to remove them, or "
                "write `write_disposition: replace`",
                metadata,
            )
        text += f"The load removed them from the table, which has {counted(rows, 'row')} now"
        if gone <= rows:
            return Finding(True, f"{text}.", metadata)
        text += ": more rows are gone than left. Do the credentials still have access to all of them?"
        return Finding(False, text, metadata)
