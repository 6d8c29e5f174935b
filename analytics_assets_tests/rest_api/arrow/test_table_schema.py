"""Types: what columns records make, what happens to values of another kind, and that no value is ever lost."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_assets.rest_api.arrow.column_names import column_name
from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.arrow.table_schema import TableSchema
from analytics_assets.rest_api.config import Column, DataType
from analytics_assets.rest_api.errors import DataError

Records = list[dict[str, Any]]


MONEY = Column(data_type="decimal", precision=18, scale=2)


def data_types(schema: TableSchema) -> dict[str, Any]:
    return {name: hints["data_type"] for name, hints in schema.dlt_columns().items()}


INFERRED: list[tuple[str, list[Any], dict[str, DataType], dict[str, list[Any]]]] = [
    ("bool", [True, None, False], {"f": "bool"}, {"f": [True, None, False]}),
    ("int", [1, None, -(2**63)], {"f": "bigint"}, {"f": [1, None, -(2**63)]}),
    ("float", [1.5, None], {"f": "double"}, {"f": [1.5, None]}),
    ("text", ["a", "", "\U0001f600é\0"], {"f": "text"}, {"f": ["a", "", "\U0001f600é\0"]}),
    ("object", [{"b": 1, "a": [1.5, None]}], {"f": "json"}, {"f": ['{"b":1,"a":[1.5,null]}']}),
    ("list", [["é", 2**70]], {"f": "json"}, {"f": [f'["é",{2**70}]']}),
    ("nested digits", [[Decimal("0.123456789012345678")]], {"f": "json"}, {"f": ["[0.123456789012345678]"]}),
    ("null only", [None, None], {}, {}),
    ("null first", [None, 1], {"f": "bigint"}, {"f": [None, 1]}),
    ("big int", [2**63, 5], {"f": "decimal"}, {"f": [2**63, 5]}),
    (
        "huge int",
        [10**38, "a"],
        {"f": "decimal", "f__v_text": "text"},
        {"f": [None, None], "f__v_text": [str(10**38), "a"]},
    ),
    ("more digits than a double", [Decimal("0.123456789012345678")], {"f": "double"}, {"f": [0.123456789012345678]}),
    ("int in double", [1.5, 2, 2**53, 2**60], {"f": "double"}, {"f": [1.5, 2.0, 2.0**53, 2.0**60]}),
    (
        "int that no double holds",
        [1.5, 2**53 + 1],
        {"f": "double", "f__v_bigint": "bigint"},
        {"f": [1.5, None], "f__v_bigint": [None, 2**53 + 1]},
    ),
    (
        "int beyond all doubles",
        [1.5, 10**400],
        {"f": "double", "f__v_text": "text"},
        {"f": [1.5, None], "f__v_text": [None, str(10**400)]},
    ),
    ("double in bigint", [1, 5.0], {"f": "double"}, {"f": [1.0, 5.0]}),
    ("exact int, then double", [2**60, 0.5], {"f": "double"}, {"f": [2.0**60, 0.5]}),
    (
        "int that no double holds, then double",
        [2**53 + 1, 2**60, None, 1.5],
        {"f": "double", "f__v_bigint": "bigint"},
        {"f": [None, 2.0**60, None, 1.5], "f__v_bigint": [2**53 + 1, None, None, None]},
    ),
    (
        "decimals that no double holds, then double",
        [2**53 + 1, 2**63, 2**63 + 1, 1.5],
        {"f": "double", "f__v_bigint": "bigint", "f__v_decimal": "decimal"},
        {
            "f": [None, 2.0**63, None, 1.5],
            "f__v_bigint": [2**53 + 1, None, None, None],
            "f__v_decimal": [None, None, 2**63 + 1, None],
        },
    ),
    (
        "more digits than a double, in bigint",
        [1, Decimal("0.123456789012345678")],
        {"f": "double"},
        {"f": [1.0, 0.123456789012345678]},
    ),
    (
        "big int in bigint",
        [1, 2**63, 10**40],
        {"f": "decimal", "f__v_text": "text"},
        {"f": [1, 2**63, None], "f__v_text": [None, None, str(10**40)]},
    ),
    (
        "bool in bigint",
        [1, True],
        {"f": "bigint", "f__v_bool": "bool"},
        {"f": [1, None], "f__v_bool": [None, True]},
    ),
    (
        "int in bool",
        [True, 1],
        {"f": "bool", "f__v_bigint": "bigint"},
        {"f": [True, None], "f__v_bigint": [None, 1]},
    ),
    (
        "many kinds in text",
        ["a", 1, {"b": 1}, [], 1.5],
        {"f": "text", "f__v_bigint": "bigint", "f__v_json": "json", "f__v_double": "double"},
        {
            "f": ["a", None, None, None, None],
            "f__v_bigint": [None, 1, None, None, None],
            "f__v_json": [None, None, '{"b":1}', "[]", None],
            "f__v_double": [None, None, None, None, 1.5],
        },
    ),
    (
        "text in json",
        [{"a": 1}, "[1]"],
        {"f": "json", "f__v_text": "text"},
        {"f": ['{"a":1}', None], "f__v_text": [None, "[1]"]},
    ),
    (
        "text in decimal",
        [2**63, "5"],
        {"f": "decimal", "f__v_text": "text"},
        {"f": [2**63, None], "f__v_text": [None, "5"]},
    ),
    (
        "half of a character",
        ["a", "cut \ud83d"],
        {"f": "text", "f__v_text": "text"},
        {"f": ["a", None], "f__v_text": [None, '"cut \\ud83d"']},
    ),
    (
        "half of a character, nested",
        [["\ud83d"], [1]],
        {"f": "json", "f__v_text": "text"},
        {"f": [None, "[1]"], "f__v_text": ['["\\ud83d"]', None]},
    ),
]


@pytest.mark.parametrize(
    ("values", "expected_kinds", "columns"), [case[1:] for case in INFERRED], ids=[case[0] for case in INFERRED]
)
def test_inferred(values: list[Any], expected_kinds: dict[str, DataType], columns: dict[str, list[Any]]) -> None:
    schema = TableSchema()
    table = schema.convert([{"f": value} for value in values])
    assert table.to_pydict() == columns
    assert data_types(schema) == expected_kinds
    variants = sorted(set(columns) - {"f"})
    assert schema.changed_columns() == ({"f": variants} if variants else {})


@pytest.mark.parametrize(
    ("values", "columns"), [(case[1], case[3]) for case in INFERRED], ids=[case[0] for case in INFERRED]
)
def test_inferred_alike_in_batches_of_one(values: list[Any], columns: dict[str, list[Any]]) -> None:
    schema = TableSchema()
    tables = [schema.convert([{"f": value}]) for value in values]
    assert schema.concat(tables).to_pydict() == columns


def test_declared_columns_exist_without_values() -> None:
    schema = TableSchema(
        columns={"createdAt": Column(data_type="timestamp", format="epoch_ms"), "tags": Column(data_type="json")}
    )
    table = schema.convert([])
    assert table.schema == pa.schema({"created_at": pa.timestamp("us", "UTC"), "tags": pa.string()})
    assert schema.convert([{"a": 1}]).to_pydict() == {"created_at": [None], "tags": [None], "a": [1]}


def test_stored_columns_come_before_inference_and_are_always_there() -> None:
    stored: dict[str, DataType] = {"amount": "bigint", "amount__v_text": "text", "gone": "json", "_dlt_load_id": "text"}
    schema = TableSchema(stored={name: ColumnType(data_type) for name, data_type in stored.items()})
    assert schema.convert([{"amount": True, "new": True}]).to_pydict() == {
        "amount": [None],
        "amount__v_text": [None],
        "gone": [None],
        "amount__v_bool": [True],
        "new": [True],
    }
    assert schema.changed_columns() == {"amount": ["amount__v_bool"]}


def test_declared_comes_before_stored() -> None:
    schema = TableSchema(columns={"f": Column(data_type="double")}, stored={"f": ColumnType("bigint")})
    assert schema.convert([{"f": 1}]).schema.field("f").type == pa.float64()


def test_schema_only_grows() -> None:
    schema = TableSchema()
    tables = [schema.convert(records) for records in ([{"a": 1}], [{"b": "x"}, {"a": "y"}], [], [{"c": None}])]
    assert [table.column_names for table in tables] == [["a"], *[["a", "b", "a__v_text"]] * 3]
    assert schema.concat(tables).to_pydict() == {
        "a": [1, None, None, None],
        "b": [None, "x", None, None],
        "a__v_text": [None, None, "y", None],
    }
    assert schema.concat([]).schema == tables[-1].schema


def test_tables_from_before_the_first_record_are_joined_too() -> None:
    schema = TableSchema(primary_key=["id"])
    tables = [schema.convert(records) for records in ([], [{"id": 1, "f": None}], [{"id": 2, "f": "x"}])]
    table = schema.concat(tables)
    assert table.to_pydict() == {"id": [1, 2], "f": [None, "x"]}
    assert [field.nullable for field in table.schema] == [False, True]
    assert TableSchema().concat([]).num_columns == 0


def test_dlt_columns() -> None:
    schema = TableSchema(
        columns={"at": Column(data_type="timestamp", nullable=False, description="When."), "money": MONEY},
        primary_key=["Id"],
    )
    schema.convert([{"id": 1, "at": "2026-01-01", "o": {}}])
    assert schema.dlt_columns() == {
        "at": {"name": "at", "nullable": False, "data_type": "timestamp", "precision": 6, "description": "When."},
        "money": {"name": "money", "nullable": True, "data_type": "decimal", "precision": 18, "scale": 2},
        "id": {"name": "id", "nullable": False, "data_type": "bigint", "primary_key": True},
        "o": {"name": "o", "nullable": True, "data_type": "json"},
    }


NAMES = [
    ("createdAt", "created_at"),
    ("created_at", "created_at"),
    ("a b/c", "a_b_c"),
    ("1st", "_1st"),
    ("", "x"),
    ("  ", "x"),
    ("\U0001f600", "x"),
    ("\ud83d", "x"),
    ("select", "select"),
    ('"; drop table t; --', "_drop_table_txxx"),
    ("a__v_double", "a_v_double"),
    ("x" * 200, "x" * 200),
]


@pytest.mark.parametrize(("field", "column"), NAMES)
def test_names(field: str, column: str) -> None:
    schema = TableSchema()
    assert column_name(field) == column
    assert schema.column_for(field) == column
    assert schema.convert([{field: 1}]).to_pydict() == {column: [1]}


def test_long_names_fit_the_destination() -> None:
    schema = TableSchema(max_name_length=63)
    names = schema.convert([{"x" * 100: 1}, {"x" * 100: "a"}, {"x" * 99 + "y": 1}]).column_names
    assert [len(name) for name in names] == [63, 63, 63]
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    ("settings", "batches", "words"),
    [
        ({}, [[{"createdAt": 1, "created_at": 2}]], ["'createdAt'", "'created_at'"]),
        ({}, [[{"createdAt": 1}], [{"created_at": 2}]], ["'createdAt'", "'created_at'"]),
        ({}, [[{"_dlt_load_id": 1}]], ["'_dlt_load_id'", "dlt writes itself"]),
        ({}, [[{"_dltId": 1}]], ["'_dltId'", "'_dlt_id'"]),
        ({"primary_key": ["id"]}, [[{"id": 1}, {"id": None}, {}]], ["'id'", "2 of 3 records", "null_key: skip"]),
        ({"primary_key": ["a", "b"]}, [[{"a": 1, "b": 2}, {"a": 1}]], ["'b'", "1 of 2 records"]),
        ({"primary_key": ["uid"]}, [[{"id": 1, "name": "x"}]], ["'uid'", "1 of 1", "'id', 'name'"]),
        (
            {"primary_key": ["id"]},
            [[{"id": 1}, {"id": "a"}]],
            ["'id' changed its type", "bigint", "text in 1 of 2 records", "Declare `id: {type: string}`"],
        ),
        ({"primary_key": ["id"]}, [[{"id": 1}], [{"id": 2**64}]], ["'id' changed its type", "decimal"]),
        (
            {"primary_key": ["id"], "stored": {"id": ColumnType("text")}},
            [[{"id": 1}]],
            ["'id' changed its type", "bigint"],
        ),
        (
            {"columns": {"f": Column(data_type="text", nullable=False)}},
            [[{"f": "a"}, {}]],
            ["'f'", "1 of 2", "not nullable"],
        ),
        ({"columns": {"f": Column(data_type="text", nullable=False)}}, [[{"a": 1}]], ["'f'", "1 of 1", "not nullable"]),
        ({"columns": {"f": Column(data_type="text", nullable=False)}}, [[{"f": [5]}]], ["'f'", "another type"]),
        ({"primary_key": ["id"]}, [[{"id": 1}, {"id": [1]}]], ["json in 1 of 2 records", "correct `primary_key`"]),
        ({"primary_key": ["id"]}, [[{"id": 1}, {"id": 1.5}]], ["'id' changed its type", "double in 1 of 2 records"]),
    ],
)
def test_refused(settings: dict[str, Any], batches: list[Records], words: list[str]) -> None:
    schema = TableSchema(**settings)
    for records in batches[:-1]:
        schema.convert(records)
    with pytest.raises(DataError) as error:
        schema.convert(batches[-1])
    assert [word for word in words if word not in str(error.value)] == []


def test_two_declared_columns_of_one_name() -> None:
    with pytest.raises(DataError, match="'created_at'"):
        TableSchema(columns={"createdAt": Column(data_type="text"), "created_at": Column(data_type="text")})


def test_nesting_too_deep_is_an_error() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(DataError, match="'f' is nested deeper"):
        TableSchema().convert([{"f": value}])


def test_a_key_of_another_spelling_is_found() -> None:
    assert TableSchema(primary_key=["userId"]).convert([{"user_id": 1}]).to_pydict() == {"user_id": [1]}


def test_rows_without_key_are_skipped() -> None:
    schema = TableSchema(primary_key=["a", "b"], null_key="skip")
    records: Records = [{"a": 1, "b": 1}, {"a": None, "b": 1, "odd": 1}, {"b": 1}, {"a": 2}, {"a": 3, "b": 3}]
    assert schema.convert(records).to_pydict() == {"a": [1, 3], "b": [1, 3]}
    assert schema.convert([{"a": None}]).num_rows == 0


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**53 + 1, 2**60, 2**63, -(2**63), 10**37, 10**38, 10**400, "\ud83d", "cut \ud83d", 0.1, -0.0])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
records = st.lists(st.dictionaries(st.sampled_from(["a", "b", "userName"]), values, max_size=3), max_size=8)


def read_back(data_type: str, is_variant: bool, original: Any, cell: Any) -> Any:
    """What a cell stands for."""
    if data_type == "json":
        return json.loads(cell)
    if data_type == "text" and type(original) is int:
        return int(cell)
    if data_type == "text" and is_variant and cell != original:
        return json.loads(cell)  # halves of characters are escaped
    return int(cell) if data_type == "decimal" else cell


@settings(deadline=None)
@given(st.lists(records, min_size=1, max_size=3))
def test_every_value_is_in_exactly_one_column(batches: list[Records]) -> None:
    schema = TableSchema()
    rows = [row for batch in batches for row in schema.convert(batch).to_pylist()]
    held = data_types(schema)
    assert len(rows) == sum(map(len, batches))
    for record, row in zip([record for batch in batches for record in batch], rows, strict=True):
        found: dict[str, list[Any]] = {"a": [], "b": [], "user_name": []}
        for column, cell in row.items():
            name, _, variant = column.partition("__v_")
            if cell is not None:
                original = record[{"user_name": "userName"}.get(name, name)]
                found[name].append(read_back(held[column], bool(variant), original, cell))
        assert found == {
            "a": [] if record.get("a") is None else [record["a"]],
            "b": [] if record.get("b") is None else [record["b"]],
            "user_name": [] if record.get("userName") is None else [record["userName"]],
        }


def test_threads_share_one_schema() -> None:
    schema = TableSchema()
    batches = [[{"id": row, f"f{batch % 7}": row}] * 20 for batch in range(40) for row in [batch]]
    with ThreadPoolExecutor(8) as pool:
        tables = list(pool.map(schema.convert, batches))
    table = schema.concat(tables)
    assert sorted(table.column_names) == ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "id"]
    assert table.num_rows == 800
    assert table.column("id").null_count == 0


def test_types_land_in_duckdb_through_dlt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "CRITICAL")  # dlt warns that the hints say json where Arrow says text
    schema = TableSchema(
        columns={
            "at": Column(data_type="timestamp", format="iso8601"),
            "day": Column(data_type="date"),
            "money": MONEY,
            "never": Column(data_type="json"),
        },
        primary_key=["id"],
    )
    batches: list[Records] = [
        [{"id": 1, "at": "2026-01-01T00:00:00.123456Z", "day": "2026-01-01", "money": "1.10", "b": True, "t": "é"}],
        [{"id": 2, "at": "soon", "d": 1.5, "big": 2**63, "nested": {"a": [2**70]}}, {"id": 3, "d": 2}],
        [{"id": 4, "t": 7}],
    ]
    tables = [schema.convert(batch) for batch in batches]

    def read() -> Any:
        # A table may be handed over after one that knows more columns.
        for table in (tables[1], tables[0], tables[2]):
            yield dlt.mark.with_hints(table, dlt.mark.make_hints(columns=schema.dlt_columns()))

    path = str(tmp_path / "warehouse.duckdb")
    pipeline = dlt.pipeline(
        "types", pipelines_dir=str(tmp_path), destination=dlt.destinations.duckdb(path), dataset_name="api"
    )
    pipeline.run(dlt.resource(read, name="t", columns=schema.dlt_columns()), loader_file_format="parquet")
    with duckdb.connect(path) as connection:
        described = connection.execute("SELECT column_name, column_type FROM (DESCRIBE api.t)").fetchall()
        rows = connection.execute(
            'SELECT epoch_us("at"), at__v_text, day, money, never, b, t, t__v_bigint, d, big, nested '
            "FROM api.t ORDER BY id"
        ).fetchall()
    assert dict(described) == {
        "id": "BIGINT",
        "at": "TIMESTAMP WITH TIME ZONE",
        "at__v_text": "VARCHAR",
        "day": "DATE",
        "money": "DECIMAL(18,2)",
        "never": "JSON",
        "b": "BOOLEAN",
        "t": "VARCHAR",
        "t__v_bigint": "BIGINT",
        "d": "DOUBLE",
        "big": "DECIMAL(38,0)",
        "nested": "JSON",
        **{name: data_type for name, data_type in described if name.startswith("_dlt")},
    }
    expected: list[list[Any]] = [[None] * 11 for _ in range(4)]
    expected[0] = [1767225600123456, None, date(2026, 1, 1), Decimal("1.10"), None, True, "é", *[None] * 4]
    expected[1][1], expected[1][8:] = "soon", [1.5, 2**63, f'{{"a":[{2**70}]}}']
    expected[2][8], expected[3][7] = 2.0, 7
    assert [list(row) for row in rows] == expected
