"""One day, a range, any order, everything: which rows a run asks for, and which its table then holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pytest

from analytics_assets.sandbox import builtin
from analytics_assets_tests.components.conftest import Bench, failure, materializations
from analytics_assets_tests.fake_api import builtin_server, faults
from analytics_assets_tests.support.expected_rows import COLUMNS, held

WINDOWED = ("recruiting.opportunities", "recruiting.users")
WHOLE = ("treasury.cash_drawers", "treasury.bank_accounts")
WINDOW_PARAMS = {"updated_at_start", "updated_at_end"}


def ended_days() -> set[str]:
    """The days since the partitions' start that are over."""
    today, day = datetime.now(timezone.utc).date(), datetime(2026, 10, 1, tzinfo=timezone.utc).date()
    return {(day + timedelta(days=n)).isoformat() for n in range((today - day).days)}


def union(table: str, *windows: tuple[str, str]) -> list[dict[str, Any]]:
    """The rows of several windows, each once."""
    rows = {row["id"]: row for since, until in windows for row in held(table, since=since, until=until)}
    return sorted(rows.values(), key=lambda row: row["id"])


def test_one_day(bench: Bench) -> None:
    result = bench.run("recruiting_incremental", partition="2026-10-05")
    for table in WINDOWED:
        rows = held(table, since="2026-10-05", until="2026-10-06")
        assert rows
        assert bench.rows(table) == rows
        [(partition, metadata)] = materializations(result, table.replace(".", "/")).items()
        assert (partition, metadata["window"]) == ("2026-10-05", "[2026-10-05T00:00:00Z, 2026-10-06T00:00:00Z)")


