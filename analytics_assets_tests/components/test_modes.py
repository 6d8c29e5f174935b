"""One day, a range, any order, the full history: the rows that a run requests and the rows of its table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pytest

from analytics_assets.sandbox import builtin
from analytics_assets_tests.components.conftest import JobHarness, failure_message, materializations
from analytics_assets_tests.fake_api import builtin_server, faults
from analytics_assets_tests.support.expected_rows import COLUMNS, expected_rows

RECRUITING = ("recruiting.opportunities", "recruiting.users")
TREASURY = ("treasury.cash_drawers", "treasury.bank_accounts")
WINDOW_PARAMS = {"updated_at_start", "updated_at_end", "updated_from", "updated_to"}


def ended_days() -> set[str]:
    """The days since the first partition that are over."""
    today, day = datetime.now(timezone.utc).date(), datetime(2026, 10, 1, tzinfo=timezone.utc).date()
    return {(day + timedelta(days=n)).isoformat() for n in range((today - day).days)}


def union(table: str, *windows: tuple[str, str]) -> list[dict[str, Any]]:
    """The rows of several windows without duplicates."""
    rows = {row["id"]: row for since, until in windows for row in expected_rows(table, since=since, until=until)}
    return sorted(rows.values(), key=lambda row: row["id"])


@pytest.mark.parametrize("tables", [RECRUITING, TREASURY], ids=["recruiting", "treasury"])
def test_partition_loads_its_window(harness: JobHarness, tables: tuple[str, str]) -> None:
    result = harness.run(f"{tables[0].split('.')[0]}_incremental", partition="2026-10-05")
    for table in tables:
        rows = expected_rows(table, since="2026-10-05", until="2026-10-06")
        assert rows
        assert harness.rows(table) == rows
        [(partition, metadata)] = materializations(result, table.replace(".", "/")).items()
        assert (partition, metadata["window"]) == ("2026-10-05", "[2026-10-05T00:00:00Z, 2026-10-06T00:00:00Z)")


def test_range_is_one_read(harness: JobHarness) -> None:
    result = harness.run("recruiting_incremental", partitions=("2026-10-05", "2026-10-08"))
    for table in RECRUITING:
        rows = expected_rows(table, since="2026-10-05", until="2026-10-09")
        assert harness.rows(table) == rows
        queries = harness.queries(f"/v1/{table.split('.')[1]}")
        assert len(queries) == -(-len(rows) // 50)  # pages of 50
        assert {(query["updated_at_start"], query["updated_at_end"]) for query in queries} == {
            ("1791158400000", "1791504000000")
        }
        assert materializations(result, table.replace(".", "/")).keys() == {f"2026-10-0{day}" for day in range(5, 9)}


def test_treasury_windows_are_requested_in_iso_8601(harness: JobHarness) -> None:
    harness.run("treasury_incremental", partitions=("2026-10-05", "2026-10-08"))
    for table in TREASURY:
        assert harness.rows(table) == expected_rows(table, since="2026-10-05", until="2026-10-09")
        assert {
            (query["updated_from"], query["updated_to"]) for query in harness.queries(f"/v1/{table.split('.')[1]}")
        } == {("2026-10-05T00:00:00Z", "2026-10-09T00:00:00Z")}


def test_windows_can_be_replayed_in_any_order(harness: JobHarness) -> None:
    windows = []
    for first, last, until in [
        ("2026-10-07", "2026-10-09", "2026-10-10"),
        ("2026-10-02", "2026-10-02", "2026-10-03"),
        ("2026-10-01", "2026-10-07", "2026-10-08"),
        ("2026-10-02", "2026-10-02", "2026-10-03"),
    ]:
        harness.run("recruiting_incremental", partitions=(first, last))
        windows.append((first, until))
        assert {table: harness.rows(table) for table in RECRUITING} == {t: union(t, *windows) for t in RECRUITING}


def test_window_without_rows(harness: JobHarness) -> None:
    result = harness.run("recruiting_incremental", partition="2026-11-18")
    for table in RECRUITING:
        assert harness.rows(table) == []
        [metadata] = materializations(result, table.replace(".", "/")).values()
        assert (metadata["rows_loaded"], metadata["dagster/row_count"]) == (0, 0)


def test_error_without_a_partition_says_how_to_choose_one(harness: JobHarness) -> None:
    result = harness.run("recruiting_incremental", ok=False)
    for asset in ("opportunities", "users"):
        assert failure_message(result, f"recruiting__{asset}") == (
            f"recruiting/{asset}: this asset is partitioned, and the run names no partition. Choose one in the UI, add "
            '`--partition 2026-10-01` (dg launch) or `--tags \'{"dagster/partition": "2026-10-01"}\'` '
            "(dagster job execute), or load the full history with a full_refresh job"
        )
    assert harness.server.requests == []
    assert not (harness.folder / "warehouse.duckdb").exists()


@pytest.mark.parametrize("partitions", [None, ("2026-10-01", "2026-11-10")], ids=["no partition", "all in the UI"])
def test_full_refresh_replaces_tables(snapshot_harness: JobHarness, partitions: tuple[str, str] | None) -> None:
    harness = snapshot_harness
    harness.run("recruiting_incremental", partition="2026-10-05")
    for table in COLUMNS:
        api, resource = table.split(".")
        harness.server.set_rows(api, f"/v1/{resource}", builtin.rows(api, resource)[::2])
    result = harness.run("full_refresh", partitions=partitions)
    for table in COLUMNS:
        api, resource = table.split(".")
        left = {row["id"] for row in builtin.rows(api, resource)[::2]}
        assert harness.rows(table) == [row for row in expected_rows(table) if row["id"] in left]
        assert not any(WINDOW_PARAMS & query.keys() for query in harness.queries(f"/v1/{resource}"))
    for table in TREASURY:
        assert materializations(result, table.replace(".", "/")).keys() == {None}
    for table in RECRUITING:
        marked = materializations(result, table.replace(".", "/"))
        assert marked.keys() == ended_days()
        assert [metadata["chunk_rows_loaded"] for metadata in marked.values() if "chunk_rows_loaded" in metadata] == [
            len(harness.rows(table))
        ]


def test_full_refresh_marks_no_window_that_ends_while_it_reads(
    build_harness: Callable[..., JobHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows may be added to such a window after its page was read."""
    clock = [datetime(2026, 10, 3, 23, 59, 59, tzinfo=timezone.utc)]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Clock:
            return cls.fromtimestamp(clock[0].timestamp(), tz)

    monkeypatch.setattr("analytics_assets.components.runs.execution.datetime", Clock)
    harness = build_harness(builtin_server())
    midnight = faults.then(lambda: clock.__setitem__(0, datetime(2026, 10, 4, 0, 0, 1, tzinfo=timezone.utc)))
    harness.server.faults.add(midnight, path="/v1/users")
    result = harness.run("recruiting_full_refresh")
    assert materializations(result, "recruiting/users").keys() == {"2026-10-01", "2026-10-02"}


