"""Where tables go: the settings of the warehouse, as a run obeys them."""

from __future__ import annotations

from pathlib import Path

import pytest

from analytics_assets.definitions import build_definitions
from analytics_assets_tests.components.conftest import Bench, failure, materializations
from analytics_assets_tests.support.expected_rows import held, stored


@pytest.mark.parametrize("prefix", ["raw_", "Team__", "x"])
def test_prefix_stands_before_the_dataset_as_it_is(bench: Bench, prefix: str) -> None:
    bench.definitions = build_definitions({"ANALYTICS_DATASET_PREFIX": prefix})
    result = bench.run("treasury_snapshot")
    assert bench.rows(f"{prefix}treasury.cash_drawers") == held("treasury.cash_drawers")
    [metadata] = materializations(result, "treasury/cash_drawers").values()
    assert metadata["dagster/table_name"] == f"{prefix}treasury.cash_drawers"


def test_another_file(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "a folder" / "sales & more.duckdb"
    file.parent.mkdir()
    bench.definitions = build_definitions({"ANALYTICS_DUCKDB_PATH": str(file)})
    bench.run("treasury_snapshot")
    assert stored(file, "treasury.cash_drawers") == held("treasury.cash_drawers")
    assert not (bench.folder / "warehouse.duckdb").exists()


@pytest.mark.parametrize(
    ("environ", "said"),
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
            "dlt knows no destination 'duckdbb': set ANALYTICS_DESTINATION to one that it knows "
            "(duckdb, postgres, snowflake, bigquery, ...)",
        ),
        (
            {"ANALYTICS_DESTINATION": "snowflake"},
            "the destination 'snowflake' needs the Python module 'snowflake', which is not installed: "
            "pip install 'dlt[snowflake]'",
        ),
        (
            {"ANALYTICS_DESTINATION": "filesystem"},
            "the destination 'filesystem' cannot merge rows into a table: set ANALYTICS_DESTINATION to a database or "
            "warehouse that can (duckdb, postgres, snowflake, bigquery, ...)",
        ),
        (
            {"ANALYTICS_DESTINATION": "postgres"},
            "loading treasury.cash_drawers failed with ConfigFieldMissingException: Missing 1 field(s) in "
            "configuration `PostgresClientConfiguration`: `credentials`. The table's rows are as they were",
        ),
    ],
)
def test_settings_that_are_wrong(bench: Bench, environ: dict[str, str], said: str) -> None:
    bench.definitions = build_definitions(environ)
    before = set(bench.folder.rglob("*.d*b"))
    result = bench.run("treasury_snapshot", ok=False)
    assert failure(result, "treasury__cash_drawers") == "treasury/cash_drawers: " + said.replace(
        "{folder}", str(bench.folder)
    )
    assert set(bench.folder.rglob("*.d*b")) == before
