"""Keys and transformations of a stream: fields that are removed, and fields that come from partitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.specs.airbyte.templates import (
    TIME_FUNCTIONS,
    NotExpressibleError,
    expression,
    is_template,
    names_in,
    path_of,
)

Report = Callable[[tuple[str | int, ...], str, bool], None]
RENAMING = frozenset({"KeysToLower", "KeysToSnakeCase"})
RESHAPING = frozenset({"FlattenFields", "DpathFlattenFields", "KeysReplace"})
SLICES = frozenset({"stream_slice", "stream_partition", "stream_interval"})


@dataclass
class Transformed:
    """What the records have.

    Attributes:
        primary_key: Their key, with the columns' names of this project.
        include_from_parent: Fields of the parent.
        exclude: Fields that are removed.
        added: Fields that the connector computes.
        made_of_time: Those of them that are the time of the load, and so identify no row.
        nested: Those of them that are copies of a field inside of an object, with its path.
        nested_key: The path of a part of the key that is inside of an object; None if there is none.
    """

    primary_key: list[str] = field(default_factory=list)
    include_from_parent: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    added: set[str] = field(default_factory=set)
    made_of_time: set[str] = field(default_factory=set)
    nested: dict[str, str] = field(default_factory=dict)
    nested_key: str | None = None


def transform(stream: Mapping[str, Any], partitions: Mapping[tuple[Any, ...], str], report: Report) -> Transformed:
    """The keys of a stream after its transformations."""
    result = Transformed()
    columns: dict[str, str] = {}  # of the connector's names, the columns' names of this project
    steps = stream.get("transformations")
    for step in steps if isinstance(steps, list) else []:
        if not isinstance(step, Mapping):
            continue
        kind = str(step.get("type"))
        if kind == "RemoveFields":
            _remove(step, result, report)
        elif kind == "AddFields":
            _add(step, partitions, result, columns, report)
        elif kind in RENAMING:
            report(("columns",), "the renaming of fields: columns have lower-case names in any case", False)
        elif kind in RESHAPING:
            report(("columns",), f"the transformation {kind}: columns have other names or values", False)
        else:
            report(("columns",), f"the transformation {step.get('class_name') or kind}", True)
    key = stream.get("primary_key")
    for name in key if isinstance(key, list) else [key] if key else []:
        name = name[0] if isinstance(name, list) and len(name) == 1 else name
        if not isinstance(name, str) or not name.strip() or is_template(name):
            result.nested_key = ".".join(map(str, name)) if isinstance(name, list) else str(name)
            result.primary_key = []
            break
        if name in columns:
            result.primary_key.append(columns[name])
        elif name in result.made_of_time:
            report(("primary_key",), f"the key {name}, which is the time of the load: the table is replaced", False)
            result.primary_key = []
            break
        elif name in result.nested:
            result.nested_key = result.nested[name]
            result.primary_key = []
            break
        elif name in result.added:
            report(("primary_key",), f"the key {name}, which the connector computes", True)
            result.primary_key = []
            break
        elif name in result.exclude:
            result.exclude.remove(name)
            result.primary_key.append(name)
        else:
            result.primary_key.append(name)
    result.primary_key = list(dict.fromkeys(result.primary_key))
    result.exclude = [each for each in result.exclude if each not in result.primary_key]
    return result


def _remove(step: Mapping[str, Any], result: Transformed, report: Report) -> None:
    pointers = step.get("field_pointers")
    for pointer in pointers if isinstance(pointers, list) else []:
        steps = pointer if isinstance(pointer, list) else [pointer]
        texts = [str(each) for each in steps]
        if (
            step.get("condition")
            or not texts
            or any(each in ("*", "**") or set(each) & set(".[]*'\"") for each in texts)
        ):
            report(("exclude",), f"the removal of the field {'.'.join(texts)}", False)
        elif texts[0] not in result.added and (path := ".".join(texts)) not in result.exclude:
            result.exclude.append(path)


def _add(
    step: Mapping[str, Any],
    partitions: Mapping[tuple[Any, ...], str],
    result: Transformed,
    columns: dict[str, str],
    report: Report,
) -> None:
    fields = step.get("fields")
    for each in fields if isinstance(fields, list) else []:
        path = each.get("path") if isinstance(each, Mapping) else None
        if not isinstance(path, list) or not path:
            continue
        name = ".".join(map(str, path))
        placeholder = partitions.get(_slice_path(each.get("value")) or ())
        if placeholder and placeholder.startswith("{resources."):
            _, parent, parent_field = placeholder.strip("{}").split(".", 2)
            columns[name] = f"_{parent}_{parent_field}"
            if parent_field not in result.include_from_parent:
                result.include_from_parent.append(parent_field)
        elif placeholder:
            columns[name] = f"_{placeholder.strip('{}')}"
        elif (source := _record_field(each.get("value"))) and len(path) == 1:
            if len(source) == 1:
                columns[name] = source[0]
            else:
                result.nested[name] = ".".join(source)
        if name in columns:
            report(("columns",), f"the name {name} of a column: it is {columns[name]}", False)
        else:
            result.added.add(str(path[0]))
            if len(path) == 1 and _is_time(each.get("value")):
                result.made_of_time.add(name)
            report(
                ("columns",), f"the column {name}, which the connector computes: {str(each.get('value'))[:100]}", False
            )


def field_source(stream: Mapping[str, Any], name: str) -> tuple[str, tuple[Any, ...]]:
    """Where a field of a stream's records comes from.

    Returns:
        `record` and the path in the API's record, or `slice` and the path in the slice. A path is empty if the
        connector computes the field in another way.
    """
    source: tuple[str, tuple[Any, ...]] = ("record", tuple(name.split(".")))
    steps = stream.get("transformations")
    for step in steps if isinstance(steps, list) else []:
        fields = step.get("fields") if isinstance(step, Mapping) and step.get("type") == "AddFields" else None
        for each in fields if isinstance(fields, list) else []:
            path = each.get("path") if isinstance(each, Mapping) else None
            if isinstance(path, list) and ".".join(map(str, path)) == name:
                from_slice = _slice_path(each.get("value"))
                source = ("slice", from_slice) if from_slice else ("record", _record_field(each.get("value")) or ())
    return source


def _record_field(value: Any) -> tuple[str, ...] | None:
    """The path of `{{ record['id'] }}` or `{{ record['user']['id'] }}`."""
    try:
        part = expression(value)
    except NotExpressibleError:
        return None
    path = path_of(part.node) if part else None
    steps = tuple(step for step in path[1:] if isinstance(step, str)) if path and path[0] == "record" else ()
    return steps if path and steps and len(steps) == len(path) - 1 else None


def _is_time(value: Any) -> bool:
    try:
        part = expression(value)
    except NotExpressibleError:
        return False
    used = names_in(part.node) if part else set()
    return bool(used & TIME_FUNCTIONS) and not used - TIME_FUNCTIONS


def _slice_path(value: Any) -> tuple[Any, ...] | None:
    try:
        part = expression(value)
    except NotExpressibleError:
        return None
    path = path_of(part.node) if part else None
    return path[1:] if path is not None and path[0] in SLICES else None
