"""SQL that widens stored columns of numbers: the same on all destinations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.arrow.numbers import Widening
from analytics_assets.rest_api.config import DataType
from analytics_assets.rest_api.destination.merge_sql import TargetTable
from analytics_assets.rest_api.destination.plan import Plan

SQL_TYPES: dict[DataType, str] = {"bigint": "BIGINT", "decimal": "DECIMAL(38, 0)"}
BIGINT_RANGE = f"BETWEEN {-(2**63)} AND {2**63 - 1}"
DOUBLE_BITS = 53  # of a double's significand
MAX_BITS = {"bigint": 63, "decimal": 127}  # of the numbers of a column: 10^38 has 127 bits


@dataclass(frozen=True)
class Conversion:
    """A stored column that gets other values, computed from the stored ones.

    Attributes:
        column: The column.
        type: Its type after the conversion.
        sql_type: The same in SQL.
        value: The expression of its value; None for a change of the type only.
        is_variant: Whether it is a variant column, which may have to be added first.
    """

    column: str
    type: ColumnType
    sql_type: str
    value: str | None
    is_variant: bool = False


def conversions(plan: Plan, table: TargetTable, query: Callable[[str], Sequence[Any] | None]) -> Iterator[Conversion]:
    """What happens to the columns of `Plan.widen`.

    Whole numbers that a double does not hold exactly move to variant columns.

    Args:
        plan: Names the columns.
        table: The table, with the wider types.
        query: Runs a query.
    """
    for column, widening in plan.widen.items():
        number = table.quote(column)
        if not widening.variants:
            yield Conversion(column, widening.new, table.types[column], None)
            continue
        for data_type, name in widening.variants.items():
            moves = f"{number} IS NOT NULL AND NOT {_is_exact(number, widening)} AND {_is_of_type(number, data_type)}"
            if query(f"SELECT 1 FROM {table.name} WHERE {moves} LIMIT 1"):
                sql_type = SQL_TYPES[data_type]
                moved = f"CASE WHEN {moves} THEN CAST({number} AS {sql_type}) END"
                yield Conversion(
                    name, ColumnType(data_type), sql_type, f"COALESCE({table.quote(name)}, {moved})", is_variant=True
                )
        exact = f"CASE WHEN {_is_exact(number, widening)} THEN CAST({number} AS {table.types[column]}) END"
        yield Conversion(column, widening.new, table.types[column], exact)


def widen_columns(plan: Plan, table: TargetTable, query: Callable[[str], Sequence[Any] | None]) -> Iterator[str]:
    """The statements that give stored columns their wider type, and add variant columns where they are needed."""
    for conversion in conversions(plan, table, query):
        column, sql_type = table.quote(conversion.column), conversion.sql_type
        if conversion.is_variant:
            yield f"ALTER TABLE {table.name} ADD COLUMN IF NOT EXISTS {column} {sql_type}"
        using = f" USING {conversion.value}" if conversion.value else ""
        yield f"ALTER TABLE {table.name} ALTER COLUMN {column} TYPE {sql_type}{using}"


def _is_exact(number: str, widening: Widening) -> str:
    """Whether a double holds the number exactly: all of its bits but the first 53 are zero."""
    last = MAX_BITS[widening.old.data_type]
    cases = [
        f"WHEN {number} BETWEEN {-(2**bits)} AND {2**bits} THEN {number} % {2 ** (bits - DOUBLE_BITS)} = 0"
        for bits in range(DOUBLE_BITS, last)
    ]
    return f"(CASE {' '.join(cases)} ELSE {number} % {2 ** (last - DOUBLE_BITS)} = 0 END)"


def _is_of_type(number: str, data_type: DataType) -> str:
    return f"({number} {BIGINT_RANGE})" if data_type == "bigint" else f"NOT ({number} {BIGINT_RANGE})"
