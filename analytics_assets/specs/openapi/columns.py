"""The columns and the primary key of a resource, from the schema of a record."""

from __future__ import annotations

import re
from typing import Any

from analytics_assets.specs.openapi.operations import Operation, plain
from analytics_assets.specs.openapi.schemas import Schema, Schemas

MAX_DESCRIPTION = 200
WEAK_KEYS = ("key", "code", "slug", "name")


def columns(record: Schema, schemas: Schemas) -> tuple[dict[str, Any], list[str]]:
    """The columns with a known type, by name.

    Returns:
        The columns, and the fields that have no type that a column can have: these become columns by their values.
    """
    declared: dict[str, Any] = {}
    undeclared: list[str] = []
    taken: set[str] = set()
    for name, node in record.properties.items():
        raw, _ = schemas.follow(node)
        schema = schemas.resolve(node)
        if raw.get("writeOnly") is True or not name.strip():
            continue
        column = _column(schema)
        if column is None or plain(name) in taken or not plain(name) or plain(name).startswith("dlt"):
            undeclared.append(name)
            continue
        taken.add(plain(name))
        declared[name] = column
    return declared, undeclared


def _column(schema: Schema) -> dict[str, Any] | None:
    types = schema.types
    if types == {"integer", "number"}:
        types = frozenset({"number"})
    elif types and types <= {"object", "array"}:
        types = frozenset({"object"})
    if len(types) != 1 or not types <= {"string", "integer", "number", "boolean", "object"}:
        return None
    [name] = types
    column: dict[str, Any] = {"type": name}
    if name == "string" and schema.format in ("date-time", "date"):
        column["format"] = schema.format
    if schema.description and (text := one_line(schema.description)):
        column["description"] = text
    return column


def one_line(text: str) -> str:
    """The first paragraph of a text as one line, at most MAX_DESCRIPTION characters."""
    first = re.split(r"\n\s*\n", text.strip())[0]
    line = " ".join("".join(c if c.isprintable() else " " for c in first).split())
    return line if len(line) <= MAX_DESCRIPTION else f"{line[: MAX_DESCRIPTION - 3].rstrip()}..."


def singular(name: str) -> str:
    """A plural without its ending: `policies` is `policy`, `projects` is `project`."""
    for ending, replacement in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("s", "")):
        if name.endswith(ending) and not name.endswith(("ss", "us", "is")):
            return name.removesuffix(ending) + replacement
    return name


def field_for(record: Schema, schemas: Schemas, name: str) -> str | None:
    """The field of a record that a path parameter such as `project_id` or `projectName` means."""
    scalars = {plain(key): key for key, node in record.properties.items() if _is_key(schemas.resolve(node))}
    wanted = plain(name)
    for exact in (wanted, f"{wanted}id", f"{wanted}uuid", f"{wanted}name"):
        if exact in scalars:
            return scalars[exact]
    if wanted.endswith("identifier") and "id" in scalars:
        return scalars["id"]
    for suffix in ("id", "uuid", "guid", "name", "slug", "key", "code", "number"):
        if wanted.endswith(suffix) and suffix in scalars:
            return scalars[suffix]
    return None


def primary_key(operation: Operation, schemas: Schemas, detail: str | None) -> tuple[str | None, bool]:
    """The field that identifies a record.

    Args:
        operation: The list endpoint.
        schemas: The document's schemas.
        detail: The path parameter of the endpoint that returns one record, if there is one.

    Returns:
        The field, or None, and whether it is a guess.
    """
    record = operation.record
    scalars = {plain(key): key for key, node in record.properties.items() if _is_key(schemas.resolve(node))}
    if detail and (field := field_for(record, schemas, detail)):
        return field, False
    literals = [part for part in operation.path.strip("/").split("/") if "{" not in part]
    stem = plain(singular(literals[-1].lower())) if literals else ""
    for name in ("id", "uuid", "guid", f"{stem}id", f"{stem}uuid"):
        if name in scalars:
            return scalars[name], False
    if "_id" in record.properties:
        return "_id", False
    uuids = [key for key in scalars.values() if schemas.resolve(record.properties[key]).format == "uuid"]
    if len(uuids) == 1:
        return uuids[0], True
    for name in (*WEAK_KEYS, f"{stem}name", f"{stem}key", f"{stem}code", f"{stem}number"):
        if name in scalars:
            return scalars[name], True
    return None, True


def _is_key(schema: Schema) -> bool:
    return bool(schema.types) and schema.types <= {"string", "integer"} and schema.format not in ("date-time", "date")
