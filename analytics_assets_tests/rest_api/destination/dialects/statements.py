"""Statements of the dialects, parsed and translated."""

from __future__ import annotations

import re
from typing import Any

import sqlglot
from sqlglot import exp

from analytics_assets.rest_api.destination.dialects.dialect import Dialect
from analytics_assets.rest_api.destination.dialects.merge_sql import DialectMergeSql, StagingTables
from analytics_assets.rest_api.destination.plan import Plan

# What sqlglot leaves as it is.
WORDS = {
    "VARIANT": "JSON",
    "SUPER": "JSON",
    "(MAX)": "",
    "DATETIME64(6, 'UTC')": "TIMESTAMPTZ",
}
JSON_TEXT = re.compile(r"JSON_SERIALIZE\(([^)]+)\)")


def build_merge_sql(
    dialect: Dialect, plan: Plan, columns: Any, *, dataset: str, table: str, load_id: str
) -> DialectMergeSql:
    """The statements of a load, with staging tables in the same dataset."""
    staging = StagingTables(
        *(
            dialect.table(dataset, f"{table}_{suffix}", {}).name
            for suffix in ("rows", "read_parents", "existing_parents", "widened")
        )
    )
    return DialectMergeSql(plan, dialect.table(dataset, table, columns), dialect, staging, load_id)


def parse(statement: str, dialect: Dialect) -> exp.Expr:
    """Parse one statement. A statement that sqlglot passes through as text counts as an error."""
    name = dialect.capabilities.sqlglot_dialect
    [parsed] = sqlglot.parse(statement, read=name, error_level=sqlglot.ErrorLevel.RAISE)
    assert parsed is not None
    assert not parsed.find(exp.Command), f"not parsed: {statement}"
    return parsed


def translate(statement: str, dialect: Dialect, target: str = "duckdb") -> str:
    """The statement in the SQL of a database that is here: `duckdb` or `postgres`."""
    parsed = parse(statement, dialect)
    for storage in list(parsed.find_all(exp.EngineProperty, exp.Order)):
        if isinstance(storage.parent, exp.Properties):
            storage.pop()
    translated = JSON_TEXT.sub(r"CAST(\1 AS TEXT)", parsed.sql(target))
    for written, word in WORDS.items():
        translated = translated.replace(written, word)
    return translated
