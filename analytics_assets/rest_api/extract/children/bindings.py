"""Bindings: the values of placeholders for one read of an endpoint, from a parent's row and from `for_each`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Binding:
    """The values of one read.

    Attributes:
        number: Position of the read, from 0.
        values: The value of each placeholder, such as `resources.projects.id` or `region`.
        columns: Values to add to each row, by field, such as `_projects_id` or `_region`.
        parent: Position of the parent's row. Several reads of `for_each` may belong to one.
    """

    number: int
    values: Mapping[str, Any]
    columns: Mapping[str, Any]
    parent: int = 0


Origins = tuple[tuple[Binding, int], ...]
"""The reads that successive rows come from, and how many rows come from each."""


@dataclass
class ParentCounts:
    """Counts of parents; of combinations of values if there is no parent.

    Attributes:
        read: Parents that were read.
        without_rows: Parents without rows.
        ignored: Parents whose reads were all ignored by `response_actions`; they have no rows either.
    """

    read: int = 0
    without_rows: int = 0
    ignored: int = 0
