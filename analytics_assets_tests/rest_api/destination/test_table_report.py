"""What a load tells of its table: the database without credentials, and a narrow preview."""

from __future__ import annotations

from pathlib import Path

import pytest
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.destinations.impl.postgres.configuration import PostgresCredentials

from analytics_assets.rest_api.destination.dlt_client import database_uri
from analytics_assets.rest_api.destination.table_report import preview_columns


def test_uri_of_a_server_has_no_credentials() -> None:
    credentials = PostgresCredentials("postgresql://loader:HUSH@db.example.com:5433/lake?sslmode=require")
    assert database_uri(credentials) == "postgresql://db.example.com:5433/lake"


def test_uri_of_a_file_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert database_uri(DuckDbCredentials("lake.duckdb")) == f"duckdb://{tmp_path}/lake.duckdb"


@pytest.mark.parametrize(
    ("columns", "key", "shown"),
    [
        ("a b id _dlt_load_id", ("id",), "id a b"),
        ("a b c d e f g h region id", ("id", "region"), "region id a b c d e f"),
        ("a _dlt_load_id _dlt_id", (), "a"),
        ("_dlt_load_id", (), ""),
    ],
)
def test_preview_begins_with_the_key(columns: str, key: tuple[str, ...], shown: str) -> None:
    assert preview_columns(columns.split(), key) == shown.split()
