"""Merge SQL: which row wins, and which rows stay unchanged."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import duckdb
import psycopg2
import pytest

from analytics_assets.rest_api.destination.dialects.dialect import DIALECTS, Dialect
from analytics_assets.rest_api.destination.duckdb.merge_sql import DuckDbMergeSql
from analytics_assets.rest_api.destination.merge_sql import LOAD_ID, TargetTable
from analytics_assets.rest_api.destination.parquet_files import ORDINAL
from analytics_assets.rest_api.destination.plan import Mode, Plan
from analytics_assets.rest_api.destination.postgres.merge_sql import LOADED_ROWS, PostgresMergeSql
from analytics_assets.rest_api.windows import Window
from analytics_assets_tests.rest_api.destination.dialects.statements import build_merge_sql, translate
from analytics_assets_tests.support.postgres import Postgres

TYPES = {
    "bigint": "BIGINT",
    "text": "VARCHAR",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
    "double": "DOUBLE PRECISION",
    "decimal": "NUMERIC(38, 0)",
    "json": "JSON",
}


class Database:
    """A database without dlt, and a table in it.

    Attributes:
        create: Begins the statement that creates the table.
        writes_unchanged_rows: Whether a row is written that is equal to the stored one.
    """

    create = "CREATE TEMP TABLE"
    writes_unchanged_rows = False

    def __init__(self, connection: Any) -> None:
        self._cursor = connection.cursor()

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        self._cursor.execute(sql)
        return list(self._cursor.fetchall()) if self._cursor.description and sql.startswith("SELECT") else []

    def merge(self, plan: Plan, table: TargetTable, sources: list[list[str]]) -> None:
        raise NotImplementedError

    def cells(self, table: TargetTable, sources: list[list[str]]) -> Iterator[str]:
        """The values of all rows as literals of text, without the load id."""
        loaded = [index for index, name in enumerate(table.columns) if name != LOAD_ID]
        for row in itertools.chain.from_iterable(sources):
            values = self.run(f"SELECT {row}")[0]
            yield ", ".join("NULL" if values[index] is None else f"'{values[index]}'" for index in loaded)

    def load(
        self, plan: Plan, columns: dict[str, str], before: list[str], *sources: list[str]
    ) -> list[tuple[Any, ...]]:
        """Load several files; the table afterwards, ordered by its first columns. Rows are SQL literals."""
        types = {name: TYPES[data_type] for name, data_type in columns.items()}
        table = TargetTable(
            name="t0",
            columns={
                name: {"name": name, "data_type": data_type}  # type: ignore[typeddict-item]
                for name, data_type in columns.items()
            },
            types=types,
            quote=lambda name: f'"{name}"',
        )
        definitions = ", ".join(f'"{name}" {sql_type}' for name, sql_type in types.items())
        self.run(f"{self.create} t0 ({definitions})")
        for row in before:
            self.run(f"INSERT INTO t0 VALUES ({row})")
        self.merge(plan, table, list(sources))
        return self.run("SELECT * FROM t0 ORDER BY 1" + (", 2" if len(columns) > 1 else ""))


class DuckDb(Database):
    def merge(self, plan: Plan, table: TargetTable, sources: list[list[str]]) -> None:
        merge, ordinals = DuckDbMergeSql(plan, table), itertools.count()
        for number, rows in enumerate(sources, start=1):
            self.run(f"CREATE TEMP TABLE t{number} AS SELECT *, 0::BIGINT AS {ORDINAL} FROM t0 WHERE false")
            for row in rows:
                self.run(f"INSERT INTO t{number} VALUES ({row}, {next(ordinals)})")
        for statement in merge.prepare_table():
            self.run(statement)
        names = [f"t{number + 1}" for number in range(len(sources))]
        for statement in merge.write_rows(names, table_is_empty=not self.run("SELECT 1 FROM t0 LIMIT 1")):
            self.run(statement)


class DuckDbWithoutRowId(DuckDb):
    """Its table has a column named as DuckDB's own row numbers."""

    def merge(self, plan: Plan, table: TargetTable, sources: list[list[str]]) -> None:
        columns: Any = {**table.columns, "rowid": {"name": "rowid", "data_type": "bigint"}}
        self.run("ALTER TABLE t0 ADD COLUMN rowid BIGINT DEFAULT 7")
        rows = [[f"{row}, 7" for row in rows] for rows in sources]
        super().merge(plan, replace(table, columns=columns, types={**table.types, "rowid": "BIGINT"}), rows)
        self.run("ALTER TABLE t0 DROP COLUMN rowid")


