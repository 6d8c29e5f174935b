"""The tables of the benchmark API: each field of a row with its type in DuckDB."""

from __future__ import annotations

NAMES = {"createdAt": "created_at", "updatedAt": "updated_at"}  # the fields whose columns have other names
UNIQUE = {"id": "BIGINT", "name": "VARCHAR", "createdAt": "BIGINT", "updatedAt": "BIGINT"}
ROWS = {
    "id": "BIGINT",
    "name": "VARCHAR",
    "email": "VARCHAR",
    "stage": "VARCHAR",
    "amount": "DOUBLE",
    "score": "DOUBLE",
    "visits": "BIGINT",
    "active": "BOOLEAN",
    "createdAt": "BIGINT",
    "updatedAt": "BIGINT",
    "owner": "JSON",
    "tags": "JSON",
    "note": "VARCHAR",
    "city": "VARCHAR",
    "source": "VARCHAR",
}
# Groups of fields of a wide row: type and number of fields. Together with UNIQUE these are 120.
WIDE_GROUPS = {
    "text": ("VARCHAR", 36),
    "choice": ("VARCHAR", 20),
    "day": ("VARCHAR", 8),
    "count": ("BIGINT", 24),
    "amount": ("DOUBLE", 16),
    "flag": ("BOOLEAN", 8),
    "detail": ("JSON", 4),
}
WIDE_ROWS = UNIQUE | {
    f"{group}_{number}": data_type for group, (data_type, count) in WIDE_GROUPS.items() for number in range(count)
}
LONG_ROWS = UNIQUE | {"body": "VARCHAR", "stage": "VARCHAR", "history": "JSON", "owner": "JSON"}
TABLES = {"rows": ROWS, "wide_rows": WIDE_ROWS, "long_rows": LONG_ROWS}


def columns(table: str) -> dict[str, str]:
    """The columns of a table with their types in DuckDB."""
    return {NAMES.get(name, name): data_type for name, data_type in TABLES[table].items()}
