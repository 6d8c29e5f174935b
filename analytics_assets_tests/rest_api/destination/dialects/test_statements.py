"""Statements for warehouses: each is parsed in the warehouse's dialect, and run in DuckDB after translation.

None was run in the warehouse itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.arrow.numbers import DOUBLE, WHOLE, Widening
from analytics_assets.rest_api.destination.dialects.dialect import DIALECTS, Dialect
from analytics_assets.rest_api.destination.dialects.merge_sql import DialectMergeSql
from analytics_assets.rest_api.destination.duckdb.merge_sql import DuckDbMergeSql
from analytics_assets.rest_api.destination.merge_sql import LOAD_ID
from analytics_assets.rest_api.destination.parquet_files import ORDINAL
from analytics_assets.rest_api.destination.plan import LoadOutcome, ParentKeyFiles, Plan
from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets.rest_api.windows import Window
from analytics_assets_tests.rest_api.destination.dialects.statements import build_merge_sql, parse, translate

MOTHERDUCK = Dialect("motherduck")  # its statements are those of DuckDB
COLUMNS: Any = {
    "id": {"name": "id", "data_type": "bigint", "nullable": False},
    "order": {"name": "order", "data_type": "text", "nullable": False},
    "changed": {"name": "changed", "data_type": "timestamp"},
    "day": {"name": "day", "data_type": "date"},
    "select": {"name": "select", "data_type": "json"},
    "amount": {"name": "amount", "data_type": "decimal", "precision": 38, "scale": 9},
    "ratio": {"name": "ratio", "data_type": "double"},
    "done": {"name": "done", "data_type": "bool"},
    "_projects_id": {"name": "_projects_id", "data_type": "bigint"},
    LOAD_ID: {"name": LOAD_ID, "data_type": "text", "nullable": False},
}
KEY = ("id", "order")
WINDOW = Window(datetime(2026, 10, 1, tzinfo=timezone.utc), datetime(2026, 10, 2, tzinfo=timezone.utc))
TO_DECIMAL = Widening(ColumnType("bigint"), WHOLE, {})
TO_DOUBLE = Widening(ColumnType("bigint"), DOUBLE, {"bigint": "ratio__v_bigint"})
PARENTS = ParentKeyFiles(read=Path("read.parquet"), existing=Path("existing.parquet"))


@dataclass(frozen=True)
class Case:
    """A load.

    Attributes:
        plan: What it does.
        stored: The columns that the table has before; None if there is no table.
        staging: Its tables beside the table of its rows, which every load has.
    """

    plan: Plan
    stored: Sequence[str] | None = tuple(COLUMNS)
    staging: frozenset[str] = field(default_factory=frozenset)


CASES = {
    "merge by cursor": Case(Plan("t", "merge", KEY, cursor="changed")),
    "merge without cursor": Case(Plan("t", "merge", KEY)),
    "merge without key": Case(Plan("t", "merge")),
    "merge into a new table": Case(Plan("t", "merge", KEY, cursor="day"), stored=None),
    "replace": Case(Plan("t", "replace", KEY)),
    "full refresh": Case(Plan("t", "replace", KEY, cursor="changed", recreate_table=True)),
    "append to a window": Case(Plan("t", "append", cursor="changed", window=WINDOW)),
    "append to a window of days": Case(Plan("t", "append", cursor="day", cursor_format="date", window=WINDOW)),
    "append to a window of numbers": Case(Plan("t", "append", cursor="id", cursor_format="epoch_ms", window=WINDOW)),
    "append": Case(Plan("t", "append")),
    "new columns": Case(Plan("t", "merge", KEY), stored=("id", "order", LOAD_ID)),
    "wider number": Case(Plan("t", "merge", KEY, widen={"amount": TO_DECIMAL})),
    "all parents replaced": Case(Plan("t", "merge", KEY, parent_key=("_projects_id",))),
    "changed parents replaced": Case(
        Plan("t", "merge", KEY, cursor="changed", parent_key=("_projects_id",), parents=PARENTS),
        staging=frozenset({"t_read_parents", "t_existing_parents"}),
    ),
    "counted rows": Case(Plan("t", "merge", KEY, counts_gone_rows=True, read_columns=("_projects_id",))),
}


def statements(case: Case, dialect: Dialect) -> list[str]:
    """All statements of the load, but those that load its rows into the staging table."""
    merge = build_merge_sql(dialect, case.plan, COLUMNS, dataset="recruiting", table="t", load_id="1.5")
    sent = [*merge.create_staging("BIGINT"), *merge.update_table(case.stored)]
    return [*sent, *counts(merge, [merge.source]), *merge.write_rows(), *merge.drop_staging()]


def counts(merge: DialectMergeSql | DuckDbMergeSql, sources: list[str]) -> list[str]:
    """The statements that count rows before any is written."""
    sent: list[str] = []

    def execute(statement: str) -> list[tuple[int]]:
        sent.append(statement)
        return [(1,)]

    merge.find_gone_rows(sources, execute, LoadOutcome())
    merge.find_overwritten_rows(sources, execute, LoadOutcome())
    return sent


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_statements_are_valid_in_the_dialect(dialect: Dialect, case: Case) -> None:
    parsed = [parse(statement, dialect) for statement in statements(case, dialect)]
    tables = {table.name: table for each in parsed for table in each.find_all(exp.Table)}
    fold = dialect.capabilities.casefold_identifier
    widened = {"t_widened"} if case.plan.widen and not dialect.replaces_tables else set()
    assert tables.keys() == {fold(name) for name in {"t", "t_rows", *case.staging, *widened}}
    assert all(table.db == fold("recruiting") and table.this.quoted for table in tables.values())
    names = [name for each in parsed for name in each.find_all(exp.Identifier)]
    own = {name.this for name in names if name.quoted}
    assert own == {fold(name) for name in (*COLUMNS, "recruiting", "t", "t_rows", *case.staging, *widened)}
    assert {name.this for name in names if not name.quoted} <= {
        *("s", "d", "r", "l", "k", "o", "t", "rank_", "key_0_", "key_1_", ORDINAL, "MergeTree")
    }


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_tables_of_clickhouse_are_sorted_by_columns_that_they_have(case: Case) -> None:
    dialect = DIALECTS["clickhouse"]
    created = [parse(statement, dialect) for statement in statements(case, dialect) if "ENGINE" in statement]
    for table in created:
        columns = {column.name for column in table.find_all(exp.ColumnDef)} or set(COLUMNS)
        [order] = [each for each in table.find_all(exp.Order) if isinstance(each.parent, exp.Properties)]
        assert {column.name for column in order.find_all(exp.Column)} <= columns


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_statements_of_duckdb_are_valid_with_the_names_and_types_of_motherduck(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "it's.parquet"
    pq.write_table(pa.table({ORDINAL: [0], "id": [1], "order": ["a"]}), file)
    merge = DuckDbMergeSql(case.plan, MOTHERDUCK.table("recruiting", "t", COLUMNS))
    source = merge.source(file, "1.5")
    for is_empty in (False, True):
        written = merge.write_rows([source], table_is_empty=is_empty)
        for statement in (*counts(merge, [source]), *merge.prepare_table(), *written):
            names = {name.this for name in parse(statement, MOTHERDUCK).find_all(exp.Identifier) if name.quoted}
            assert names <= {*COLUMNS, "recruiting", "t"}


TYPES = {
    "snowflake": ["NUMBER(19,0)", "VARCHAR", "TIMESTAMP_LTZ", "DATE", "VARIANT", "NUMBER(38,9)", "FLOAT", "BOOLEAN"],
    "bigquery": ["INT64", "STRING", "TIMESTAMP", "DATE", "JSON", "NUMERIC(38,9)", "FLOAT64", "BOOL"],
    "databricks": ["BIGINT", "STRING", "TIMESTAMP", "DATE", "STRING", "DECIMAL(38,9)", "DOUBLE", "BOOLEAN"],
    "redshift": [
        *("bigint", "varchar(max)", "timestamp with time zone", "date", "super", "numeric(38,9)"),
        *("double precision", "boolean"),
    ],
    "clickhouse": [
        *("Int64", "String", "DateTime64(6,'UTC')", "Date", "String", "Decimal(38,9)", "Float64", "Boolean"),
    ],
    "motherduck": [
        *("BIGINT", "VARCHAR", "TIMESTAMP WITH TIME ZONE", "DATE", "JSON", "DECIMAL(38,9)", "DOUBLE", "BOOLEAN"),
    ],
}


@pytest.mark.parametrize("dialect", [*DIALECTS.values(), MOTHERDUCK], ids=lambda each: str(each.destination))
def test_types_are_those_of_dlt(dialect: Dialect) -> None:
    types = dialect.table("recruiting", "t", COLUMNS).types
    assert [types[name] for name in list(COLUMNS)[:8]] == TYPES[dialect.destination]


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_whole_numbers_that_a_double_may_round_are_refused(dialect: Dialect) -> None:
    case = Case(Plan("t", "merge", KEY, widen={"ratio": TO_DOUBLE}))
    with pytest.raises(WarehouseError, match=rf"'ratio' of t is bigint .* {dialect.destination} .* full refresh"):
        statements(case, dialect)


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


ISSUES: Any = {
    "id": {"name": "id", "data_type": "bigint", "nullable": False},
    "_projects_id": {"name": "_projects_id", "data_type": "bigint"},
    "changed": {"name": "changed", "data_type": "timestamp"},
    LOAD_ID: {"name": LOAD_ID, "data_type": "text", "nullable": False},
}
STORED = """
CREATE TABLE t AS SELECT * FROM (VALUES
    (1::BIGINT, 1::BIGINT, TIMESTAMPTZ '2026-10-01 00:00:00Z', 'first'), (2, 1, '2026-10-02 00:00:00Z', 'first'),
    (3, 2, '2026-10-01 00:00:00Z', 'first'), (4, 2, NULL, 'first'), (5, 3, '2026-10-01 00:00:00Z', 'first'),
    (6, 1, NULL, 'first')
) v(id, _projects_id, changed, _dlt_load_id)
"""
LOADED = """
SELECT row_number() OVER () - 1 AS ordinal_, * FROM (VALUES
    (3::BIGINT, 2::BIGINT, TIMESTAMPTZ '2026-09-01 00:00:00Z'), (7, 2, '2026-10-01 00:00:00Z'), (7, 2, NULL),
    (1, 2, '2026-09-30 00:00:00Z'), (2, 2, '2026-10-02 00:00:00Z'), (6, 2, NULL)
) v(id, _projects_id, changed)
"""
ROWS = "SELECT id, _projects_id, changed FROM t ORDER BY ALL"


def stage(
    database: duckdb.DuckDBPyConnection, plan: Plan, dialect: Dialect, rows: str, load_id: str
) -> tuple[DialectMergeSql, Callable[[str], None]]:
    """Create the staging tables, and fill them with the rows of a query. Returns the statements, and what runs them."""

    def run(statement: str) -> None:
        database.execute(translate(statement, dialect))

    merge = build_merge_sql(dialect, plan, ISSUES, dataset="main", table="t", load_id=load_id)
    for statement in merge.create_staging("BIGINT"):
        run(statement)
    database.execute(f"INSERT INTO t_rows BY NAME {rows}")
    if plan.parents:
        database.execute(f"INSERT INTO t_read_parents SELECT * FROM '{plan.parents.read}'")
        database.execute(f"INSERT INTO t_existing_parents SELECT * FROM '{plan.parents.existing}'")
    return merge, run


@pytest.mark.parametrize("only_changed", [True, False])
@pytest.mark.parametrize("key", [(), ("id",)], ids=str)
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_rows_of_parents_are_replaced_as_in_duckdb(
    database: duckdb.DuckDBPyConnection, tmp_path: Path, dialect: Dialect, key: tuple[str, ...], only_changed: bool
) -> None:
    file, parents = tmp_path / "rows.parquet", ParentKeyFiles(tmp_path / "read.parquet", tmp_path / "existing.parquet")
    pq.write_table(pa.table({"_projects_id": [2]}), parents.read)
    pq.write_table(pa.table({"_projects_id": [1, 2]}), parents.existing)  # project 3 does not exist
    plan = Plan("t", "merge", key, cursor="changed" if key else None, parent_key=("_projects_id",))
    plan = replace(plan, parents=parents if only_changed else None)
    database.execute(f"COPY ({LOADED}) TO '{file}'")

    database.execute(STORED)
    expected = DuckDbMergeSql(plan, MOTHERDUCK.table("main", "t", ISSUES))
    for statement in (
        *expected.prepare_table(),
        *expected.write_rows([expected.source(file, "second")], table_is_empty=False),
    ):
        database.execute(statement)
    in_duckdb = database.execute(ROWS).fetchall()
    database.execute("DROP TABLE t")

    database.execute(STORED)
    merge, run = stage(database, plan, dialect, LOADED, "second")
    for statement in (*merge.update_table(list(ISSUES)), *merge.write_rows(), *merge.drop_staging()):
        run(statement)
    assert database.execute(ROWS).fetchall() == in_duckdb
    assert database.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("t",)]


@pytest.mark.parametrize("dialect", [each for each in DIALECTS.values() if not each.has_transactions], ids=str)
@pytest.mark.parametrize("plan", [Plan("t", "replace", ("id",)), Plan("t", "merge", ("id",), cursor="changed")])
def test_load_after_an_interrupted_one_leaves_each_row_once(
    database: duckdb.DuckDBPyConnection, dialect: Dialect, plan: Plan
) -> None:
    database.execute(STORED)
    rows = LOADED.replace("2026-09-", "2026-10-")
    merge, run = stage(database, plan, dialect, rows, "second")
    run(next(merge.write_rows()))
    keys = database.execute("SELECT DISTINCT id FROM t ORDER BY id").fetchall()
    assert keys == [(key,) for key in range(1, 8)]
    for statement in merge.drop_staging():
        run(statement)

    merge, run = stage(database, plan, dialect, rows, "third")
    for statement in merge.write_rows():
        run(statement)
    after = [row for (row,) in database.execute("SELECT id FROM t ORDER BY id").fetchall()]
    assert after == ([1, 2, 3, 6, 7] if plan.mode == "replace" else [1, 2, 3, 4, 5, 6, 7])


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_table_gets_wider_and_new_columns(database: duckdb.DuckDBPyConnection, dialect: Dialect) -> None:
    database.execute("CREATE TABLE t AS SELECT 9223372036854775807 AS id, 'first' AS _dlt_load_id")
    columns = {**ISSUES, "id": {"name": "id", "data_type": "decimal", "precision": 38, "scale": 0, "nullable": False}}
    plan = Plan("t", "merge", ("id",), widen={"id": TO_DECIMAL})
    merge = build_merge_sql(dialect, plan, columns, dataset="main", table="t", load_id="second")
    for statement in merge.update_table(["id", LOAD_ID]):
        database.execute(translate(statement, dialect))
    names = ", ".join(columns)
    assert database.execute(f"SELECT {names} FROM t").fetchall() == [(2**63 - 1, None, None, "first")]
    [[sql_type]] = database.execute("SELECT data_type FROM duckdb_columns() WHERE lower(column_name) = 'id'").fetchall()
    assert sql_type == "DECIMAL(38,0)"
