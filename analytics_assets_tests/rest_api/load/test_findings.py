"""What a load finds out about its rows and their table, on DuckDB and PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from analytics_assets.rest_api.destination import duplicate_keys
from analytics_assets.rest_api.extract.pagination.proof import Completeness
from analytics_assets.rest_api.windows import Window
from analytics_assets_tests.fake_api import CursorPagination, Endpoint, OffsetPagination, TimeFilter, serve_endpoint
from analytics_assets_tests.support.shop import Shop

CURSOR = {"type": "cursor", "cursor_param": "cursor", "cursor_path": "next"}
SINGLE = {"type": "single_page"}
FULL = {"full_refresh": True}


def rows(*ids: Any) -> list[dict[str, Any]]:
    return [{"id": row_id, "region": "north", "value": 1} for row_id in ids]


@pytest.mark.parametrize(
    ("resource", "load"),
    [({}, {}), ({"write_disposition": "replace"}, {}), ({}, FULL), ({"primary_key": ("id", "region")}, FULL)],
    ids=["merge", "replace", "full refresh", "key of two columns"],
)
def test_rows_gone_are_counted_with_a_sample_of_keys(
    any_shop: Shop, resource: dict[str, Any], load: dict[str, Any]
) -> None:
    with serve_endpoint(Endpoint("/rows", rows(*range(10)))) as (server, url):
        keys: dict[str, Any] = {"endpoint": {"paginator": SINGLE}, "load": load, **resource}
        assert any_shop.load(url, **keys).findings.rows_gone == 0
        assert any_shop.load(url, **keys).findings.rows_gone == 0
        server.set_rows("shop", "/rows", rows(0, 1, 20))
        findings = any_shop.load(url, **keys).findings
    assert (findings.rows_gone, len(findings.gone_keys)) == (8, 5)
    assert {key[0] for key in findings.gone_keys} <= set(range(2, 10))


def test_all_rows_are_gone_if_the_api_has_none(every_shop: Shop) -> None:
    keys: dict[str, Any] = {
        "endpoint": {"paginator": SINGLE},
        "load": FULL,
        "columns": {"id": {"data_type": "bigint"}},
    }
    with serve_endpoint(Endpoint("/rows", rows(1, 2))) as (server, url):
        every_shop.load(url, **keys)
        server.set_rows("shop", "/rows", [])
        assert every_shop.load(url, **keys).findings.rows_gone == 2
    assert every_shop.ids() == []


def test_keys_of_another_type_and_bounded_reads_are_not_compared(every_shop: Shop) -> None:
    bounded = {"type": "offset", "limit": 2, "maximum_offset": 2}
    with serve_endpoint(Endpoint("/rows", rows(1, 2, 3), pagination=OffsetPagination())) as (server, url):
        every_shop.load(url, endpoint={"paginator": {"type": "offset", "limit": 2}})
        findings = every_shop.load(url, endpoint={"paginator": bounded}).findings
        assert (findings.rows_gone, findings.completeness) == (None, Completeness("bound", rows=2))
        server.set_rows("shop", "/rows", rows("a", "b"))
        load = every_shop.load(url, endpoint={"paginator": {"type": "offset", "limit": 2}}, load=FULL)
    assert load.findings.rows_gone is None
    assert every_shop.ids() == ["a", "b"]


@pytest.mark.parametrize("in_memory", [50_000, 0], ids=["few rows", "many rows"])
def test_repeated_keys_are_counted(shop: Shop, monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(duplicate_keys, "ROWS_IN_MEMORY", in_memory)
    with serve_endpoint(Endpoint("/rows", rows(1, 2, 2, 3, 3, 3), pagination=CursorPagination())) as (server, url):
        keys = shop.load(url, endpoint={"paginator": CURSOR}).findings.keys
        assert keys
        assert (keys.rows, keys.distinct, keys.duplicates, sorted(keys.repeated)) == (6, 3, 3, [(2,), (3,)])
        server.set_rows("shop", "/rows", rows(1, 2))
        keys = shop.load(url, endpoint={"paginator": CURSOR}).findings.keys
    assert keys == duplicate_keys.Keys(rows=2, distinct=2)


def test_slices_of_a_window_are_complete_together(shop: Shop) -> None:
    day = datetime(2026, 10, 1, tzinfo=timezone.utc)
    timed = [{"id": n, "at": f"2026-10-01T{n % 24:02}:{n // 24 % 60:02}:00Z"} for n in range(200)]
    updated = TimeFilter("at", {"since": "{start}", "until": "{end}"})
    endpoint = Endpoint("/rows", timed, pagination=CursorPagination(default_limit=10), updated=updated)
    incremental = {"cursor_path": "at", "start_param": "since", "end_param": "until"}
    with serve_endpoint(endpoint) as (_, url):
        load = shop.load(
            url,
            client={"max_concurrency": 2},
            endpoint={"paginator": CURSOR, "incremental": incremental},
            load={"window": Window(day, day.replace(day=2))},
        )
    assert load.findings.completeness == Completeness("end", rows=200)
    assert load.findings.rows_gone is None


def test_weakest_proof_counts() -> None:
    reads = [Completeness("total", 2, 2), Completeness("empty page", 3), Completeness("end", 4)]
    assert Completeness.combined(reads) == Completeness("empty page", rows=9)
    assert Completeness.combined(reads[:1] * 2) == Completeness("total", rows=4, promised_rows=4)
    assert Completeness.combined([]) is None
