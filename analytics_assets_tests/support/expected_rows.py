"""Rows to compare: those that a table holds, and those that it is to hold of what the API has."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb

from analytics_assets.sandbox import builtin

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)

# The built-in resources: each column with its type, and how the API's field becomes its value.
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
    """The columns of a table with their types."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return {name: kind for name, kind, *_ in connection.sql(f"DESCRIBE {table}").fetchall()}


def stored(warehouse: Path, table: str) -> list[dict[str, Any]]:
    """All rows of a table by their ids, without dlt's own column: JSON as what it says, times as microseconds."""
    types = columns(warehouse, table)
    types.pop("_dlt_load_id")
    names = ", ".join(f'epoch_us("{name}")' if kind == TIMESTAMP else f'"{name}"' for name, kind in types.items())
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = connection.sql(f"SELECT {names} FROM {table} ORDER BY id").fetchall()
    read = [json.loads if kind == JSON else _as_it_is for kind in types.values()]
    return [
        {name: None if value is None else parse(value) for name, parse, value in zip(types, read, row, strict=True)}
        for row in found
    ]


def held(table: str, *, since: str = "2000-01-01", until: str = "2100-01-01") -> list[dict[str, Any]]:
    """The rows of a built-in API that changed in [since, until), as its table is to hold them."""
    api, resource = table.split(".")
    first, last = _microseconds(since), _microseconds(until)
    rows = [
        {snake_case(name): _value(row[name], kind) for name, kind in COLUMNS[table].items()}
        for row in builtin.rows(api, resource)
    ]
    return sorted((row for row in rows if first <= row["updated_at"] < last), key=lambda row: row["id"])


def snake_case(field: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in field)


def _value(value: Any, kind: str) -> Any:
    if value is None or kind != TIMESTAMP:
        return value
    return value * 1_000 if isinstance(value, int) else _microseconds(value)


def _microseconds(text: str) -> int:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment.replace(tzinfo=moment.tzinfo or timezone.utc) - EPOCH) // MICROSECOND


def _as_it_is(value: Any) -> Any:
    return value
