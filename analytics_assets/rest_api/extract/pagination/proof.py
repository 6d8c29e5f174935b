"""Proof: what shows that a read has all rows of the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from typing_extensions import Self

Proof = Literal["total", "end", "empty page", "last page", "none", "bound"]
WEAKEST_FIRST: tuple[Proof, ...] = ("bound", "none", "last page", "empty page", "end", "total")


@dataclass(frozen=True)
class Completeness:
    """How completely the rows of one or more reads were read.

    Attributes:
        proof: What proves that no row is missing. `total`: the API's total. `end`: the API said that no page follows.
            `empty page`: the page after the last one is empty, or does not exist. `last page`: the API named no next
            page, and the page was not full. `none`: the API named no next page, but the page was full. `bound`: the
            configuration ended the read.
        rows: Rows that were read.
        promised_rows: The API's total of rows; None if it names none.
    """

    proof: Proof
    rows: int = 0
    promised_rows: int | None = None

    @property
    def is_proven(self) -> bool:
        return self.proof not in ("none", "bound")

    @classmethod
    def combined(cls, parts: Sequence[Self]) -> Self | None:
        """The completeness of several reads: the weakest proof, and the sums of the rows; None without a read."""
        if not parts:
            return None
        promised = [part.promised_rows for part in parts]
        known = [count for count in promised if count is not None]
        return cls(
            min((part.proof for part in parts), key=WEAKEST_FIRST.index),
            rows=sum(part.rows for part in parts),
            promised_rows=sum(known) if len(known) == len(parts) else None,
        )
