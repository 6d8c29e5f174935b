"""Settings of the warehouse: dataset prefix, DuckDB file, destination."""

from __future__ import annotations

from pathlib import Path

import pytest

from analytics_assets.definitions import build_definitions
from analytics_assets_tests.components.conftest import JobHarness, failure_message, last_metadata
from analytics_assets_tests.support.expected_rows import expected_rows, stored_rows
from analytics_assets_tests.support.lakehouse import Lakehouse


@pytest.mark.parametrize("prefix", ["raw_", "Team__", "x"])
def test_prefix_is_put_before_the_dataset_unchanged(harness: JobHarness, prefix: str) -> None:
    harness.definitions = build_definitions({"ANALYTICS_DATASET_PREFIX": prefix})
    result = harness.run("treasury_full_refresh")
    assert harness.rows(f"{prefix}treasury.cash_drawers") == expected_rows("treasury.cash_drawers")
    metadata = last_metadata(result, "treasury/cash_drawers")
    assert metadata["dagster/table_name"] == f"{prefix}treasury.cash_drawers"


def test_duckdb_path(harness: JobHarness, tmp_path: Path) -> None:
    file = tmp_path / "a folder" / "sales & more.duckdb"
    file.parent.mkdir()
    harness.definitions = build_definitions({"ANALYTICS_DUCKDB_PATH": str(file)})
    harness.run("treasury_full_refresh")
    assert stored_rows(file, "treasury.cash_drawers") == expected_rows("treasury.cash_drawers")
    assert not (harness.folder / "warehouse.duckdb").exists()


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"ANALYTICS_DUCKDB_PATH": "treasury.duckdb"},
            "the DuckDB file 'treasury.duckdb' and the dataset 'treasury' share a name, which DuckDB finds ambiguous: "
            "set ANALYTICS_DUCKDB_PATH to a file of another name",
        ),
        (
            {"ANALYTICS_DUCKDB_PATH": "Raw_Treasury.db", "ANALYTICS_DATASET_PREFIX": "raw_"},
            "the DuckDB file 'Raw_Treasury.db' and the dataset 'raw_treasury' share a name, which DuckDB finds "
            "ambiguous: set ANALYTICS_DUCKDB_PATH to a file of another name",
        ),
        (
            {"ANALYTICS_DUCKDB_PATH": "no/such/folder/w.duckdb"},
            "cannot open the DuckDB file no/such/folder/w.duckdb: IO Error: Cannot open file "
            '"{folder}/no/such/folder/w.duckdb": No such file or directory',
        ),
        (
            {"ANALYTICS_DESTINATION": "duckdbb"},
            "the destination 'duckdbb' is not supported: loads merge rows into tables, which this package can do in "
            "duckdb, postgres and delta. Set ANALYTICS_DESTINATION to one of them",
        ),
        (
            {"ANALYTICS_DESTINATION": "postgres"},
            "loading treasury.cash_drawers failed with ConfigFieldMissingException: Missing 1 field(s) in "
            "configuration `PostgresClientConfiguration`: `credentials`. The table was not changed",
        ),
    ],
)
def test_invalid_settings_fail_the_run(harness: JobHarness, environ: dict[str, str], message: str) -> None:
    harness.definitions = build_definitions(environ)
    before = set(harness.folder.rglob("*.d*b"))
    result = harness.run("treasury_full_refresh", ok=False)
    assert failure_message(result, "treasury__cash_drawers") == "treasury/cash_drawers: " + message.replace(
        "{folder}", str(harness.folder)
    )
    assert set(harness.folder.rglob("*.d*b")) == before


def test_a_full_refresh_loads_delta_tables_on_s3(harness: JobHarness, lakehouse: Lakehouse) -> None:
    harness.definitions = build_definitions({"ANALYTICS_DESTINATION": "delta"})
    for _ in range(2):
        result = harness.run("treasury_full_refresh")
    expected = [(row["id"], row["updated_at"]) for row in expected_rows("treasury.cash_drawers")]
    sql = "SELECT id, epoch_us(updated_at) FROM treasury.cash_drawers ORDER BY id"
    assert lakehouse.query(sql, "treasury") == expected
    metadata = last_metadata(result, "treasury/cash_drawers")
    assert metadata["dagster/row_count"] == len(expected)
    assert metadata["dagster/uri"].startswith(lakehouse.url)
