"""The last step of a load: which row wins, what stays as it was, and that it happens as a whole or not at all."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest

from analytics_assets.rest_api.destination.duckdb.merge_sql import DuckDbMergeSql
from analytics_assets.rest_api.destination.merge_sql import LOAD_ID, TargetTable
from analytics_assets.rest_api.destination.parquet_files import ORDINAL
from analytics_assets.rest_api.destination.plan import Mode, Plan
from analytics_assets.rest_api.destination.postgres.merge_sql import LOADED_ROWS, PostgresMergeSql
from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets.rest_api.load import prepare
from analytics_assets.rest_api.windows import Window
from analytics_assets_tests.fake_api import CursorPagination, Endpoint, serve_endpoint
from analytics_assets_tests.support.postgres import Postgres
from analytics_assets_tests.support.shop import Shop

TYPES = {"bigint": "BIGINT", "text": "VARCHAR", "timestamp": "TIMESTAMP WITH TIME ZONE", "date": "DATE"}
TYPES |= {"double": "DOUBLE PRECISION", "decimal": "NUMERIC(38, 0)", "json": "JSON"}
WALK = {"paginator": {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next", "limit": 10}}


class Database:
    """A database without dlt, and a table in it."""

    def __init__(self, connection: Any) -> None:
        self._cursor = connection.cursor()

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        self._cursor.execute(sql)
        return list(self._cursor.fetchall()) if self._cursor.description and sql.startswith("SELECT") else []

    def merge(self, plan: Plan, table: TargetTable, sources: list[list[str]]) -> None:
        raise NotImplementedError

    def load(
        self, plan: Plan, columns: dict[str, str], before: list[str], *sources: list[str]
    ) -> list[tuple[Any, ...]]:
        """The table after a load of several files, ordered by its first columns. Rows are SQL literals."""
        types = {name: TYPES[kind] for name, kind in columns.items()}
        table = TargetTable(
            name="t0",
            columns={name: {"name": name, "data_type": kind} for name, kind in columns.items()},  # type: ignore[typeddict-item]
            types=types,
            quote=lambda name: f'"{name}"',
        )
        definitions = ", ".join(f'"{name}" {sql_type}' for name, sql_type in types.items())
        self.run(f"CREATE TEMP TABLE t0 ({definitions})")
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
        loaded = [index for index, name in enumerate(table.columns) if name != LOAD_ID]
        for row in itertools.chain.from_iterable(sources):
            values = self.run(f"SELECT {row}")[0]
            cells = ["NULL" if values[index] is None else "'" + str(values[index]) + "'" for index in loaded]
            self.run(f"INSERT INTO {LOADED_ROWS} VALUES ({', '.join(cells)}, {next(ordinals)})")
        for statement in (*merge.prepare_table(), *merge.write_rows("second")):
            self.run(statement)


@pytest.fixture(params=[DuckDb, DuckDbWithoutRowId, PostgreSql])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    if request.param is not PostgreSql:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield request.param(connection)
        return
    server: Postgres = request.getfixturevalue("postgres")
    with contextlib.closing(psycopg2.connect(server.credentials, options="-ctimezone=UTC")) as connection:
        yield PostgreSql(connection)


CURSORS = [  # kind of the column, `incremental.format`, an older and a newer value
    ("timestamp", "iso8601", "'2026-10-01 00:00:00Z'", "'2026-10-01 00:00:00.000001Z'"),
    ("timestamp", "epoch_ms", "'2026-09-30 23:59:59Z'", "'2026-10-01 00:00:00Z'"),
    ("bigint", "epoch_ms", "999", "1000"),
    ("bigint", "epoch_s", "-1", "0"),
    ("text", "epoch_ms", "'999'", "'1000'"),
    ("text", "epoch_s", "'9'", "'10'"),
    ("double", "epoch_s", "9.25", "10.5"),
    ("decimal", "epoch_ms", "9", "10"),
    ("date", "date", "'2026-09-30'", "'2026-10-01'"),
    ("text", "date", "'2026-09-30'", "'2026-10-01'"),
    ("text", "iso8601", "'2026-10-01T00:00:00Z'", "'2026-10-01T00:00:00.5Z'"),
    ("text", "iso8601", "'2026-10-01T01:30:00+02:00'", "'2026-10-01T00:00:00Z'"),
    ("text", "iso8601", "'2026-10-01T00:00:00Z'", "'2026-09-30T23:00:00-02:00'"),
    ("text", "iso8601", "'2026-03-08T02:30:00'", "'2026-03-08T03:00:00'"),  # an hour that New York does not have
    ("text", "iso8601", "'2026-10-01T00:00:00'", "'2026-10-01T00:00:01Z'"),
    ("text", "iso8601", "'2026-10-01 00:00:00'", "'2026-10-01T00:00:00.123456789Z'"),
]


@pytest.mark.parametrize(("kind", "format", "old", "new"), CURSORS)
def test_the_newest_row_wins(database: Database, kind: str, format: str, old: str, new: str) -> None:
    plan = Plan("t", "merge", ("id",), cursor="changed", cursor_format=format)
    columns = {"id": "bigint", "changed": kind, "value": "text", "_dlt_load_id": "text"}
    before = [
        f"1, {old}, 'a', 'first'",
        f"2, {new}, 'a', 'first'",
        "3, NULL, 'a', 'first'",
        f"4, {new}, 'a', 'first'",
        f"5, {old}, 'a', 'first'",
        f"6, {new}, 'a', 'first'",
        f"9, {old}, 'a', 'first'",
    ]
    one = [
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
    other = [f"1, {old}, 'd', 'second'", f"7, {old}, 'e', 'second'", f"8, {old}, 'e', 'second'"]
    after = database.load(plan, columns, before, one, other)
    assert [(row[0], row[2], row[3]) for row in after] == [
        (1, "b", "second"),  # newer
        (2, "a", "first"),  # older
        (3, "b", "second"),  # where there was none
        (4, "a", "first"),  # none where there was one
        (5, "a", "first"),  # the same row: not written again
        (6, "b", "second"),  # as new: the later load counts
        (7, "b", "second"),  # the newest of a load
        (8, "e", "second"),
        (9, "c", "second"),  # the last of those as new
    ]


MODES: list[tuple[Mode, dict[str, Any], list[str], list[list[str]], list[tuple[Any, ...]]]] = [
    ("merge", {}, ["1, 'a'", "2, 'a'"], [["2, 'b'", "3, 'b'"], ["3, 'c'"]], [(1, "a"), (2, "b"), (3, "c")]),
    ("merge", {}, ["1, 'a'"], [["1, NULL"]], [(1, None)]),
    ("merge", {}, ["1, NULL"], [["1, 'a'"], ["1, NULL"], ["1, ''"]], [(1, "")]),
    ("merge", {}, ["1, 'a'"], [[]], [(1, "a")]),
    ("replace", {}, ["1, 'a'", "2, 'a'"], [["2, 'b'", "2, 'c'"], ["3, 'b'"]], [(2, "c"), (3, "b")]),
    ("replace", {"recreate_table": True}, ["1, 'a'"], [["2, 'b'"], ["2, 'c'", "3, 'b'"]], [(2, "c"), (3, "b")]),
    ("replace", {}, ["1, 'a'"], [[]], []),
    ("replace", {"primary_key": ()}, ["1, 'a'"], [["2, 'b'", "2, 'b'"], ["2, 'b'"]], [(2, "b")] * 3),
]


@pytest.mark.parametrize(("mode", "how", "before", "loads", "after"), MODES)
def test_modes(
    database: Database,
    mode: Mode,
    how: dict[str, Any],
    before: list[str],
    loads: list[list[str]],
    after: list[tuple[Any, ...]],
) -> None:
    plan = Plan("t", mode, **{"primary_key": ("id",), **how})
    assert database.load(plan, {"id": "bigint", "value": "text"}, before, *loads) == after


WINDOW = Window(datetime(2026, 10, 1, tzinfo=timezone.utc), datetime(2026, 10, 2, tzinfo=timezone.utc))
FRACTION = Window(datetime(2026, 10, 1, 0, 0, 0, 500_000, timezone.utc), datetime(2026, 10, 2, tzinfo=timezone.utc))
OCTOBER = 1_790_812_800  # its first second


@pytest.mark.parametrize(
    ("window", "kind", "format", "inside", "outside"),
    [
        (
            WINDOW,
            "timestamp",
            "iso8601",
            ["'2026-10-01 00:00:00Z'"],
            ["'2026-09-30 23:59:59.999999Z'", "'2026-10-02 00:00:00Z'"],
        ),
        (WINDOW, "bigint", "epoch_s", [OCTOBER, OCTOBER + 86_399], [OCTOBER - 1, OCTOBER + 86_400]),
        (WINDOW, "bigint", "epoch_ms", [OCTOBER * 1000], [OCTOBER * 1000 - 1, (OCTOBER + 86_400) * 1000]),
        (FRACTION, "bigint", "epoch_s", [OCTOBER + 1], [OCTOBER]),
        (WINDOW, "text", "epoch_s", [f"'{OCTOBER}'"], [f"'{OCTOBER - 1}'", "'9'"]),
        (WINDOW, "double", "epoch_s", [OCTOBER + 0.5], [OCTOBER - 0.5]),
        (WINDOW, "date", "date", ["'2026-10-01'"], ["'2026-09-30'", "'2026-10-02'"]),
        (FRACTION, "date", "date", [], ["'2026-10-01'"]),
        (WINDOW, "text", "date", ["'2026-10-01'"], ["'2026-09-30'", "'2026-10-02'"]),
        (WINDOW, "text", "iso8601", ["'2026-10-01T00:00:00'"], ["'2026-09-30T23:59:59.9'", "'2026-10-02T00:00:00Z'"]),
        (WINDOW, "text", "iso8601", ["'2026-10-02T01:00:00+02:00'"], ["'2026-10-01T01:00:00+02:00'"]),
    ],
)
def test_append_takes_the_place_of_its_window(
    database: Database, window: Window, kind: str, format: str, inside: list[Any], outside: list[Any]
) -> None:
    plan = Plan("t", "append", ("id",), cursor="changed", cursor_format=format, window=window)
    before = [f"{n}, {value}" for n, value in enumerate([*inside, *outside, "NULL"])]
    loads = [[f"100, {value}" for value in inside], [f"100, {value}" for value in inside]]
    after = database.load(plan, {"id": "bigint", "changed": kind}, before, *loads)
    assert [row[0] for row in after] == [*range(len(inside), len(before)), *[100] * (2 * len(inside))]


def test_names_of_every_kind_and_keys_of_several_columns(database: Database) -> None:
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


def test_a_table_of_keys_only(database: Database) -> None:
    assert database.load(Plan("t", "merge", ("id",)), {"id": "bigint"}, ["1"], ["1", "2", "2"]) == [(1,), (2,)]


# From here on through dlt, with parquet files.


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many files of few rows, from a walk of few pages."""
    monkeypatch.setattr("analytics_assets.rest_api.destination.parquet_files.ROWS_PER_FILE", 10)
    monkeypatch.setattr("analytics_assets.rest_api.arrow.converter.BATCH_ROWS", 10)
    monkeypatch.setattr("analytics_assets.rest_api.extract.reader.MIN_BATCH_ROWS", 10)