def test_full_refresh_before_the_first_window_ended(harness: JobHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Clock:
            return cls(2026, 10, 1, 12, tzinfo=tz)

    monkeypatch.setattr("analytics_assets.components.runs.execution.datetime", Clock)
    result = harness.run("recruiting_full_refresh")
    assert harness.rows("recruiting.users") == expected_rows("recruiting.users")
    assert materializations(result, "recruiting/users").keys() == {None}


def test_full_refresh_removes_columns_that_the_api_no_longer_sends(snapshot_harness: JobHarness) -> None:
    """Declared columns stay; `note` is not declared."""
    harness, rows = snapshot_harness, builtin.rows(*TREASURY[0].split("."))
    harness.server.set_rows("treasury", "/v1/cash_drawers", [{**row, "note": "counted"} for row in rows])
    harness.run("treasury_full_refresh")
    harness.server.set_rows("treasury", "/v1/cash_drawers", rows)
    harness.run("treasury_snapshot")
    assert {row["note"] for row in harness.rows("treasury.cash_drawers")} == {None}
    harness.run("treasury_full_refresh")
    assert "note" not in harness.rows("treasury.cash_drawers")[0]


def test_snapshot_merges(snapshot_harness: JobHarness) -> None:
    """Rows that the API no longer has stay in the table: `write_disposition: merge`."""
    harness = snapshot_harness
    harness.run("treasury_snapshot")
    harness.server.set_rows("treasury", "/v1/cash_drawers", builtin.rows("treasury", "cash_drawers")[:10])
    harness.run("treasury_snapshot")
    assert harness.rows("treasury.cash_drawers") == expected_rows("treasury.cash_drawers")


def test_partitions_chosen_in_the_ui_make_one_run(harness: JobHarness) -> None:
    """Single-run backfill: the UI requests one run over the range, not one run for each partition."""
    for job in ("full_refresh", "recruiting_full_refresh", "recruiting_incremental", "treasury_incremental"):
        assert harness.definitions.resolve_job_def(job).backfill_policy == dg.BackfillPolicy.single_run()
