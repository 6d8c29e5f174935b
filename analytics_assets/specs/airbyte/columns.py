"""The inline schema of a stream as declared columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

TYPES = frozenset({"boolean", "integer", "number", "string", "object", "array"})
MAX_DESCRIPTION = 300


def convert_columns(loader: Any, excluded: Collection[str]) -> dict[str, dict[str, Any]]:
    """The columns that an `InlineSchemaLoader` declares with one type besides null, by name."""
    loaders = loader if isinstance(loader, list) else [loader]
    columns: dict[str, dict[str, Any]] = {}
    names: set[str] = set()
    for each in loaders:
        schema = each.get("schema") if isinstance(each, Mapping) else None
        properties = schema.get("properties") if isinstance(schema, Mapping) else None
        for name, described in properties.items() if isinstance(properties, Mapping) else ():
            plain = re.sub(r"[\W_]", "", str(name)).lower()
            column = _column(described) if isinstance(described, Mapping) else None
            if column and plain and plain not in names and name not in excluded and not str(name).startswith("_dlt"):
                names.add(plain)
                columns[str(name)] = column
    return columns


def _column(described: Mapping[str, Any]) -> dict[str, Any] | None:
    listed = described.get("type")
    types = [each for each in (listed if isinstance(listed, list) else [listed]) if each != "null"]
    if len(types) != 1 or not isinstance(types[0], str) or types[0] not in TYPES:
        return None
    column: dict[str, Any] = {"type": types[0]}
    naive = described.get("airbyte_type") in ("timestamp_without_timezone", "time_without_timezone")
    if types[0] == "string" and described.get("format") in ("date-time", "date") and not naive:
        column["format"] = described["format"]
    if isinstance(description := described.get("description"), str) and description.strip():
        column["description"] = " ".join(description.split())[:MAX_DESCRIPTION]
    return column