class PostgreSql(Database):
    def merge(self, plan: Plan, table: TargetTable, sources: list[list[str]]) -> None:
        merge, ordinals = PostgresMergeSql(plan, table), itertools.count()
        self.run(merge.create_loaded_rows())
        for row in self.cells(table, sources):
            self.run(f"INSERT INTO {LOADED_ROWS} VALUES ({row}, {next(ordinals)})")
        for statement in (*merge.prepare_table(), *merge.write_rows("second")):
            self.run(statement)


class Warehouse(Database):
    """The statements for a warehouse, translated for DuckDB or PostgreSQL."""

    def __init__(self, connection: Any, dialect: Dialect, database: str = "duckdb") -> None:
        super().__init__(connection)
        self._dialect = dialect
        self._database = database
        self._dataset = "main" if database == "duckdb" else "pg_temp"
        self.create = "CREATE TABLE" if database == "duckdb" else "CREATE TEMP TABLE"
        self.writes_unchanged_rows = not (dialect.has_transactions or dialect.has_merge)

    def merge(self, plan: Plan, table: TargetTable, sources: list[list[str]]) -> None:
        columns: Any = {**table.columns, LOAD_ID: {"name": LOAD_ID, "data_type": "text"}}
        if has_no_load_id := LOAD_ID not in table.columns:
            self.run(f"ALTER TABLE t0 ADD COLUMN {LOAD_ID} VARCHAR DEFAULT 'first'")
        merge = build_merge_sql(self._dialect, plan, columns, dataset=self._dataset, table="t0", load_id="second")
        self.run_translated(merge.create_staging("BIGINT"))
        names = ", ".join(f'"{name}"' for name in table.columns if name != LOAD_ID)
        for ordinal, row in enumerate(self.cells(table, sources)):
            self.run(f"INSERT INTO t0_rows ({names}, {ORDINAL}) VALUES ({row}, {ordinal})")
        self.run_translated((*merge.update_table(list(columns)), *merge.write_rows(), *merge.drop_staging()))
        if has_no_load_id:
            self.run(f"ALTER TABLE t0 DROP COLUMN {LOAD_ID}")

    def run_translated(self, statements: Iterable[str]) -> None:
        for statement in statements:
            self.run(translate(statement, self._dialect, self._database))


ON_POSTGRESQL = "redshift on PostgreSQL"  # the database that it comes from


@pytest.fixture(params=[DuckDb, DuckDbWithoutRowId, PostgreSql, *DIALECTS, ON_POSTGRESQL])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    if request.param in (PostgreSql, ON_POSTGRESQL):
        server: Postgres = request.getfixturevalue("postgres")
        with contextlib.closing(psycopg2.connect(server.credentials, options="-ctimezone=UTC")) as connection:
            is_redshift = request.param == ON_POSTGRESQL
            yield Warehouse(connection, DIALECTS["redshift"], "postgres") if is_redshift else PostgreSql(connection)
        return
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        dialect = DIALECTS.get(request.param)
        yield Warehouse(connection, dialect) if dialect else request.param(connection)


@dataclass(frozen=True)
class Cursor:
    """A cursor column.

    Attributes:
        data_type: The type of the column.
        format: `incremental.format`.
        older: A value, as an SQL literal.
        newer: A later value.
    """

    data_type: str
    format: str
    older: str
    newer: str


CURSORS = [
    Cursor(
        data_type="timestamp", format="iso8601", older="'2026-10-01 00:00:00Z'", newer="'2026-10-01 00:00:00.000001Z'"
    ),
    Cursor(data_type="timestamp", format="epoch_ms", older="'2026-09-30 23:59:59Z'", newer="'2026-10-01 00:00:00Z'"),
    Cursor(data_type="bigint", format="epoch_ms", older="999", newer="1000"),
    Cursor(data_type="bigint", format="epoch_s", older="-1", newer="0"),
    Cursor(data_type="double", format="epoch_s", older="9.25", newer="10.5"),
    Cursor(data_type="decimal", format="epoch_ms", older="9", newer="10"),
    Cursor(data_type="date", format="date", older="'2026-09-30'", newer="'2026-10-01'"),
]


