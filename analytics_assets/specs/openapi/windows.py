"""The time window of a list endpoint, by the usual names of its parameters and of the fields of a record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from analytics_assets.specs.openapi.operations import Operation, Parameter, plain
from analytics_assets.specs.openapi.schemas import Schema, Schemas

CHANGED = r"(?:last)?(?:updated?|modified|modification|changed?|edited)(?:at|on|date|datetime|time|timestamp)?"
CREATED = r"(?:created?|creation|occurred|started?|inserted)(?:at|on|date|datetime|time|timestamp)?"
STARTS, ENDS = ("since", "after", "from", "gte", "gt", "start", "min", "begin"), (
    "until", "before", "to", "lte", "lt", "end", "max",
)  # fmt: skip
GENERIC = {
    "since": "until", "fromdate": "todate", "datefrom": "dateto", "startdate": "enddate", "starttime": "endtime",
    "startdatetime": "enddatetime", "from": "to", "start": "end", "dateafter": "datebefore", "after": "before",
    "fromtime": "totime", "starttimestamp": "endtimestamp", "mindate": "maxdate", "begindate": "enddate",
}  # fmt: skip
FIELDS = {
    "changed": (CHANGED, r"date(?:updated|modified|changed)|updatedtimestamp|mtime"),
    "created": (CREATED, r"date(?:created|added)|ctime|(?:start|begin)(?:time|date|edat)|timestamp|time|date|loggedat"),
}
PARTITIONS = {"cadence": "daily", "start": "2026-10-01"}


class TimeWindow(NamedTuple):
    """How an endpoint filters by time.

    Attributes:
        incremental: The value of `incremental`.
        decisions: What a person has to decide.
        used: Names of the query parameters.
    """

    incremental: dict[str, Any]
    decisions: list[str]
    used: frozenset[str]


def time_window(operation: Operation, schemas: Schemas) -> TimeWindow | None:
    """The filter of an endpoint by the time of a row's change or creation; None if it has none that is known."""
    query = {plain(each.name): each for each in operation.at("query") if _can_be_time(each)}
    for kind, start, end in _filters(query):
        cursor = _cursor(operation, schemas, ("changed", "created") if kind == "generic" else (kind,))
        if cursor is None:
            continue
        field, schema, field_kind = cursor
        time_format, decisions = _format(start, schema)
        incremental: dict[str, Any] = {"cursor_path": field, "start_param": start.name}
        if end:
            incremental["end_param"] = end.name
        if time_format != "iso8601":
            incremental["format"] = time_format
        if re.search(r"(after|gt)\W*$", start.name.lower()):
            incremental["start"] = "exclusive"
        if kind == "generic":
            decisions.append(f"a guess: `{start.name}` filters by `{field}`")
        if field_kind == "created":
            decisions.append("windows by creation do not load later changes of a row: remove this if rows change")
        return TimeWindow(incremental, decisions, frozenset(each.name for each in (start, end) if each))
    return None


def _filters(query: dict[str, Parameter]) -> Iterator[tuple[str, Parameter, Parameter | None]]:
    """The pairs of parameters that bound a time, those of changes first."""
    for kind, stem in (("changed", CHANGED), ("created", CREATED)):
        for key, start in query.items():
            for begin, end in zip(STARTS, (*ENDS[:3], "lte", "lt", "end", "max", "end"), strict=True):
                prefix = rf"(?:filter)?({stem})(?:date)?{begin}(?:date|time)?|(?:filter)?(?:{begin})({stem})"
                if re.fullmatch(prefix, key):
                    ends = [other for other in query if other == _replace(key, begin, end)]
                    alternatives = [
                        o for o in query if o != key and any(o == _replace(key, begin, each) for each in ENDS)
                    ]
                    found = (*ends, *alternatives)
                    yield kind, start, query[found[0]] if found else None
    for name, other in GENERIC.items():
        if name in query:
            yield "generic", query[name], query.get(other)


def _replace(key: str, begin: str, end: str) -> str:
    """The name of the end's parameter: `updatedbefore` for `updatedafter`, `maxupdated` for `minupdated`."""
    if key.endswith(begin):
        return key.removesuffix(begin) + end
    position = key.rfind(begin)
    return key[:position] + end + key[position + len(begin) :]


def _can_be_time(parameter: Parameter) -> bool:
    schema = parameter.schema
    return not schema.enum and (not schema.types or bool(schema.types & {"string", "integer", "number"}))


def _cursor(operation: Operation, schemas: Schemas, kinds: tuple[str, ...]) -> tuple[str, Schema, str] | None:
    """The field of a record with the time, its schema, and whether it says when the row changed or was created."""
    fields = [
        (".".join(path), plain(path[-1]), schema)
        for path, schema in schemas.fields(operation.record, depth=2)
        if not any(character in "".join(path) for character in ".[]*'\"")
    ]
    for kind in kinds:
        for pattern in FIELDS[kind]:
            for path, name, schema in fields:
                if re.fullmatch(pattern, name) and _is_time(schema):
                    return path, schema, kind
    return None


def _is_time(schema: Schema) -> bool:
    if schema.types == {"string"}:
        return schema.format in (None, "date-time", "date")
    return bool(schema.types) and schema.types <= {"integer", "number"}


def _format(start: Parameter, field: Schema) -> tuple[str, list[str]]:
    """How the API writes times, by the parameter."""
    schema = start.schema
    if schema.types and schema.types <= {"integer", "number"}:
        text = f"{start.description} {field.description or ''}".lower()
        example = start.example if isinstance(start.example, (int, float)) else schema.default
        is_ms = "millisecond" in text or (isinstance(example, (int, float)) and example > 10**11)
        known = is_ms or "second" in text
        name = "epoch_ms" if is_ms else "epoch_s"
        return name, [] if known else [f"a guess: times are written as {name}"]
    if schema.format == "date" or (schema.format is None and field.format == "date"):
        return "date", []
    if schema.format is None and field.format is None:
        return "iso8601", ["a guess: times are written as iso8601"]
    return "iso8601", []
