"""Statements of the dialects, parsed and translated."""

from __future__ import annotations

from typing import Any

import sqlglot
from sqlglot import exp

from analytics_assets.rest_api.destination.dialects.dialect import Dialect
from analytics_assets.rest_api.destination.dialects.merge_sql import DialectMergeSql, StagingTables
from analytics_assets.rest_api.destination.plan import Plan

# What sqlglot leaves as it is.
DUCKDB_WORDS = {
    "VARIANT": "JSON",
    "SUPER": "JSON",
    "TEXT(MAX)": "TEXT",
    "DATETIME64(6, 'UTC')": "TIMESTAMPTZ",
    "JSON_SERIALIZE(": "TO_JSON(",
}


def build_merge_sql(
    dialect: Dialect, plan: Plan, columns: Any, *, dataset: str, table: str, load_id: str
) -> DialectMergeSql:
    """The statements of a load, with staging tables in the same dataset."""
    staging = StagingTables(
        *(dialect.table(dataset, f"{table}_{suffix}", {}).name for suffix in ("rows", "parents", "widened"))
    )
    return DialectMergeSql(plan, dialect.table(dataset, table, columns), dialect, staging, load_id)


def parse(statement: str, dialect: Dialect) -> exp.Expr:
    """Parse one statement. A statement that sqlglot passes through as text counts as an error."""
    name = dialect.capabilities.sqlglot_dialect
    [parsed] = sqlglot.parse(statement, read=name, error_level=sqlglot.ErrorLevel.RAISE)
    assert parsed is not None
    assert not parsed.find(exp.Command), f"not parsed: {statement}"
    return parsed


def for_duckdb(statement: str, dialect: Dialect) -> str:
    """The statement in the SQL of DuckDB."""
    parsed = parse(statement, dialect)
    for storage in list(parsed.find_all(exp.EngineProperty, exp.Order)):
        if isinstance(storage.parent, exp.Properties):
            storage.pop()
    translated = parsed.sql("duckdb")
    for written, name in DUCKDB_WORDS.items():
        translated = translated.replace(written, name)
    return translated
