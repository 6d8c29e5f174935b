"""How far a read is, for reads whose end is known."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import Self

from analytics_assets.rest_api.extract.pagination.base import Totals


@dataclass(frozen=True)
class ReadProgress:
    """How many units of a known total were read.

    Attributes:
        done: How many units were read.
        total: How many there are, at least one. The API may be wrong about it.
        unit: The unit in the singular, such as row, page or parent.
    """

    done: int
    total: int
    unit: str = "row"

    @classmethod
    def of(cls, rows: int, pages: int, totals: Totals) -> Self | None:
        """The progress of a read, by the totals that the API names; None if it names none."""
        if totals.rows:
            return cls(rows, totals.rows)
        return cls(pages, totals.pages, "page") if totals.pages else None

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return min(self.done / self.total, 1.0)

    def seconds_left(self, seconds: float) -> float:
        """An estimate, from the seconds that the read has taken so far."""
        return seconds * (self.total / self.done - 1) if 0 < self.done < self.total else 0.0


def total_rows(progress: ReadProgress | None) -> int | None:
    """The rows of a read as the API counts them; None if it does not count rows."""
    return progress.total if progress and progress.unit == "row" else None
