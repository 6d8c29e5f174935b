"""Numbers of one family: the type of their column, and where those are that it cannot store."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_assets.rest_api.arrow.table_schema import TableSchema
from analytics_assets_tests.strategies.json_numbers import Number, expected_column, expected_types, numbers

batches_of_numbers = st.lists(st.lists(numbers, min_size=1, max_size=4), min_size=1, max_size=5)


def stored(table: pa.Table) -> list[tuple[str, Number]]:
    """For each row its only column with a value, and the value."""
    found = []
    for row in table.to_pylist():
        [(column, value)] = [(name, value) for name, value in row.items() if value is not None]
        found.append((column, int(value) if isinstance(value, (str, Decimal)) else value))
    return found


def check(schema: TableSchema, table: pa.Table, batches: list[list[Number]]) -> None:
    """The table has each number in the column that the numbers alone decide."""
    all_numbers = [number for batch in batches for number in batch]
    types = expected_types("n", all_numbers)
    assert {name: hints["data_type"] for name, hints in schema.dlt_columns().items()} == types
    assert stored(table) == [(expected_column("n", number, types["n"]), number) for number in all_numbers]
    assert set(schema.changed_columns().get("n", ())) == types.keys() - {"n"}


@settings(deadline=None, max_examples=200)
@given(batches_of_numbers, st.booleans())
def test_columns_depend_on_the_numbers_and_not_on_their_order(batches: list[list[Number]], as_dicts: bool) -> None:
    schema = TableSchema()
    tables = []
    for batch in batches:
        records: list[dict[str, Any]] = [{"n": number} for number in batch]
        tables.append(schema.convert(records if as_dicts else schema.read(json.dumps(records).encode())))
    check(schema, schema.concat(tables), batches)


@settings(deadline=None, max_examples=50)
@given(batches_of_numbers)
def test_files_that_were_written_before_a_column_was_widened_are_rewritten(batches: list[list[Number]]) -> None:
    schema = TableSchema()
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.parquet" for number in range(len(batches))]
        for path, batch in zip(paths, batches, strict=True):
            pq.write_table(schema.concat([schema.convert([{"n": number} for number in batch])]), path)
        for path in paths:
            schema.align_file(path)
        table = schema.concat([pq.read_table(path) for path in paths])
    check(schema, table, batches)


def test_a_file_is_not_rewritten_without_need(tmp_path: Path) -> None:
    schema, path = TableSchema(), tmp_path / "rows.parquet"
    pq.write_table(schema.convert([{"n": 1, "m": 0.5}]), path)
    before = path.stat()
    schema.convert([{"n": 2, "m": 3, "new": "x"}])
    schema.align_file(path)
    assert path.stat() == before
