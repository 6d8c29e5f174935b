"""Statistics: the rows and pages of a load, for metadata and checks."""

from __future__ import annotations

from dataclasses import dataclass, field

from analytics_assets.rest_api.extract.children.bindings import ParentCounts


@dataclass
class Statistics:
    """What a load read.

    Attributes:
        rows: Rows that were written to the table.
        rows_outside_window: Rows that were discarded because their cursor is outside the window.
        rows_without_key: Rows that were discarded because a key is null (`null_key: skip`).
        pages: Pages that were read.
        api_total: Rows of the read as the API counts them; None if it names no total.
        ignored_reads: Reads without rows because `response_actions` ignores their response.
        changed_columns: Columns with values of another type: their variant columns, or how many values were discarded.
        parents: Counts of parents, or of combinations of `for_each`; None if the endpoint is read once.
    """

    rows: int = 0
    rows_outside_window: int = 0
    rows_without_key: int = 0
    pages: int = 0
    api_total: int | None = None
    ignored_reads: int = 0
    changed_columns: dict[str, list[str]] = field(default_factory=dict)
    parents: ParentCounts | None = None

    @property
    def fetched(self) -> int:
        """Rows that the API sent."""
        return self.rows + self.rows_outside_window + self.rows_without_key

    @property
    def filter_seems_ignored(self) -> bool:
        """Whether most rows were outside the window: the API does not filter as the configuration says."""
        return self.rows_outside_window > self.rows