def test_many_files_arrive_in_order(shop: Shop, small_files: None) -> None:
    rows = [{"id": n % 150, "value": n, **{f"column_{c}": n * c for c in range(20)}} for n in range(300)]
    with serve_endpoint(Endpoint("/rows", rows, pagination=CursorPagination())) as (_, url):
        with prepare(shop.request(url, endpoint=WALK)) as load:
            load.run()
        assert len(load.pipeline.files.paths) == 30
    expected = [(n, n + 150, (n + 150) * 19) for n in range(150)]
    assert shop.query("SELECT id, value, column_19 FROM shop.rows ORDER BY id") == expected


def test_a_field_that_comes_late_or_goes_early(any_shop: Shop, small_files: None) -> None:
    rows: list[dict[str, Any]] = [
        {"id": n, **({"early": n, "changes": n} if n < 25 else {"late": f"text {n}", "changes": f"text {n}"})}
        for n in range(50)
    ]
    expected = [(n, *((n, n, None, None) if n < 25 else (None, None, f"text {n}", f"text {n}"))) for n in range(50)]
    with serve_endpoint(Endpoint("/rows", rows, pagination=CursorPagination())) as (sandbox, url):
        for full_refresh in (False, True, False):
            load = any_shop.load(url, endpoint=WALK, load={"full_refresh": full_refresh})
            found = any_shop.query("SELECT id, early, changes, late, changes__v_text FROM shop.rows ORDER BY id")
            assert found == expected
        assert load.statistics.changed_columns == {"changes": ["changes__v_text"]}
        sandbox.set_rows("shop", "/rows", [{"id": 0}, {"id": 49, "late": ""}])
        any_shop.load(url, endpoint=WALK)
    [lost] = any_shop.query("SELECT id, early, changes, late, changes__v_text FROM shop.rows WHERE id = 0")
    assert lost == (0, None, None, None, None)