def test_a_range_is_one_walk(bench: Bench) -> None:
    result = bench.run("recruiting_incremental", partitions=("2026-10-05", "2026-10-08"))
    for table in WINDOWED:
        rows = held(table, since="2026-10-05", until="2026-10-09")
        assert bench.rows(table) == rows
        asked = bench.asked(f"/v1/{table.split('.')[1]}")
        assert len(asked) == -(-len(rows) // 50)  # pages of 50
        assert {(query["updated_at_start"], query["updated_at_end"]) for query in asked} == {
            ("1791158400000", "1791504000000")
        }
        assert materializations(result, table.replace(".", "/")).keys() == {f"2026-10-0{day}" for day in range(5, 9)}


def test_any_order_any_number_of_times(bench: Bench) -> None:
    windows = []
    for first, last, until in [
        ("2026-10-07", "2026-10-09", "2026-10-10"),
        ("2026-10-02", "2026-10-02", "2026-10-03"),
        ("2026-10-01", "2026-10-07", "2026-10-08"),
        ("2026-10-02", "2026-10-02", "2026-10-03"),
    ]:
        bench.run("recruiting_incremental", partitions=(first, last))
        windows.append((first, until))
        assert {table: bench.rows(table) for table in WINDOWED} == {t: union(t, *windows) for t in WINDOWED}


def test_a_window_without_rows(bench: Bench) -> None:
    result = bench.run("recruiting_incremental", partition="2026-11-18")
    for table in WINDOWED:
        assert bench.rows(table) == []
        [metadata] = materializations(result, table.replace(".", "/")).values()
        assert (metadata["rows_loaded"], metadata["dagster/row_count"]) == (0, 0)


def test_without_a_partition_the_error_says_what_to_do(bench: Bench) -> None:
    result = bench.run("recruiting_incremental", ok=False)
    for asset in ("opportunities", "users"):
        assert failure(result, f"recruiting__{asset}") == (
            f"recruiting/{asset}: this asset is partitioned, and the run names no partition. Choose one in the UI, add "
            '`--partition 2026-10-01` (dg launch) or `--tags \'{"dagster/partition": "2026-10-01"}\'` '
            "(dagster job execute), or load the full history with a full_refresh job"
        )
    assert bench.sandbox.requests == []
    assert not (bench.folder / "warehouse.duckdb").exists()


@pytest.mark.parametrize("partitions", [None, ("2026-10-01", "2026-11-10")], ids=["no partition", "all in the UI"])
def test_full_refresh_replaces(bench: Bench, partitions: tuple[str, str] | None) -> None:
    bench.run("recruiting_incremental", partition="2026-10-05")
    for table in COLUMNS:
        api, resource = table.split(".")
        bench.sandbox.set_rows(api, f"/v1/{resource}", builtin.rows(api, resource)[::2])
    result = bench.run("full_refresh", partitions=partitions)
    for table in COLUMNS:
        api, resource = table.split(".")
        left = {row["id"] for row in builtin.rows(api, resource)[::2]}
        assert bench.rows(table) == [row for row in held(table) if row["id"] in left]
        assert not any(WINDOW_PARAMS & query.keys() for query in bench.asked(f"/v1/{resource}"))
    for table in WHOLE:
        assert materializations(result, table.replace(".", "/")).keys() == {None}
    for table in WINDOWED:
        marked = materializations(result, table.replace(".", "/"))
        assert marked.keys() == ended_days()
        assert [metadata["rows_loaded"] for metadata in marked.values() if "rows_loaded" in metadata] == [
            len(bench.rows(table))
        ]


def test_full_refresh_marks_no_window_that_ends_during_its_walk(
    build_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows may come into such a window after the page that would have held them was read."""
    clock = [datetime(2026, 10, 3, 23, 59, 59, tzinfo=timezone.utc)]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Clock:
            return cls.fromtimestamp(clock[0].timestamp(), tz)

    monkeypatch.setattr("analytics_assets.components.execution.datetime", Clock)
    bench = build_bench(builtin_server())
    midnight = faults.then(lambda: clock.__setitem__(0, datetime(2026, 10, 4, 0, 0, 1, tzinfo=timezone.utc)))
    bench.sandbox.faults.add(midnight, path="/v1/users")
    result = bench.run("recruiting_full_refresh")
    assert materializations(result, "recruiting/users").keys() == {"2026-10-01", "2026-10-02"}


def test_full_refresh_before_the_first_window_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Clock:
            return cls(2026, 10, 1, 12, tzinfo=tz)

    monkeypatch.setattr("analytics_assets.components.execution.datetime", Clock)
    result = bench.run("recruiting_full_refresh")
    assert bench.rows("recruiting.users") == held("recruiting.users")
    assert materializations(result, "recruiting/users").keys() == {None}


def test_rows_that_lost_a_field_and_tables_that_lost_a_column(bench: Bench) -> None:
    """A full refresh creates the table anew: what the API no longer sends is gone."""
    bench.run("treasury_full_refresh")
    rows = [
        {name: value for name, value in row.items() if name != "balance"} for row in builtin.rows(*WHOLE[0].split("."))
    ]
    bench.sandbox.set_rows("treasury", "/v1/cash_drawers", rows)
    bench.run("treasury_snapshot")
    assert {row["balance"] for row in bench.rows("treasury.cash_drawers")} == {None}
    bench.run("treasury_full_refresh")
    assert "balance" not in bench.rows("treasury.cash_drawers")[0]


def test_snapshot_merges(bench: Bench) -> None:
    """Without windows the whole is read, and rows that are gone stay: `write_disposition: merge`."""
    bench.run("treasury_snapshot")
    bench.sandbox.set_rows("treasury", "/v1/cash_drawers", builtin.rows("treasury", "cash_drawers")[:10])
    bench.run("treasury_snapshot")
    assert bench.rows("treasury.cash_drawers") == held("treasury.cash_drawers")


def test_choosing_partitions_in_the_ui_makes_one_run(bench: Bench) -> None:
    """Single-run backfill: what the UI asks Dagster's daemon for is a range, not a run for each partition."""
    for job in ("full_refresh", "recruiting_full_refresh", "recruiting_incremental"):
        assert bench.definitions.resolve_job_def(job).backfill_policy == dg.BackfillPolicy.single_run()
