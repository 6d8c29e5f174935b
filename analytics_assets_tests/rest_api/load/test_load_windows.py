"""Windows: a load has the rows of its own window, and leaves the same table whenever it is run again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from itertools import permutations
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from analytics_assets.rest_api.errors import ConfigError, DataError, WarehouseError
from analytics_assets.rest_api.windows import Window
from analytics_assets_tests.fake_api import TimeFilter
from analytics_assets_tests.support.loaders import day, orders

PARAMS = {"since": "{start}", "until": "{end}"}
BY_UPDATED: dict[str, Any] = {"cursor_path": "updated", "start_param": "since", "end_param": "until"}
ALL_TIME = Window(datetime(1970, 1, 1, tzinfo=timezone.utc), datetime(2100, 1, 1, tzinfo=timezone.utc))


def stored(rows: list[dict[str, Any]], cursor: str = "updated") -> list[dict[str, Any]]:
    """The rows of the API as the table stores them: the cursor is a timestamp."""
    return [{**row, cursor: timestamp(row[cursor])} for row in rows]


def timestamp(text: str) -> datetime:
    parsed: datetime = pa.array([text]).cast(pa.timestamp("us", "UTC"))[0].as_py()
    return parsed


ISO_EDGES = {
    1: "2026-10-01T23:59:59.999999Z",
    2: "2026-10-02T00:00:00Z",
    3: "2026-10-02T00:00:00.000001Z",
    4: "2026-10-02T12:00:00+05:00",
    5: "2026-10-02T23:59:59.999999Z",
    6: "2026-10-03T00:00:00Z",
    7: "2026-10-03T00:00:00.000001Z",
}
MS_EDGES = dict(enumerate((1790899199999, 1790899200000, 1790942400000, 1790985599999, 1790985600000), 1))
DATES = dict(enumerate(("2026-10-01", "2026-10-02", "2026-10-03"), 1))
DOTTED = dict(enumerate(("01.10.2026 23:59", "02.10.2026 00:00", "02.10.2026 23:59", "03.10.2026 00:00"), 1))


@pytest.mark.parametrize(
    ("edges", "api", "incremental", "inside", "outside"),
    [
        (ISO_EDGES, {}, {}, [2, 3, 4, 5], 0),
        (ISO_EDGES, {"end": "inclusive"}, {}, [2, 3, 4, 5], 1),
        (ISO_EDGES, {"end": "inclusive"}, {"end": "inclusive"}, [2, 3, 4, 5], 0),
        (ISO_EDGES, {"start": "exclusive"}, {"start": "exclusive"}, [2, 3, 4, 5], 0),
        (ISO_EDGES, {"start": "exclusive", "end": "inclusive"}, {"start": "exclusive"}, [2, 3, 4, 5], 1),
        (ISO_EDGES, {"ignored": True}, {}, [2, 3, 4, 5], 3),
        (MS_EDGES, {"format": "epoch_ms"}, {"format": "epoch_ms"}, [2, 3, 4], 0),
        (MS_EDGES, {"format": "epoch_ms", "end": "inclusive"}, {"format": "epoch_ms"}, [2, 3, 4], 1),
        (DATES, {"format": "date"}, {"format": "date"}, [2], 0),
        (DATES, {"format": "date", "end": "inclusive"}, {"format": "date", "end": "inclusive"}, [2], 0),
        (DATES, {"format": "date", "end": "inclusive"}, {"format": "date"}, [2], 1),
        (DOTTED, {"format": "%d.%m.%Y %H:%M"}, {"format": "%d.%m.%Y %H:%M"}, [2, 3], 0),
        (DOTTED, {"format": "%d.%m.%Y %H:%M", "ignored": True}, {"format": "%d.%m.%Y %H:%M"}, [2, 3], 2),
    ],
)
def test_windows_are_exact(
    edges: Mapping[int, Any],
    api: dict[str, Any],
    incremental: dict[str, str],
    inside: list[int],
    outside: int,
    tmp_path: Path,
) -> None:
    rows = [{"id": number, "updated": updated} for number, updated in edges.items()]
    updated = TimeFilter("updated", PARAMS, **api)
    with orders(tmp_path, updated=updated, incremental=BY_UPDATED | incremental) as shop:
        statistics = shop.load(rows, window=day(2)).statistics
        assert [row["id"] for row in shop.rows()] == inside
    assert (statistics.rows, statistics.rows_outside_window) == (len(inside), outside)


def test_an_hour_of_an_api_that_filters_by_days(tmp_path: Path) -> None:
    rows = [{"id": hour, "changed": f"2026-10-02T{hour:02}:30:00Z"} for hour in range(24)]
    updated = TimeFilter("changed", PARAMS, format="date", field_format="iso8601")
    incremental = {**BY_UPDATED, "cursor_path": "changed", "format": "date"}
    hour = Window(datetime(2026, 10, 2, 5, tzinfo=timezone.utc), datetime(2026, 10, 2, 6, tzinfo=timezone.utc))
    with orders(tmp_path, updated=updated, incremental=incremental) as api:
        statistics = api.load(rows, window=hour).statistics
        assert [row["id"] for row in api.rows()] == [5]
    assert statistics.rows_outside_window == 23


def test_an_ignored_filter_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"id": n, "updated": f"2026-10-{n:02}T12:00:00Z"} for n in range(1, 6)]
    with (
        orders(tmp_path, updated=TimeFilter("updated", PARAMS, ignored=True), incremental=BY_UPDATED) as api,
        caplog.at_level(logging.WARNING, "analytics_assets"),
    ):
        assert not api.load(rows, window=day(2, 4)).statistics.filter_seems_ignored
        assert not caplog.messages
        assert api.load(rows, window=day(2)).statistics.filter_seems_ignored
    [message] = caplog.messages
    assert "orders: 4 of 5 rows are outside the window" in message


NEWEST: list[tuple[str, str | None, Any, Any, dict[str, Any]]] = [
    ("fraction", "iso8601", "2026-10-02T10:00:00Z", "2026-10-02T10:00:00.5Z", {}),
    ("more digits", "iso8601", "2026-10-02T10:00:00.5Z", "2026-10-02T10:00:00.501Z", {}),
    ("offsets", "iso8601", "2026-10-02T23:00:00+05:00", "2026-10-02T20:00:00Z", {}),
    ("no offset", "iso8601", "2026-10-02T20:00:00", "2026-10-02T20:00:01Z", {}),
    ("milliseconds", "epoch_ms", 999_999_999_999, 1_000_000_000_000, {}),
    ("milliseconds as text", "epoch_ms", "999999999999", "1000000000000", {}),
    ("seconds", "epoch_s", 999_999_999, 1_000_000_000, {}),
    ("whole doubles", "epoch_s", 999_999_999.0, 1e9, {}),
    ("declared, epoch", "epoch_ms", 999_999_999_999, 1_000_000_000_000, {"type": "integer", "format": "epoch_ms"}),
    ("declared, iso", "iso8601", "2026-10-02T20:00:00Z", "2026-10-02T23:00:00+01:00", {"data_type": "timestamp"}),
    ("dates", "date", "2026-09-30", "2026-10-01", {}),
    ("declared dates", "date", "2026-09-30", "2026-10-01", {"type": "string", "format": "date"}),
    ("pattern", "%d.%m.%Y %H:%M", "30.09.2026 10:00", "01.10.2026 09:00", {}),
    ("declared pattern", "%d/%m/%y", "30/09/26", "01/10/26", {"type": "string", "format": "%d/%m/%y"}),
]


@pytest.mark.parametrize(("format", "old", "new", "column"), [case[1:] for case in NEWEST], ids=[c[0] for c in NEWEST])
def test_newest_wins(format: str, old: Any, new: Any, column: dict[str, Any], tmp_path: Path) -> None:
    """Between loads in any order, and between pages of one walk in any order."""

    def row(number: int, updated: Any, version: str) -> dict[str, Any]:
        return {"id": number, "updated": updated, "version": version}

    columns = {"updated": column} if column else {}
    updated = TimeFilter("updated", PARAMS, format=format, ignored=True)
    incremental = BY_UPDATED | {"format": format}
    with orders(tmp_path, updated=updated, incremental=incremental, columns=columns) as api:
        api.load([row(1, new, "new"), row(2, old, "old"), row(3, old, "first")], window=ALL_TIME)
        api.load(
            [
                *(row(1, old, "old"), row(2, new, "new")),
                *(row(3, old, "second"), row(7, new, "new")),
                *(row(4, new, "new"), row(5, old, "old")),
                *(row(4, old, "old"), row(5, new, "new")),
                *(row(6, new, "first"), row(6, new, "second")),
            ],
            window=ALL_TIME,
        )
        found = [(row["id"], row["version"]) for row in api.rows()]
    assert found == [(1, "new"), (2, "new"), (3, "second"), (4, "new"), (5, "new"), (6, "second"), (7, "new")]


NESTED = {**BY_UPDATED, "cursor_path": "meta.updatedAt"}


def test_nested_cursor(tmp_path: Path) -> None:
    def row(number: int, updated: str, version: int) -> dict[str, Any]:
        return {"id": number, "meta": {"updatedAt": updated, "by": "Zoë"}, "version": version}

    # The sandbox filters by fields of the row itself: this API ignores its parameters.
    updated = TimeFilter("meta", PARAMS, ignored=True)
    with orders(tmp_path, updated=updated, incremental=NESTED) as api:
        api.load([row(1, "2026-10-02T00:00:00Z", 2), row(2, "2026-10-03T00:00:00Z", 1)], window=day(2))
        api.load([row(1, "2026-10-01T23:00:00Z", 1), row(3, "2026-10-01T00:00:00Z", 1)], window=day(1))
        types = {"id": "BIGINT", "meta": "JSON", "version": "BIGINT", "meta_updated_at": "TIMESTAMP WITH TIME ZONE"}
        assert api.types() == types
        assert [(row["id"], row["version"], row["meta_updated_at"]) for row in api.rows()] == [
            (1, 2, timestamp("2026-10-02T00:00:00Z")),
            (3, 1, timestamp("2026-10-01T00:00:00Z")),
        ]


def test_nested_cursor_as_pattern(tmp_path: Path) -> None:
    updated = TimeFilter("meta", PARAMS, format="%d.%m.%Y", ignored=True)
    with orders(tmp_path, updated=updated, incremental={**NESTED, "format": "%d.%m.%Y"}) as api:
        api.load([{"id": 1, "meta": {"updatedAt": "02.10.2026"}}], window=day(2))
        assert api.types()["meta_updated_at"] == "TIMESTAMP WITH TIME ZONE"
        assert api.rows()[0]["meta_updated_at"] == day(2).start


def test_pattern_that_is_declared_as_text(tmp_path: Path) -> None:
    columns, incremental = {"updated": {"type": "string"}}, BY_UPDATED | {"format": "%d.%m.%Y"}
    refused = pytest.raises(ConfigError, match=r"incremental\.cursor_path: is declared as text.*declare its `format`")
    with orders(tmp_path, incremental=incremental, columns=columns) as api, refused:
        api.load([{"id": 1, "updated": "02.10.2026"}], window=day(2))


@pytest.mark.parametrize(
    ("format", "stored_type", "value", "words"),
    [
        ("iso8601", "VARCHAR", "2026-10-02T10:00:00Z", "is text in the warehouse"),
        ("date", "VARCHAR", "2026-10-02", "is text in the warehouse"),
        ("epoch_ms", "BIGINT", 1790935200000, "is bigint in the warehouse"),
    ],
)
def test_a_stored_cursor_that_is_not_a_timestamp_needs_a_full_refresh(
    format: str, stored_type: str, value: Any, words: str, tmp_path: Path
) -> None:
    """A table of an earlier version: nothing is requested before the full refresh."""
    updated = TimeFilter("updated", PARAMS, format=format)
    with orders(tmp_path, updated=updated, incremental=BY_UPDATED | {"format": format}) as api:
        with duckdb.connect(str(api.loader.file)) as connection:
            connection.execute("CREATE SCHEMA shop")
            connection.execute(f"CREATE TABLE shop.orders (id BIGINT, updated {stored_type}, _dlt_load_id VARCHAR)")
        with pytest.raises(WarehouseError, match=rf"cursor column 'updated' of shop\.orders {words}.* full refresh"):
            api.load([{"id": 1, "updated": value}], window=day(2))
        assert not api.sandbox.requests
        api.load(full_refresh=True)
        api.load(window=day(2))
        assert api.types() == {"id": "BIGINT", "updated": "TIMESTAMP WITH TIME ZONE"}
        assert len(api.rows()) == 1


def test_the_table_of_an_empty_window_exists_once_its_key_is_declared(tmp_path: Path) -> None:
    columns = {"id": {"type": "integer"}}
    with orders(tmp_path, updated=TimeFilter("updated", PARAMS), incremental=BY_UPDATED, columns=columns) as api:
        api.load([], window=day(2))
        assert api.types() == {"id": "BIGINT", "updated": "TIMESTAMP WITH TIME ZONE"}


@pytest.mark.parametrize("data_type", ["text", "bool", "json", "bigint"])
def test_a_cursor_that_is_declared_as_something_that_does_not_sort_by_time(data_type: str, tmp_path: Path) -> None:
    columns = {"updated": {"data_type": data_type}}
    refused = pytest.raises(ConfigError, match=rf"cursor_path: is declared as {data_type}.*declare its `format`")
    with orders(tmp_path, incremental=BY_UPDATED, columns=columns) as api, refused:
        api.load([{"id": 1, "updated": "2026-10-02T00:00:00Z"}], window=day(2))


V1 = [{"id": 1, "updated": "2026-10-01T10:00:00Z", "v": 1}, {"id": 2, "updated": "2026-10-01T11:00:00Z", "v": 1}]
V2 = [
    {"id": 1, "updated": "2026-10-02T10:00:00.5Z", "v": 2},
    V1[1],
    {"id": 3, "updated": "2026-10-02T00:00:00Z", "v": 1},
]


@pytest.mark.parametrize("order", list(permutations([(V1, 1), (V2, 1), (V2, 2)])))
def test_any_order_of_replays(order: Any, tmp_path: Path) -> None:
    """A row that changed on the second day moved there: what was read before and what after end in one table."""
    with orders(tmp_path, updated=TimeFilter("updated", PARAMS), incremental=BY_UPDATED) as api:
        for rows, number in order:
            api.load(rows, window=day(number))
        assert api.rows() == stored(V2)


DAY_MS = (1790899199999, 1790899200000, 1790985599999, 1790985600000)
DAY_S = (1790899199, 1790899200, 1790985599, 1790985600)
DAY_ISO = ("2026-10-01T23:59:59.5Z", "2026-10-02T00:00:00Z", "2026-10-03T01:00:00+02:00", "2026-10-03T00:00:00.0Z")
DAY_NAIVE = ("2026-10-01T23:59:59", "2026-10-02T00:00:00", "2026-10-02T23:59:59.9", "2026-10-03T00:00:00")
DAY_DATE = ("2026-10-01", "2026-10-02", "2026-10-02", "2026-10-03")
DAY_DOTTED = ("01.10.2026 23:59", "02.10.2026 00:00", "02.10.2026 23:59", "03.10.2026 00:00")


@pytest.mark.parametrize(
    ("format", "moments", "column"),
    [
        ("iso8601", DAY_ISO, {}),
        ("iso8601", DAY_NAIVE, {}),
        ("iso8601", DAY_ISO, {"data_type": "timestamp"}),
        ("epoch_ms", DAY_MS, {}),
        ("epoch_ms", tuple(map(str, DAY_MS)), {}),
        ("epoch_s", tuple(map(float, DAY_S)), {}),
        ("epoch_s", DAY_S, {"type": "integer", "format": "epoch_s"}),
        ("date", DAY_DATE, {}),
        ("date", DAY_DATE, {"type": "string", "format": "date"}),
        ("%d.%m.%Y %H:%M", DAY_DOTTED, {}),
    ],
)
def test_append_replaces_the_rows_of_its_window(
    format: str, moments: tuple[Any, ...], column: dict[str, str], tmp_path: Path
) -> None:
    """The last moment before the window, its first, its last, and the first after it."""
    settings: dict[str, Any] = {"write_disposition": "append", "columns": {"updated": column} if column else {}}
    updated = TimeFilter("updated", PARAMS, format=format, ignored=True)
    with orders(tmp_path, updated=updated, incremental=BY_UPDATED | {"format": format}, **settings) as api:
        for version, window in enumerate((day(2), day(1, 3), day(2))):
            api.load([{"id": n, "updated": each, "v": version} for n, each in enumerate(moments)], window=window)
        assert [(row["id"], row["v"]) for row in api.rows()] == [(0, 1), (1, 2), (2, 2), (3, 1)]


@pytest.mark.parametrize("how", [{"window": day(2)}, {"full_refresh": True}], ids=["window", "full refresh"])
def test_append_keeps_two_rows_of_one_key(how: dict[str, Any], tmp_path: Path) -> None:
    rows = [{"id": 1, "updated": "2026-10-02T00:00:00Z", "v": n} for n in range(3)]
    with orders(
        tmp_path, updated=TimeFilter("updated", PARAMS), incremental=BY_UPDATED, write_disposition="append"
    ) as api:
        api.load(rows, **how)
        assert sorted(row["v"] for row in api.rows()) == [0, 1, 2]


def test_full_refresh_walks_all_history(tmp_path: Path) -> None:
    rows = [{"id": n, "updated": f"2026-10-{n:02}T00:00:00Z"} for n in range(1, 9)]
    with orders(tmp_path, updated=TimeFilter("updated", PARAMS), incremental=BY_UPDATED) as api:
        api.load([{"id": 9, "updated": "2026-10-02T12:00:00Z"}], window=day(2))
        api.sandbox.requests.clear()
        api.load(rows, full_refresh=True)
        assert api.rows() == stored(rows)
        assert {name for record in api.sandbox.requests for name in record.request.query} == {"limit", "offset"}


def test_append_of_an_empty_window_removes_its_rows(tmp_path: Path) -> None:
    rows = [{"id": n, "updated": f"2026-10-0{n}T00:00:00Z"} for n in (1, 2)]
    with orders(
        tmp_path, updated=TimeFilter("updated", PARAMS), incremental=BY_UPDATED, write_disposition="append"
    ) as api:
        api.load(rows, window=day(1, 2))
        api.load(rows[:1], window=day(2))
        assert api.rows() == stored(rows[:1])


@pytest.mark.parametrize("disposition", ["merge", "append"])
def test_lookback_reads_further_back(disposition: str, tmp_path: Path) -> None:
    held = [{"id": n, "updated": f"2026-10-0{n}T12:00:00Z"} for n in range(1, 7)]
    incremental = BY_UPDATED | {"lookback": "2 days"}
    with orders(
        tmp_path, updated=TimeFilter("updated", PARAMS), incremental=incremental, write_disposition=disposition
    ) as api:
        api.load([held[4], held[2]], window=day(5))  # the API shows the row of the fourth only later
        assert api.load(held, window=day(5)).statistics.rows_outside_window == 0
        assert api.rows() == stored(held[2:5])
        assert min(record.request.query["since"] for record in api.sandbox.requests) == "2026-10-03T00:00:00Z"


def test_without_a_cursor_the_later_load_wins(tmp_path: Path) -> None:
    """The API filters by a field that it does not return."""
    updated = TimeFilter("updated", PARAMS, hidden=True)
    incremental = {name: value for name, value in BY_UPDATED.items() if name != "cursor_path"}
    with orders(tmp_path, updated=updated, incremental=incremental) as api:
        for rows, number in ((V2, 2), (V1, 1)):
            api.load(rows, window=day(number))
        assert api.rows() == [{"id": 1, "v": 1}, {"id": 2, "v": 1}, {"id": 3, "v": 1}]


def test_rows_without_cursor(tmp_path: Path) -> None:
    """They cannot be placed elsewhere: a merge keeps them, and never over a row whose time is known."""
    updated = TimeFilter("updated", PARAMS, ignored=True)
    timeless: list[dict[str, Any]] = [{"id": 1, "updated": None, "v": 2}, {"id": 2, "v": 2}]
    with orders(tmp_path, updated=updated, incremental=BY_UPDATED) as api:
        api.load([{"id": 1, "updated": "2026-10-02T00:00:00Z", "v": 1}, *timeless[1:]], window=day(2))
        api.load([*timeless, {"id": 3, "updated": "2026-10-02T00:00:00Z", "v": 2}], window=day(2))
        assert [(row["id"], row["v"]) for row in api.rows()] == [(1, 1), (2, 2), (3, 2)]
        with pytest.raises(DataError, match="2 of 3 records have no 'updated'"):
            api.load([*timeless, V1[0]], window=day(2), write_disposition="append")


@pytest.mark.parametrize(
    ("format", "values", "column", "words"),
    [
        (
            "iso8601",
            [1790899200000],
            {},
            "'updated' is bigint in 1 of 1 records, which is not written as `incremental.format: iso8601` says",
        ),
        ("epoch_ms", ["2026-10-02T00:00:00Z"], {}, "is text in 1 of 1 records, which is not written as"),
        ("epoch_ms", [True], {}, "is bool in 1 of 1 records, which is not written as"),
        ("epoch_ms", [1790899200000.5], {"type": "integer"}, "is double in 1 of 1 records, which is not written as"),
        ("date", ["02.10.2026"], {}, "is text in 1 of 1 records, which is not written as"),
        ("epoch_ms", [1790899200000, "1790899200001"], {"type": "integer"}, "is text in 1 of 2 records"),
        ("%d.%m.%Y", ["02.10.2026", "2026-10-02"], {}, "is text in 1 of 2 records"),
        ("iso8601", ["2026-10-02T00:00:00Z", "yesterday"], {"data_type": "timestamp"}, "is text in 1 of 2 records"),
        ("iso8601", [None, None], {}, "no record has the field 'updated'"),
    ],
)
def test_cursors_that_cannot_be_read(
    format: str, values: list[Any], column: dict[str, str], words: str, tmp_path: Path
) -> None:
    """A row of an unknown time would end in a window that is not its own: the load fails, and says no value."""
    columns = {"updated": column} if column else {}
    updated = TimeFilter("updated", PARAMS, format=format, ignored=True)
    with orders(tmp_path, updated=updated, incremental=BY_UPDATED | {"format": format}, columns=columns) as api:
        with pytest.raises(DataError) as failed:
            api.load([{"id": n, "updated": value} for n, value in enumerate(values)], window=day(2))
        assert words in str(failed.value)
        assert not any(str(value) in str(failed.value) for value in values if value)
        assert not api.types()
