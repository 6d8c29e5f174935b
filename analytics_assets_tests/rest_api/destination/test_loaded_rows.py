"""Loads from an API into a table: each row and value arrives, whatever its name; a failed load changes nothing."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets.rest_api.load.table import prepare
from analytics_assets_tests.fake_api import CursorPagination, Endpoint, serve_endpoint
from analytics_assets_tests.rest_api.destination.endpoints import ENDPOINT
from analytics_assets_tests.support.shop import Shop


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write many files of few rows."""
    monkeypatch.setattr("analytics_assets.rest_api.destination.parquet_files.ROWS_PER_FILE", 10)
    monkeypatch.setattr("analytics_assets.rest_api.arrow.converter.BATCH_ROWS", 10)
    monkeypatch.setattr("analytics_assets.rest_api.extract.page_batches.MIN_BATCH_ROWS", 10)


def test_many_files_are_loaded_in_order(shop: Shop, small_files: None) -> None:
    rows = [{"id": n % 150, "value": n, **{f"column_{c}": n * c for c in range(20)}} for n in range(300)]
    with serve_endpoint(Endpoint("/rows", rows, pagination=CursorPagination())) as (_, url):
        with prepare(shop.request(url, endpoint=ENDPOINT)) as load:
            load.run()
        assert len(load.pipeline.files.paths) == 30
    expected = [(n, n + 150, (n + 150) * 19) for n in range(150)]
    assert shop.query("SELECT id, value, column_19 FROM shop.rows ORDER BY id") == expected


def test_fields_that_appear_or_vanish_during_a_load(every_shop: Shop, small_files: None) -> None:
    rows: list[dict[str, Any]] = [
        {"id": n, **({"early": n, "changes": n} if n < 25 else {"late": f"text {n}", "changes": f"text {n}"})}
        for n in range(50)
    ]
    expected = [(n, *((n, n, None, None) if n < 25 else (None, None, f"text {n}", f"text {n}"))) for n in range(50)]
    with serve_endpoint(Endpoint("/rows", rows, pagination=CursorPagination())) as (sandbox, url):
        for full_refresh in (False, True, False):
            load = every_shop.load(url, endpoint=ENDPOINT, load={"full_refresh": full_refresh})
            found = every_shop.query("SELECT id, early, changes, late, changes__v_text FROM shop.rows ORDER BY id")
            assert found == expected
        assert load.statistics.changed_columns == {"changes": ["changes__v_text"]}
        sandbox.set_rows("shop", "/rows", [{"id": 0}, {"id": 49, "late": ""}])
        every_shop.load(url, endpoint=ENDPOINT)
    [row] = every_shop.query("SELECT id, early, changes, late, changes__v_text FROM shop.rows WHERE id = 0")
    assert row == (0, None, None, None, None)


# SQL, names that the merge SQL and DuckDB use themselves, and characters beyond ASCII.
FIELD_NAMES = [
    *("select", "user", "Group", "a b", 'say "hi"', "; DROP TABLE x", "1st", "%s", "end'"),
    *("rank_", "ordinal_", "hash_", "id_", "file_row_number", "filename", "rowid", "s", "d", "r", "c", "k", "l"),
    *("ID2", "日本", "émile", "a" * 100, "__x", "_id"),
]


def test_any_field_name_is_loaded(every_shop: Shop) -> None:
    rows = [{"id": n, **{name: f"{name} {n}" for name in FIELD_NAMES}} for n in range(3)]
    with serve_endpoint(Endpoint("/rows", rows)) as (_, url):
        for full_refresh in (False, True, False):
            load = every_shop.load(url, primary_key=("id", "Group"), load={"full_refresh": full_refresh})
    assert len(load.table.columns) == len(FIELD_NAMES) + 2
    found = every_shop.query("SELECT * FROM shop.rows ORDER BY id")
    assert [{*row[:-1]} for row in found] == [{n, *(f"{name} {n}" for name in FIELD_NAMES)} for n in range(3)]


