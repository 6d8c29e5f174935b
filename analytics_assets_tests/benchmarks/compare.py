"""Compares the rows that two programs loaded, in all columns. A load with different rows is not reported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from analytics_assets_tests.benchmarks.tables import columns

OWNER = '{"id":"BIGINT","name":"VARCHAR","region":{"code":"VARCHAR","desk":"BIGINT"}}'
# How a program stores nested values: as the API's own text, as JSON written again, or in columns and a child table.
# The last two are for the table `rows` only.
Layout = Literal["text", "json", "flat"]
NESTED = {
    "json": f"from_json(owner, '{OWNER}') AS owner, from_json(tags, '[\"VARCHAR\"]') AS tags",
    "flat": "{'id': owner__id, 'name': owner__name, "
    "'region': {'code': owner__region__code, 'desk': owner__region__desk}} AS owner, COALESCE(t.tags, []) AS tags",
}
CHILDREN = (
    "LEFT JOIN (SELECT _dlt_parent_id, LIST(value ORDER BY _dlt_list_idx) AS tags "
    "FROM {database}.bench.rows__tags GROUP BY ALL) t ON t._dlt_parent_id = r._dlt_id"
)


@dataclass(frozen=True)
class Loaded:
    """The table `bench.rows` of a DuckDB file, as one program writes it.

    Attributes:
        decimals: The number of decimals that the program keeps of a fraction; None for all.
        table: The name of the table in the API.
    """

    program: str
    database: Path
    layout: Layout = "text"
    snake_case: bool = True
    decimals: int | None = None
    table: str = "rows"

    def select(self, database: str, layout: Layout, decimals: int | None) -> str:
        scalars = [
            self._value(name, data_type, decimals if data_type == "DOUBLE" else None) + f" AS {name}"
            for name, data_type in columns(self.table).items()
            if data_type != "JSON" or layout == "text"
        ]
        nested = [NESTED[layout]] if layout in NESTED else []
        children = CHILDREN.format(database=database) if layout == "flat" else ""
        return f"SELECT {', '.join([*scalars, *nested])} FROM {database}.bench.rows r {children}"

    def _value(self, name: str, data_type: str, decimals: int | None) -> str:
        column = name if self.snake_case else name.replace("_", "")
        data_type = "VARCHAR" if data_type == "JSON" else data_type
        return f"CAST({column} AS {data_type})" if decimals is None else f"CAST({column} AS DECIMAL(38, {decimals}))"


class ContentError(Exception):
    """Two programs did not load the same rows."""


def compare(left: Loaded, right: Loaded) -> int:
    """The number of rows, which are equal in both tables.

    Raises:
        ContentError: Rows differ; the message counts the rows that only one of them has.
    """
    layouts: dict[str, Layout] = {"left": left.layout, "right": right.layout}
    if "text" in layouts.values() and len(set(layouts.values())) > 1:  # text can be parsed, but not rebuilt
        layouts = {side: "json" if layout == "text" else layout for side, layout in layouts.items()}
    decimals = min((loaded.decimals for loaded in (left, right) if loaded.decimals is not None), default=None)
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        for side, loaded in (("left", left), ("right", right)):
            connection.execute(f"ATTACH '{loaded.database}' AS {side}_file (READ_ONLY)")
            connection.execute(f"CREATE VIEW {side}_rows AS {loaded.select(f'{side}_file', layouts[side], decimals)}")
        # Sums of row hashes compare large tables in a second. Different rows are counted only if the sums differ.
        digests = [
            connection.execute(f"SELECT COUNT(*), SUM(hash(r)) FROM {side}_rows r").fetchall()[0] for side in layouts
        ]
        if digests[0] != digests[1]:
            missing, extra = (
                connection.execute(f"SELECT COUNT(*) FROM (FROM {one}_rows EXCEPT ALL FROM {other}_rows)").fetchall()
                for one, other in (("right", "left"), ("left", "right"))
            )
            raise ContentError(
                f"{left.program} ({digests[0][0]} rows) and {right.program} ({digests[1][0]} rows) "
                f"loaded different rows: {extra[0][0]} are in the first only, {missing[0][0]} in the second only"
            )
        return int(digests[0][0])
