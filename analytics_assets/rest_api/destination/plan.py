"""What a load does to its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from analytics_assets.rest_api.arrow.numbers import Widening
from analytics_assets.rest_api.windows import Window

Mode = Literal["merge", "append", "replace"]


@dataclass(frozen=True)
class ParentKeyFiles:
    """Parquet files with the columns of `Plan.parent_key`.

    Attributes:
        read: The parents that the load has read.
        existing: The parents that exist when the load writes: read from the parent's table after the load has locked
            its own table, so that the parents of all rows in it are included.
    """

    read: Path
    existing: Path


@dataclass(frozen=True)
class Plan:
    """What a load does to its table. Columns have their names in the destination.

    Attributes:
        table: Name of the table, without its dataset.
        mode: `merge` upserts rows by `primary_key`; a row never replaces one with a greater `cursor`.
            `append` replaces the stored rows of `window` with those of the load.
            `replace` replaces all rows.
        primary_key: The key columns; empty if rows have no key. With `append` it is ignored.
        cursor: The column that says when a row changed, a timestamp, a date or a number; None if there is none.
        cursor_format: How the API writes the cursor: `incremental.format`.
        window: The time range that the load covers; None for all history.
        recreate_table: With `replace`: drop the table and create it anew, with the columns of this load only.
        widen: Stored columns of numbers that get a wider type in the load's transaction, before rows are written.
        counts_gone_rows: Whether to count the stored rows whose key is not in the load.
        read_columns: Columns with values of the parent or of `for_each` that are not in the key.
        parent_key: With `merge`: the columns that name the parent of a row, if the rows of all parents that were read
            are replaced as a whole, and those of parents that do not exist any more are deleted.
        parents: The keys of the parents, with `parent_key`. None until the load writes, and if the table has no column
            for one of them.
    """

    table: str
    mode: Mode
    primary_key: tuple[str, ...] = ()
    cursor: str | None = None
    cursor_format: str = "iso8601"
    window: Window | None = None
    recreate_table: bool = False
    widen: Mapping[str, Widening] = field(default_factory=dict)
    counts_gone_rows: bool = False
    read_columns: tuple[str, ...] = ()
    parent_key: tuple[str, ...] = ()
    parents: ParentKeyFiles | None = None


@dataclass
class LoadOutcome:
    """What a load found in its table.

    Attributes:
        rows_gone: Rows that the table had and whose key is not in the load; None if they were not counted.
        gone_keys: Some of their keys.
        overwritten_rows: Stored rows of other parents, or of other values of `for_each`, that rows with the same key
            replace.
    """

    rows_gone: int | None = None
    gone_keys: tuple[tuple[Any, ...], ...] = ()
    overwritten_rows: int = 0
