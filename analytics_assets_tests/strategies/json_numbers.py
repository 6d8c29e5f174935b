"""Numbers as JSON has them, and the columns that they belong to, whatever their order."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

Number = int | float
EDGES = [2**53, 2**53 + 1, 2**60, 2**63 - 1, 2**63, 2**63 + 1, -(2**63), 2**100 + 1, 10**23, 10**38, 0.5, 5.0, -0.0]
numbers = (
    st.integers(-100, 100) | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(EDGES)
)


def expected_types(column: str, numbers: Sequence[Number]) -> dict[str, str]:
    """The data types of the column and of its variant columns."""
    types = {column: expected_type(numbers)}
    for number in numbers:
        name = expected_column(column, number, types[column])
        types.setdefault(name, name.rpartition("__v_")[2])
    return types


def expected_type(numbers: Sequence[Number]) -> str:
    """The data type of the column."""
    if any(isinstance(number, float) for number in numbers):
        return "double"
    return "bigint" if all(-(2**63) <= number < 2**63 for number in numbers) else "decimal"


def expected_column(column: str, number: Number, data_type: str) -> str:
    """The column with the number, if the column is of a data type."""
    if isinstance(number, float) or (float(number) == number if data_type == "double" else abs(number) < 10**38):
        return column
    if -(2**63) <= number < 2**63:
        return f"{column}__v_bigint"
    return f"{column}__v_decimal" if abs(number) < 10**38 else f"{column}__v_text"