@pytest.mark.parametrize("cursor", CURSORS, ids=str)
def test_newest_row_of_a_key_wins(database: Database, cursor: Cursor) -> None:
    plan = Plan("t", "merge", ("id",), cursor="changed", cursor_format=cursor.format)
    columns = {"id": "bigint", "changed": cursor.data_type, "value": "text", "_dlt_load_id": "text"}
    old, new = cursor.older, cursor.newer
    before = [
        f"1, {old}, 'a', 'first'",
        f"2, {new}, 'a', 'first'",
        "3, NULL, 'a', 'first'",
        f"4, {new}, 'a', 'first'",
        f"5, {old}, 'a', 'first'",
        f"6, {new}, 'a', 'first'",
        f"9, {old}, 'a', 'first'",
    ]
    first_file = [
        f"1, {new}, 'b', 'second'",
        f"2, {old}, 'b', 'second'",
        f"3, {old}, 'b', 'second'",
        "4, NULL, 'b', 'second'",
        f"5, {old}, 'a', 'second'",
        f"6, {new}, 'b', 'second'",
        f"7, {new}, 'b', 'second'",
        f"7, {old}, 'c', 'second'",
        "7, NULL, 'd', 'second'",
        "8, NULL, 'b', 'second'",
        f"9, {new}, 'b', 'second'",
        f"9, {new}, 'c', 'second'",
    ]
    second_file = [f"1, {old}, 'd', 'second'", f"7, {old}, 'e', 'second'", f"8, {old}, 'e', 'second'"]
    after = database.load(plan, columns, before, first_file, second_file)
    assert [(row[0], row[2], row[3]) for row in after] == [
        (1, "b", "second"),  # newer than the stored row
        (2, "a", "first"),  # older than the stored row
        (3, "b", "second"),  # the stored row has no cursor
        (4, "a", "first"),  # no cursor, but the stored row has one
        (5, "a", "second" if database.writes_unchanged_rows else "first"),  # the same row
        (6, "b", "second"),  # as new as the stored row
        (7, "b", "second"),  # the newest row of the load
        (8, "e", "second"),
        (9, "c", "second"),  # the last of two equally new rows
    ]


def test_newest_row_of_a_key_wins_in_an_empty_table(database: Database) -> None:
    plan = Plan("t", "merge", ("id",), cursor="changed", cursor_format="epoch_s")
    columns = {"id": "bigint", "changed": "bigint", "value": "text"}
    files = [["1, 5, 'a'", "2, 5, 'a'", "3, NULL, 'a'"], ["1, 4, 'b'", "2, 5, 'b'", "2, 5, 'c'", "3, NULL, 'b'"]]
    after = database.load(plan, columns, [], *files)
    assert after == [(1, 5, "a"), (2, 5, "c"), (3, None, "b")]


@dataclass(frozen=True)
class WriteCase:
    """A load by a mode, and the table afterwards. Rows before and in files are SQL literals."""

    mode: Mode
    before: list[str]
    files: list[list[str]]
    after: list[tuple[Any, ...]]
    has_key: bool = True
    recreate_table: bool = False


WRITE_CASES = [
    WriteCase(
        mode="merge",
        before=["1, 'a'", "2, 'a'"],
        files=[["2, 'b'", "3, 'b'"], ["3, 'c'"]],
        after=[(1, "a"), (2, "b"), (3, "c")],
    ),
    WriteCase(mode="merge", before=["1, 'a'"], files=[["1, NULL"]], after=[(1, None)]),
    WriteCase(mode="merge", before=["1, NULL"], files=[["1, 'a'"], ["1, NULL"], ["1, ''"]], after=[(1, "")]),
    WriteCase(mode="merge", before=["1, 'a'"], files=[[]], after=[(1, "a")]),
    WriteCase(mode="merge", before=["1, 'a'"], files=[], after=[(1, "a")]),
    WriteCase(
        mode="replace",
        before=["1, 'a'", "2, 'a'"],
        files=[["2, 'b'", "2, 'c'"], ["3, 'b'"]],
        after=[(2, "c"), (3, "b")],
    ),
    WriteCase(
        mode="replace",
        recreate_table=True,
        before=["1, 'a'"],
        files=[["2, 'b'"], ["2, 'c'", "3, 'b'"]],
        after=[(2, "c"), (3, "b")],
    ),
    WriteCase(mode="replace", before=["1, 'a'"], files=[[]], after=[]),
    WriteCase(mode="replace", before=["1, 'a'"], files=[], after=[]),
    WriteCase(
        mode="replace",
        has_key=False,
        before=["1, 'a'"],
        files=[["2, 'b'", "2, 'b'"], ["2, 'b'"]],
        after=[(2, "b")] * 3,
    ),
]


