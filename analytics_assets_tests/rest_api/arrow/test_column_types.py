"""What columns hold: which values are of a declared kind, how they are written, and where the others go."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_assets.rest_api.arrow.table_schema import TableSchema
from analytics_assets.rest_api.config import Column


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[arg-type, misc]


MONEY = Column(data_type="decimal", precision=18, scale=2)
DECLARED: list[tuple[Column, Any, Any]] = [
    (Column(data_type="bool"), False, False),
    (Column(data_type="bigint"), 5, 5),
    (Column(data_type="double"), 5, 5.0),
    (Column(data_type="text"), "5", "5"),
    (Column(data_type="text"), 5, "5"),
    (Column(data_type="text"), 2**70, str(2**70)),
    (Column(data_type="text"), True, "true"),
    (Column(data_type="text"), 1.5, "1.5"),
    (Column(data_type="text"), Decimal("0.12345678901234567890"), "0.12345678901234567890"),
    (Column(data_type="json"), "any", '"any"'),
    (Column(data_type="json"), 1.5, "1.5"),
    (Column(data_type="json"), 2**70, str(2**70)),
    (Column(data_type="json"), False, "false"),
    (Column(data_type="json"), {}, "{}"),
    (MONEY, 12.34, Decimal("12.34")),
    (MONEY, 12, Decimal("12.00")),
    (MONEY, "-12.340", Decimal("-12.34")),
    (MONEY, Decimal("1234567890123456.78"), Decimal("1234567890123456.78")),
    (Column(data_type="decimal"), 0.5, Decimal("0.500000000")),
    (Column(data_type="decimal", precision=40, scale=2), 10**37, Decimal(10**37)),
    (Column(data_type="date"), "2026-02-28", date(2026, 2, 28)),
    (Column(data_type="timestamp"), "2026-01-01T00:00:00Z", utc(2026, 1, 1)),
    (Column(data_type="timestamp", format="iso8601"), "2026-01-01T01:00:00+01:00", utc(2026, 1, 1)),
    (Column(data_type="timestamp", format="iso8601"), "2026-01-01 01:00:00.5+0100", utc(2026, 1, 1, 0, 0, 0, 500000)),
    (Column(data_type="timestamp", format="iso8601"), "2026-01-01T00:00:00", utc(2026, 1, 1)),
    (Column(data_type="timestamp", format="iso8601"), "2026-01-01", utc(2026, 1, 1)),
    (Column(data_type="timestamp", format="date"), "2026-01-01", utc(2026, 1, 1)),
    (
        Column(data_type="timestamp", format="iso8601"),
        "2026-01-01t00:00:00.123456789z",
        utc(2026, 1, 1, 0, 0, 0, 123456),
    ),
    (
        Column(data_type="timestamp", format="iso8601"),
        "9999-12-31T23:59:59.999999Z",
        utc(9999, 12, 31, 23, 59, 59, 999999),
    ),
    (Column(data_type="timestamp", format="epoch_ms"), 1767225600001, utc(2026, 1, 1, 0, 0, 0, 1000)),
    (Column(data_type="timestamp", format="epoch_ms"), -1, utc(1969, 12, 31, 23, 59, 59, 999000)),
    (Column(data_type="timestamp", format="epoch_ms"), "1767225600001", utc(2026, 1, 1, 0, 0, 0, 1000)),
    (Column(data_type="timestamp", format="epoch_s"), 1767225600, utc(2026, 1, 1)),
    (Column(data_type="timestamp", format="epoch_s"), 1767225600.123, utc(2026, 1, 1, 0, 0, 0, 123000)),
    (
        Column(data_type="timestamp", format="epoch_s"),
        Decimal("1767225600.123456789"),
        utc(2026, 1, 1, 0, 0, 0, 123456),
    ),
    (Column(data_type="timestamp", format="%d/%m/%Y %H:%M"), "31/01/2026 05:06", utc(2026, 1, 31, 5, 6)),
    (Column(data_type="timestamp", format="%Y-%m-%d %H:%M:%S%z"), "2026-01-31 05:06:00+0500", utc(2026, 1, 31, 0, 6)),
]
MISMATCHES: list[tuple[Column, Any, str, Any]] = [
    (Column(data_type="bool"), "true", "v_text", "true"),
    (Column(data_type="bigint"), "5", "v_text", "5"),
    (Column(data_type="bigint"), 5.0, "v_double", 5.0),
    (Column(data_type="double"), "5", "v_text", "5"),
    (Column(data_type="double"), True, "v_bool", True),
    (Column(data_type="text"), {"a": 1}, "v_json", '{"a":1}'),
    (Column(data_type="text"), [5], "v_json", "[5]"),
    (MONEY, 12.345, "v_double", 12.345),
    (MONEY, "12.345", "v_text", "12.345"),
    (MONEY, 10**17, "v_bigint", 10**17),
    (MONEY, "NaN", "v_text", "NaN"),
    (MONEY, "1_000", "v_text", "1_000"),
    (MONEY, "1e999999999", "v_text", "1e999999999"),
    (MONEY, True, "v_bool", True),
    (MONEY, Decimal("0.123456789012345678"), "v_text", "0.123456789012345678"),
    (Column(data_type="date"), "2026-02-30", "v_text", "2026-02-30"),
    (Column(data_type="date"), "2026-02-28T10:00:00Z", "v_text", "2026-02-28T10:00:00Z"),
    (Column(data_type="date"), 20260228, "v_bigint", 20260228),
    (Column(data_type="timestamp"), "", "v_text", ""),
    (Column(data_type="timestamp"), "soon", "v_text", "soon"),
    (Column(data_type="timestamp"), 1767225600, "v_bigint", 1767225600),
    (Column(data_type="timestamp"), "0000-01-01T00:00:00Z", "v_text", "0000-01-01T00:00:00Z"),
    (Column(data_type="timestamp"), "0001-01-01T00:00:00+01:00", "v_text", "0001-01-01T00:00:00+01:00"),
    (Column(data_type="timestamp"), "2026-02-30T00:00:00Z", "v_text", "2026-02-30T00:00:00Z"),
    (Column(data_type="timestamp", format="epoch_ms"), "2026-01-01", "v_text", "2026-01-01"),
    (Column(data_type="timestamp", format="epoch_ms"), 2**62, "v_bigint", 2**62),
    (Column(data_type="timestamp", format="epoch_ms"), 10**30, "v_decimal", 10**30),
    (Column(data_type="timestamp", format="epoch_s"), 1e300, "v_double", 1e300),
    (Column(data_type="timestamp", format="epoch_s"), True, "v_bool", True),
    (Column(data_type="timestamp", format="%d/%m/%Y"), "2026-01-01", "v_text", "2026-01-01"),
    (Column(data_type="timestamp", format="%d/%m/%Y"), 5, "v_bigint", 5),
    (Column(data_type="timestamp", format="%Y-%m-%d%z"), "0001-01-01+0500", "v_text", "0001-01-01+0500"),
]


@pytest.mark.parametrize(("column", "value", "expected"), DECLARED)
def test_declared(column: Column, value: Any, expected: Any) -> None:
    schema = TableSchema(columns={"f": column})
    assert schema.convert([{"f": value}, {"f": None}, {}]).to_pydict() == {"f": [expected, None, None]}
    # Beside a value of another kind, where values are looked at one by one, it is the same.
    beside = schema.convert([{"f": value}, {"f": {"odd": "one"} if column.data_type != "json" else "\ud83d"}])
    assert beside.column("f").to_pylist() == [expected, None]


@pytest.mark.parametrize(("column", "value", "variant", "kept"), MISMATCHES)
def test_value_of_another_kind(column: Column, value: Any, variant: str, kept: Any) -> None:
    schema = TableSchema(columns={"f": column})
    assert schema.convert([{"f": value}]).to_pydict() == {"f": [None], f"f__{variant}": [kept]}
    assert schema.changed_columns() == {"f": [f"f__{variant}"]}
    assert schema.convert([{}]).to_pydict() == {"f": [None], f"f__{variant}": [None]}


odd_values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.lists(st.text())
    | st.sampled_from([2**63, 10**38, 10**400, "\ud83d", ["\ud83d"], Decimal("1E+30")])
)


@settings(deadline=None)
@given(
    st.sampled_from([column for column, *_ in DECLARED]),
    st.lists(odd_values | st.sampled_from([v for _, v, *_ in DECLARED])),
)
def test_every_value_of_a_declared_column_is_in_exactly_one(column: Column, values: list[Any]) -> None:
    rows = TableSchema(columns={"f": column}).convert([{"f": value} for value in values]).to_pylist()
    held = [sum(cell is not None for cell in row.values()) for row in rows]
    assert held == [int(value is not None) for value in values]