HOSTILE = [
    *("select", "user", "Group", "a b", 'say "hi"', "; DROP TABLE x", "1st", "rank_", "file_row_number", "filename"),
    *(
        "rowid",
        "s",
        "d",
        "r",
        "c",
        "k",
        "l",
        "id_",
        "ordinal_",
        "hash_",
        "ID2",
        "日本",
        "émile",
        "%s",
        "a" * 100,
        "__x",
        "_id",
        "end'",
    ),
]


def test_hostile_names_of_fields(any_shop: Shop) -> None:
    rows = [{"id": n, **{name: f"{name} {n}" for name in HOSTILE}} for n in range(3)]
    with serve_endpoint(Endpoint("/rows", rows)) as (_, url):
        for full_refresh in (False, True, False):
            load = any_shop.load(url, primary_key=("id", "Group"), load={"full_refresh": full_refresh})
    assert len(load.table.columns) == len(HOSTILE) + 2
    found = any_shop.query("SELECT * FROM shop.rows ORDER BY id")
    assert [{*row[:-1]} for row in found] == [{n, *(f"{name} {n}" for name in HOSTILE)} for n in range(3)]


def test_unchanged_rows_keep_their_load(any_shop: Shop) -> None:
    rows: list[dict[str, Any]] = [{"id": n, "nested": {"b": [n, None], "a": "ü"}, "n": None} for n in range(3)]
    with serve_endpoint(Endpoint("/rows", rows)) as (sandbox, url):
        any_shop.load(url)
        [[first]] = any_shop.query("SELECT DISTINCT _dlt_load_id FROM shop.rows")
        rows[1]["nested"]["b"] = [1, 0]
        sandbox.set_rows("shop", "/rows", rows)
        any_shop.load(url)
    found = any_shop.query("SELECT id, _dlt_load_id FROM shop.rows ORDER BY id")
    assert [(n, load_id == first) for n, load_id in found] == [(0, True), (1, False), (2, True)]
    loads = any_shop.query("SELECT load_id FROM shop._dlt_loads ORDER BY inserted_at")
    assert [first, found[1][1]] == [load_id for (load_id,) in loads]


