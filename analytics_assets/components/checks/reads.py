"""Checks of reads: whether they are complete, of the requested window, and of the real API."""

from __future__ import annotations

from typing import Any, ClassVar

from analytics_assets.components.asset_plan import AssetPlan
from analytics_assets.components.checks.base import Check, Finding, RunOfLoads, counted
from analytics_assets.rest_api.errors import DriftError, IncompleteReadError, RestApiError

PROOFS = {
    "total": "the number of rows or pages is the API's total",
    "end": "the API said that no page follows",
    "empty page": "the page after the last one is empty or does not exist",
    "last page": "the API named no next page, and the last page was not full",
    "none": "the last page was full, and the API named no next page. If there are more rows, correct the path of the "
    "next page in `endpoint.paginator`",
    "bound": "`maximum_offset` or `maximum_page` of the paginator ended the read. If it is meant to, write "
    "`checks: {complete: off}`",
}


class CompleteRead(Check):
    """Loads that are incomplete fail; this check also shows what proves the others."""

    name = "complete"
    description = (
        "All rows of the API were read: as many as its total says, or up to the end that it announced. The result says "
        "which of the two."
    )
    failed_by: ClassVar[tuple[type[RestApiError], ...]] = (IncompleteReadError, DriftError)

    def evaluate(self, run: RunOfLoads) -> Finding | None:
        reads = [result.findings.completeness for result in run.results if result.findings.completeness]
        ignored = sum(result.statistics.ignored_reads for result in run.results)
        ignored_text = f"{counted(ignored, 'read')} without rows, as `response_actions` says."
        if not reads:
            return Finding(True, ignored_text, {"ignored_reads": ignored}) if ignored else None
        read = type(reads[0]).combined(reads)
        assert read is not None
        metadata: dict[str, Any] = {"rows_read": read.rows, "proof": read.proof}
        if read.promised_rows is not None:
            metadata["rows_in_api"] = read.promised_rows
        text = f"{counted(read.rows, 'row')} read; {PROOFS[read.proof]}"
        if ignored:
            metadata["ignored_reads"] = ignored
            text = f"{ignored_text} {text}"
        return Finding(read.is_proven, f"{text}." if read.is_proven else f"Not proven: {text}", metadata)


class WindowHonoured(Check):
    """Rows outside of the window are discarded; if they are many, the API ignores the filter."""

    name = "api_honours_the_window"
    description = "At least half of the rows that the API returned belong to the requested time window."

    def applies_to(self, plan: AssetPlan) -> bool:
        incremental = plan.resource.endpoint.incremental
        return bool(incremental and incremental.cursor_path)

    def evaluate(self, run: RunOfLoads) -> Finding | None:
        results = [result for result in run.results if result.window]
        if not results:
            return None  # a full refresh has no window
        rows = sum(result.rows for result in results)
        outside = sum(result.statistics.rows_outside_window for result in results)
        metadata = {"rows": rows, "rows_outside_window": outside}
        if outside <= rows:
            return Finding(True, f"{counted(rows, 'row')} in the window, {outside:,} outside of it.", metadata)
        return Finding(
            False,
            f"{outside:,} of {counted(rows + outside, 'row')} are outside of the window and were discarded: the API "
            "seems to ignore the parameters of `incremental`, and each load reads more than it needs. Correct "
            "`start_param`, `end_param` or `format`",
            metadata,
        )


class RealData(Check):
    """Only for APIs whose YAML allows the sandbox."""

    name = "holds_real_data"
    description = "The rows come from the API, not from the sandbox, which invents data while no credentials are set."

    def applies_to(self, plan: AssetPlan) -> bool:
        return plan.may_be_sandbox

    def evaluate(self, run: RunOfLoads) -> Finding:
        if not run.sandbox:
            return Finding(True, "The API served the rows.", {"sandbox_rows": 0})
        rows = sum(result.rows for result in run.results)
        return Finding(
            False,
            f"{counted(rows, 'row')} of invented data: the sandbox served the API, since none of its variables is set. "
            "Set the variables of the API (see .env.example) and load again",
            {"sandbox_rows": rows},
        )
