"""Rows to compare: the rows of a table, and the rows that the built-in APIs should give."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb

from analytics_assets.sandbox import builtin

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)

# The fields of the built-in resources with the types of their columns.
TEXT, BIGINT, DOUBLE, BOOL = "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN"
JSON, TIMESTAMP = "JSON", "TIMESTAMP WITH TIME ZONE"
COLUMNS = {
    "recruiting.opportunities": {
        "id": TEXT,
        "name": TEXT,
        "contact": TEXT,
        "createdAt": TIMESTAMP,
        "updatedAt": TIMESTAMP,
        "stage": TEXT,
        "owner": JSON,
        "tags": JSON,
        "salary": DOUBLE,
        "archived": BOOL,
        "candidateNumber": BIGINT,
    },
    "recruiting.users": {
        "id": TEXT,
        "createdAt": TIMESTAMP,
        "updatedAt": TIMESTAMP,
        "name": TEXT,
        "email": TEXT,
        "accessRole": TEXT,
        "active": BOOL,
        "manager": JSON,
        "externalId": BIGINT,
    },
    "treasury.cash_drawers": {
        "id": BIGINT,
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
        "name": TEXT,
        "currency": TEXT,
        "balance": DOUBLE,
        "open": BOOL,
        "last_count": JSON,
        "ledger_number": BIGINT,
    },
    "treasury.bank_accounts": {
        "id": BIGINT,
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
        "name": TEXT,
        "account_number": TEXT,
        "currency": TEXT,
        "balance_minor": BIGINT,
        "interest_rate": DOUBLE,
        "bank": JSON,
        "holders": JSON,
        "closed_at": TEXT,
    },
}


def columns(warehouse: Path, table: str) -> dict[str, str]:
    """The data types of a table's columns."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return {name: data_type for name, data_type, *_ in connection.sql(f"DESCRIBE {table}").fetchall()}


def stored_rows(warehouse: Path, table: str) -> list[dict[str, Any]]:
    """All rows of a table by id, without `_dlt_load_id`; JSON is decoded, timestamps are microseconds since 1970."""
    types = columns(warehouse, table)
    types.pop("_dlt_load_id")
    names = ", ".join(
        f'epoch_us("{name}")' if data_type == TIMESTAMP else f'"{name}"' for name, data_type in types.items()
    )
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = connection.sql(f"SELECT {names} FROM {table} ORDER BY id").fetchall()
    decoders = [json.loads if data_type == JSON else _unchanged for data_type in types.values()]
    return [
        {
            name: None if value is None else decode(value)
            for name, decode, value in zip(types, decoders, row, strict=True)
        }
        for row in found
    ]


def expected_rows(table: str, *, since: str = "2000-01-01", until: str = "2100-01-01") -> list[dict[str, Any]]:
    """The rows of a built-in API that changed in [since, until), as its table should store them."""
    api, resource = table.split(".")
    first, last = _microseconds(since), _microseconds(until)
    rows = [
        {snake_case(name): _value(row[name], data_type) for name, data_type in COLUMNS[table].items()}
        for row in builtin.rows(api, resource)
    ]
    return sorted((row for row in rows if first <= row["updated_at"] < last), key=lambda row: row["id"])


def snake_case(field: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in field)


def _value(value: Any, data_type: str) -> Any:
    if value is None or data_type != TIMESTAMP:
        return value
    return value * 1_000 if isinstance(value, int) else _microseconds(value)


def _microseconds(text: str) -> int:
    timestamp = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (timestamp.replace(tzinfo=timestamp.tzinfo or timezone.utc) - EPOCH) // MICROSECOND


def _unchanged(value: Any) -> Any:
    return value