@pytest.mark.parametrize("folder", ["it's; a b", "DROP TABLE x;\nALTER SCHEMA; --", "[a] *?{b} $1 é\\"])
def test_the_temp_folder_may_have_any_name(
    any_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    temp = tmp_path / folder
    temp.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    rows = [{"id": n, "text": "; DROP TABLE shop.rows;\n'\"%s\\"} for n in range(3)]
    with serve_endpoint(Endpoint("/rows", rows)) as (_, url):
        for full_refresh in (False, True, False):
            any_shop.load(url, load={"full_refresh": full_refresh})
            assert any_shop.query("SELECT id, text FROM shop.rows ORDER BY id") == [
                (n, rows[n]["text"]) for n in range(3)
            ]
    assert list(temp.iterdir()) == []


def test_a_load_that_fails_leaves_the_table_as_it_was(any_shop: Shop, small_files: None) -> None:
    rows = [{"id": n, "value": "old"} for n in range(20)]
    with serve_endpoint(Endpoint("/rows", rows, pagination=CursorPagination())) as (sandbox, url):
        any_shop.load(url, endpoint=WALK)
        any_shop.reject("secret@example.com")
        before = any_shop.query("SELECT id, value, _dlt_load_id FROM shop.rows ORDER BY id")
        more = [{"id": n, "value": "new"} for n in range(35)]
        sandbox.set_rows("shop", "/rows", [*more, {"id": 99, "value": "secret@example.com"}])
        with pytest.raises(
            WarehouseError, match=r"^loading shop\.rows failed with .*The table was not changed"
        ) as caught:
            any_shop.load(url, endpoint=WALK)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert any_shop.query("SELECT id, value, _dlt_load_id FROM shop.rows ORDER BY id") == before
    assert any_shop.tables() == {"shop.rows"}
