"""Records read into structs give the table that they give as dicts, whatever they hold; JSON stays as it is written."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_assets.rest_api.arrow.column_names import FieldMapping
from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.arrow.record_arrays import RecordArrays
from analytics_assets.rest_api.arrow.table_columns import TableColumns
from analytics_assets.rest_api.arrow.table_schema import TableSchema
from analytics_assets.rest_api.config import Column
from analytics_assets.rest_api.errors import DataError, ResponseError
from analytics_assets.rest_api.extract.json_decoding import number
from analytics_assets.rest_api.extract.records import Field, Reader, Records, read_dicts

FIRST = (
    b'[{"id": 1, "text": "a", "number": 1, "fraction": 0.5, "flag": true, "nested": {"a": [1, 2.50]}, "open": null}]'
)


def tables(*pages: bytes, structs: bool, **schema: Any) -> pa.Table:
    table_schema = TableSchema(primary_key=("id",), **schema)
    read = table_schema.read if structs else read_dicts
    return table_schema.concat([table_schema.convert(read(page)) for page in pages])


def columns(table: pa.Table) -> dict[str, tuple[pa.DataType, list[Any]]]:
    return {name: (table.schema.field(name).type, table.column(name).to_pylist()) for name in table.column_names}


@pytest.mark.parametrize(
    "second", [FIRST, b'[{"id": 2}]', b'[{"id": 2, "text": null, "nested": null, "fraction": null}]']
)
def test_what_is_as_known_is_read_into_structs(second: bytes) -> None:
    schema = TableSchema(primary_key=("id",))
    schema.convert(schema.read(FIRST))
    assert isinstance(schema.read(second), Records)


ODD: list[str] = [
    '{"id": 2, "number": 1.5}',
    '{"id": 2, "number": 18446744073709551616}',
    '{"id": 2, "number": true}',
    '{"id": 2, "number": "1"}',
    '{"id": 2, "number": 1.0}',
    '{"id": 2, "fraction": 3}',
    '{"id": 2, "fraction": 9007199254740991}',
    '{"id": 2, "fraction": 9007199254740992}',
    '{"id": 2, "fraction": 9007199254740993}',
    '{"id": 2, "fraction": -9007199254740993}',
    '{"id": 2, "fraction": 1e300}',
    '{"id": 2, "fraction": 1e-400}',
    '{"id": 2, "fraction": -0}',
    '{"id": 2, "fraction": 12345678901234567.89}',
    '{"id": 2, "fraction": 0.10000000000000001}',
    '{"id": 2, "fraction": 1E-5}',
    '{"id": 2, "fraction": -0.0}',
    '{"id": 2, "fraction": "0.5"}',
    '{"id": 2, "fraction": {"a": 1}}',
    '{"id": 2, "flag": 1}',
    '{"id": 2, "text": 1}',
    '{"id": 2, "text": "\\u0000 \\ud83d\\ude00 null"}',
    '{"id": 2, "text": "\\ud83d"}',
    '{"id": 2, "nested": "text"}',
    '{"id": 2, "nested": 12345678901234567.89}',
    '{"id": 2, "nested": []}',
    '{"id": 2, "nested": ["\\ud83d"]}',
    '{"id": 2, "open": {"now": "an object"}}',
    '{"id": 2, "open": 12345678901234567.89}',
    '{"id": 2, "new": "field"}',
    '{"id": 2, "a \\" \\\\ \\n name": "that structs cannot have"}',
    '{"id": 2, "id": 3}',
    '{}',
    '{"id": null, "text": "a", "later": 1}',
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("among", ["[%s]", '[%s, {"id": 9, "text": "b"}]', '[{"id": 9, "fraction": 7.25}, %s]'])
def test_what_is_not_is_told_apart_as_in_dicts(odd: str, among: str) -> None:
    pages = [FIRST, (among % odd).encode(), FIRST.replace(b'"id": 1', b'"id": 4')]
    for null_key in ("skip", "fail"):
        assert outcome(*pages, structs=True, null_key=null_key) == outcome(*pages, structs=False, null_key=null_key)


def outcome(*pages: bytes, **how: Any) -> str | dict[str, Any]:
    """The table, JSON by its value, as structs keep it as written; or the error, but for the fields it lists."""
    try:
        found = columns(tables(*pages, **how))
    except (DataError, ResponseError) as error:
        return str(error).partition(". Their fields are")[0]
    return {
        name: (kind, [by_value(cell) if name in ("nested", "new", "open") else cell for cell in cells])
        for name, (kind, cells) in found.items()
    }


def by_value(cell: Any) -> Any:
    is_nested = isinstance(cell, str) and cell.startswith(("{", "["))
    return json.loads(cell, parse_float=number) if is_nested else cell


def test_json_is_kept_as_it_is_written_but_for_its_spaces() -> None:
    page = '[{"id": 1, "v": { "b" : [1.50, 1E5, 9007199254740993.5], "ü": "\\u00fc, \\": x" }}]'.encode()
    assert tables(page, structs=True).column("v").to_pylist() == [
        '{"b":[1.50,1E5,9007199254740993.5],"ü":"\\u00fc, \\": x"}'
    ]


DECLARED = {
    "id": Column(data_type="bigint"),
    "at": Column(data_type="timestamp", format="epoch_ms"),
    "day": Column(data_type="date"),
    "price": Column(data_type="decimal"),
    "any": Column(data_type="json"),
    "fraction": Column(data_type="double"),
}
cells = {
    "at": st.none() | st.integers(0, 2**42) | st.text(max_size=3),
    "day": st.none() | st.dates().map(str) | st.integers(),
    "price": st.none() | st.decimals(-1000, 1000, places=2).map(str) | st.floats(-10, 10),
    "any": st.none() | st.integers() | st.lists(st.text(max_size=3), max_size=2),
    "fraction": st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**54), 2**54) | st.text(),
    "text": st.none() | st.text(max_size=5) | st.booleans(),
    "nested": st.none() | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
}
record = st.fixed_dictionaries({"id": st.integers(1, 2**40)}, optional=cells)


ALL = b'{"id": %b, "text": "", "number": 0, "fraction": 0.5, "flag": true, "nested": {}, "open": null%b}'


@pytest.mark.parametrize(
    "odd",
    [
        b', "number": 7',
        b', "text": "x", "text": "y"',
        b', "nested": {"a": 1, "a": 2}',
        b', "fr\\u0061ction": 1e-7',
        b', "open": {"a": 1.50, "b": 1E2}',
        b', "ID": 5',
        b', "": 5',
        b', "it\'s \\"quoted\\"": 5',
    ],
)
def test_complete_records_with_equal_or_odd_names_are_converted_as_dicts_are(odd: bytes) -> None:
    page = b"[%b, %b]" % (ALL % (b"2", b""), ALL % (b"3", odd))
    pages = [FIRST, page, page.replace(b'"id": 2', b'"id": 4').replace(b'"id": 3', b'"id": 5')]
    assert outcome(*pages, structs=True) == outcome(*pages, structs=False)


def test_text_that_is_not_utf8_is_not_loaded() -> None:
    schema = TableSchema(primary_key=("id",), skipped=("secret",))
    schema.convert(schema.read(FIRST))
    with pytest.raises(ResponseError, match="UTF-8"):
        schema.convert(schema.read_structs(b'[{"id": 2, "secret": "\xff"}]') or [])


def test_skipped_fields_are_not_in_dicts() -> None:
    schema = TableSchema(primary_key=("id",), skipped=("secret",))
    schema.read(FIRST)
    records = schema.read_structs(b'[{"id": 2, "secret": "x"}, {"id": 3, "secret": {"y": 1}}]')
    assert records is not None
    assert records.dicts() == [{"id": 2}, {"id": 3}]


numerals = st.from_regex(r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,2})?", fullmatch=True)
texts = st.text(max_size=6).map(json.dumps) | st.sampled_from(['"\\u0000"', '"\\ud83d\\ude00"', '"\\/"', '"12"'])
jsons = st.recursive(
    numerals | texts | st.sampled_from(["null", "true", "-0", "-0.0"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(texts, inner).map(": ".join), max_size=3).map(lambda items: f"{{{','.join(items)}}}")
    ),
    max_leaves=4,
)
usual = {
    "text": texts,
    "number": st.integers(-(2**63), 2**63).map(str),
    "fraction": numerals | st.sampled_from(["1e400", "-0", "1e-400", "-0.0"]),
    "nested": jsons,
}
members = st.one_of(*(st.tuples(st.just(name), st.just("null") | value) for name, value in usual.items()))
odd_record = st.lists(members | st.tuples(st.sampled_from(["text", "new"]), jsons), max_size=6)


@settings(deadline=None, max_examples=60)
@given(st.lists(odd_record, min_size=1, max_size=3))
def test_json_of_any_records_is_converted_as_dicts_are(records: list[list[tuple[str, str]]]) -> None:
    written = [
        "{" + ",".join([f'"id": {number}', *(f'"{name}": {value}' for name, value in record)]) + "}"
        for number, record in enumerate(records, start=2)
    ]
    pages = [FIRST, f"[{','.join(written)}]".encode(), FIRST.replace(b'"id": 1', b'"id": 9')]
    assert outcome(*pages, structs=True) == outcome(*pages, structs=False)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(record, min_size=1, max_size=3), min_size=1, max_size=4), st.booleans())
def test_structs_and_dicts_give_one_table(pages: list[list[dict[str, Any]]], declared: bool) -> None:
    schema = {"columns": DECLARED} if declared else {}
    written = [json.dumps(page, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace") for page in pages]
    assert columns(tables(*written, structs=True, **schema)) == columns(tables(*written, structs=False, **schema))


@pytest.mark.parametrize(("odd", "is_converted"), [(b"", True), (b', "open": {"a": 1}', True), (b', "id": 3', False)])
def test_proven_records_are_converted_without_dicts_unless_keys_are_equal(odd: bytes, is_converted: bool) -> None:
    columns_of_table = TableColumns(
        FieldMapping(),
        declared={},
        primary_key=("id",),
        cursor=None,
        on_type_change="evolve",
        stored={"id": ColumnType("bigint"), "text": ColumnType("text"), "nested": ColumnType("json")},
        bound={},
    )
    fields = [
        Field("id", "id", "bigint"),
        Field("text", "text", "text"),
        Field("nested", "nested", "json"),
        Field("open", "open"),
    ]
    records = Reader(fields).read(b'[{"id": 2, "text": "\\u00e9", "nested": [1]%b}]' % odd)
    assert records is not None
    arrays = RecordArrays(columns_of_table, ["id"])
    found = arrays.convert(records)
    arrays.close()
    assert (found is not None) == is_converted
    if found:
        assert {name: array.to_pylist() for name, array in found.items() if name != "open"} == {
            "id": [2],
            "text": ["é"],
            "nested": ["[1]"],
        }