def test_unchanged_rows_keep_their_load_id(every_shop: Shop) -> None:
    rows: list[dict[str, Any]] = [{"id": n, "nested": {"b": [n, None], "a": "ü"}, "n": None} for n in range(3)]
    with serve_endpoint(Endpoint("/rows", rows)) as (sandbox, url):
        every_shop.load(url)
        [[first]] = every_shop.query("SELECT DISTINCT _dlt_load_id FROM shop.rows")
        rows[1]["nested"]["b"] = [1, 0]
        sandbox.set_rows("shop", "/rows", rows)
        every_shop.load(url)
    found = every_shop.query("SELECT id, _dlt_load_id FROM shop.rows ORDER BY id")
    assert [(n, load_id == first) for n, load_id in found] == [(0, True), (1, False), (2, True)]
    assert [first, found[1][1]] == every_shop.load_ids()


@pytest.mark.parametrize("folder", ["it's; a b", "DROP TABLE x;\nALTER SCHEMA; --", "[a] *?{b} $1 é\\"])
def test_temporary_folder_may_have_any_name(
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


def test_failed_load_does_not_change_the_table(any_shop: Shop, small_files: None) -> None:
    rows = [{"id": n, "value": "old"} for n in range(20)]
    with serve_endpoint(Endpoint("/rows", rows, pagination=CursorPagination())) as (sandbox, url):
        any_shop.load(url, endpoint=ENDPOINT)
        any_shop.reject("secret@example.com")
        before = any_shop.query("SELECT id, value, _dlt_load_id FROM shop.rows ORDER BY id")
        more = [{"id": n, "value": "new"} for n in range(35)]
        sandbox.set_rows("shop", "/rows", [*more, {"id": 99, "value": "secret@example.com"}])
        with pytest.raises(
            WarehouseError, match=r"^loading shop\.rows failed with .*The table was not changed"
        ) as caught:
            any_shop.load(url, endpoint=ENDPOINT)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert any_shop.query("SELECT id, value, _dlt_load_id FROM shop.rows ORDER BY id") == before
    assert any_shop.tables() == {"shop.rows"}


@dataclass(frozen=True)
class CursorText:
    """Two texts of a cursor. Most of them sort by time only once they are parsed."""

    format: str
    older: str
    newer: str


CURSOR_TEXTS = [
    CursorText(format="epoch_ms", older="999", newer="1000"),
    CursorText(format="epoch_s", older="9", newer="10"),
    CursorText(format="date", older="2026-09-30", newer="2026-10-01"),
    CursorText(format="iso8601", older="2026-10-01T00:00:00Z", newer="2026-10-01T00:00:00.5Z"),
    CursorText(format="iso8601", older="2026-10-01T01:30:00+02:00", newer="2026-10-01T00:00:00Z"),
    CursorText(format="iso8601", older="2026-10-01T00:00:00Z", newer="2026-09-30T23:00:00-02:00"),
    # An hour that does not exist in New York, the time zone of the server.
    CursorText(format="iso8601", older="2026-03-08T02:30:00", newer="2026-03-08T03:00:00"),
    CursorText(format="iso8601", older="2026-10-01T00:00:00", newer="2026-10-01T00:00:01Z"),
    CursorText(format="iso8601", older="2026-10-01 00:00:00", newer="2026-10-01T00:00:00.123456789Z"),
    CursorText(format="%d.%m.%Y", older="30.09.2026", newer="01.10.2026"),
]


@pytest.mark.parametrize("cursor", CURSOR_TEXTS, ids=str)
def test_cursors_written_as_text_sort_by_time(every_shop: Shop, cursor: CursorText) -> None:
    endpoint = {"incremental": {"cursor_path": "changed", "start_param": "since", "format": cursor.format}}
    newer, older = {"changed": cursor.newer, "value": "newer"}, {"changed": cursor.older, "value": "older"}
    rows = [{"id": 1, **newer}, {"id": 1, **older}, {"id": 2, **older}]
    with serve_endpoint(Endpoint("/rows", rows)) as (api, url):
        every_shop.load(url, endpoint=endpoint)
        assert every_shop.query("SELECT id, value FROM shop.rows ORDER BY id") == [(1, "newer"), (2, "older")]
        api.set_rows("shop", "/rows", [{"id": 2, **newer}, {"id": 2, **older}])
        every_shop.load(url, endpoint=endpoint)
        api.set_rows("shop", "/rows", [{"id": 1, **older}, {"id": 2, **older}])
        every_shop.load(url, endpoint=endpoint)
    assert every_shop.query("SELECT id, value FROM shop.rows ORDER BY id") == [(1, "newer"), (2, "newer")]