@pytest.mark.parametrize("case", WRITE_CASES, ids=str)
def test_rows_are_written_by_mode(database: Database, case: WriteCase) -> None:
    key = ("id",) if case.has_key else ()
    plan = Plan("t", case.mode, primary_key=key, recreate_table=case.recreate_table)
    assert database.load(plan, {"id": "bigint", "value": "text"}, case.before, *case.files) == case.after


WINDOW = Window(datetime(2026, 10, 1, tzinfo=timezone.utc), datetime(2026, 10, 2, tzinfo=timezone.utc))


FROM_HALF_A_SECOND = Window(WINDOW.start + timedelta(milliseconds=500), WINDOW.end)


OCTOBER = 1_790_812_800  # 2026-10-01 in seconds


@dataclass(frozen=True)
class WindowCase:
    """Values of a cursor column, as SQL literals, inside and outside of a window."""

    data_type: str
    format: str
    inside: list[Any]
    outside: list[Any]
    window: Window = WINDOW


WINDOW_CASES = [
    WindowCase(
        data_type="timestamp",
        format="iso8601",
        inside=["'2026-10-01 00:00:00Z'"],
        outside=["'2026-09-30 23:59:59.999999Z'", "'2026-10-02 00:00:00Z'"],
    ),
    WindowCase(
        data_type="bigint",
        format="epoch_s",
        inside=[OCTOBER, OCTOBER + 86_399],
        outside=[OCTOBER - 1, OCTOBER + 86_400],
    ),
    WindowCase(
        data_type="bigint",
        format="epoch_ms",
        inside=[OCTOBER * 1000],
        outside=[OCTOBER * 1000 - 1, (OCTOBER + 86_400) * 1000],
    ),
    WindowCase(
        data_type="bigint", format="epoch_s", inside=[OCTOBER + 1], outside=[OCTOBER], window=FROM_HALF_A_SECOND
    ),
    WindowCase(data_type="double", format="epoch_s", inside=[OCTOBER + 0.5], outside=[OCTOBER - 0.5]),
    WindowCase(data_type="date", format="date", inside=["'2026-10-01'"], outside=["'2026-09-30'", "'2026-10-02'"]),
    WindowCase(data_type="date", format="date", inside=[], outside=["'2026-10-01'"], window=FROM_HALF_A_SECOND),
]


@pytest.mark.parametrize("case", WINDOW_CASES, ids=str)
def test_append_replaces_the_rows_of_its_window(database: Database, case: WindowCase) -> None:
    plan = Plan("t", "append", ("id",), cursor="changed", cursor_format=case.format, window=case.window)
    before = [f"{n}, {value}" for n, value in enumerate([*case.inside, *case.outside, "NULL"])]
    files = [[f"100, {value}" for value in case.inside], [f"100, {value}" for value in case.inside]]
    after = database.load(plan, {"id": "bigint", "changed": case.data_type}, before, *files)
    kept = range(len(case.inside), len(before))
    assert [row[0] for row in after] == [*kept, *[100] * (2 * len(case.inside))]


def test_reserved_words_and_composite_keys(database: Database) -> None:
    plan = Plan("t", "merge", ("order", "group"), cursor="timestamp")
    columns = {"order": "bigint", "group": "text", "timestamp": "timestamp", "select": "json", "table": "double"}
    before = ["1, 'x', '2026-10-01 00:00:00Z', '{\"a\": 1}', 0.1", "1, 'y', '2026-10-01 00:00:00Z', NULL, 0.1"]
    load = [
        "1, 'x', '2026-10-02 00:00:00Z', '[2]', 0.2",
        "1, 'y', '2026-10-01 00:00:00Z', NULL, 0.1",
        "2, 'x', NULL, '{}', NULL",
    ]
    after = database.load(plan, columns, before, load)
    assert [(row[0], row[1], row[4]) for row in after] == [(1, "x", 0.2), (1, "y", 0.1), (2, "x", None)]


def test_table_with_key_columns_only(database: Database) -> None:
    assert database.load(Plan("t", "merge", ("id",)), {"id": "bigint"}, ["1"], ["1", "2", "2"]) == [(1,), (2,)]
