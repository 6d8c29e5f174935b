"""The rows of the slices of a stream."""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from analytics_assets_tests.specs.manifest_api.components import (
    Component,
    UnsupportedError,
    fields_of,
    routers_of,
)
from analytics_assets_tests.specs.manifest_api.templates import evaluate, paths_in
from analytics_assets_tests.specs.manifest_api.times import write

Path = tuple[str, ...]


@dataclass
class Slice:
    """A partition of a stream.

    Attributes:
        partition: Its values by name, with those of the parent's partition below `parent_slice`.
        extra: Further fields of the parent.
        rows: Its rows, each with its time.
        origin: The rows of the parents that it is for, by the stream's name.
    """

    partition: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    rows: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)
    origin: dict[str, int] = field(default_factory=dict)


def fields_needed(stream: Component, children: Sequence[Component]) -> set[Path]:
    """The fields that records must have: for the key, for paging, for children and to be removed."""
    needed: set[Path] = set()
    key = stream.get("primary_key")
    for each in key if isinstance(key, list) else [key] if key else []:
        needed.add(tuple(each) if isinstance(each, list) else (str(each),))
    strategy = (stream["retriever"].get("paginator") or {}).get("pagination_strategy") or {}
    for text in (strategy.get("cursor_value"), strategy.get("stop_condition")):
        for path in paths_in(text, "last_record"):
            needed.add(tuple(map(str, path[1:])))
    selector = tuple(fields_of(stream["retriever"]["record_selector"]["extractor"]).get("field_path") or ())
    for path in paths_in(strategy.get("cursor_value"), "response"):
        below = path[1 + len(selector) :]
        if path[1 : 1 + len(selector)] == selector and len(below) > 1 and isinstance(below[0], int):
            needed.add(tuple(map(str, below[1:])))
    for config in children:
        key = config["parent_key"]
        needed.add(tuple(key) if isinstance(key, list) else tuple(str(key).split(".")))
        needed |= {tuple(each) if isinstance(each, list) else (each,) for each in config.get("extra_fields") or ()}
    for path in added_copies(stream).values():
        needed.add(path)
    made = {str(each["path"][0]) for each in _added(stream)}
    return {path for path in needed if path and path[0] not in made}


def _added(stream: Component) -> Iterator[Component]:
    for each in stream.get("transformations") or ():
        if each.get("type") == "AddFields":
            yield from each["fields"]


def added_copies(stream: Component) -> dict[str, Path]:
    """The fields that are copies of another field of the record."""
    found = {}
    for each in _added(stream):
        paths = paths_in(each.get("value"), "record")
        if len(paths) == 1 and len(paths[0]) > 1:
            found[".".join(map(str, each["path"]))] = tuple(map(str, paths[0][1:]))
    return found


def removed_paths(stream: Component) -> list[Path]:
    """The fields that are removed from records."""
    return [
        tuple(map(str, path))
        for each in stream.get("transformations") or ()
        if each.get("type") == "RemoveFields" and not each.get("condition")
        for path in each["field_pointers"]
        if all(str(step).isidentifier() for step in path)
    ]


def without_removed(stream: Component, row: Mapping[str, Any]) -> dict[str, Any]:
    """The record without the fields that the connector removes."""
    result = copy.deepcopy(dict(row))
    for path in removed_paths(stream):
        target: Any = result
        for step in path[:-1]:
            target = target.get(step) if isinstance(target, dict) else None
        if isinstance(target, dict):
            target.pop(path[-1], None)
    return result


def slices_of(stream: Component, parents: Mapping[str, list[Slice]], config: Mapping[str, Any]) -> list[Slice]:
    """The partitions of a stream, without rows."""
    choices: list[list[Slice]] = []
    for router in routers_of(stream):
        if router["type"] == "ListPartitionRouter":
            values = evaluate(router["values"], router, config=config)
            if not isinstance(values, list):
                raise UnsupportedError("a list of partitions that is not a list")
            choices.append([Slice({router["cursor_field"]: value}) for value in values])
        elif router["type"] == "SubstreamPartitionRouter":
            configs = router["parent_stream_configs"]
            choices.append([each for parent in configs for each in _of_parent(parent, parents)])
        else:
            raise UnsupportedError(f"the partition router {router['type']}")
    combined = []
    for chosen in itertools.product(*choices):
        merged = Slice()
        for each in chosen:
            if any(merged.origin.get(name, row) != row for name, row in each.origin.items()):
                break  # a parent and a grandparent that do not belong together
            merged.partition |= each.partition
            merged.extra |= each.extra
            merged.origin |= each.origin
        else:
            combined.append(merged)
    return combined


def _of_parent(config: Component, parents: Mapping[str, list[Slice]]) -> Iterator[Slice]:
    key = config["parent_key"]
    path = tuple(key) if isinstance(key, list) else tuple(str(key).split("."))
    for above in parents[config["stream"]["name"]]:
        for _, row in above.rows:
            origin = {**above.origin, config["stream"]["name"]: id(row)}
            row = with_added(config["stream"], above, row)
            extra = {
                path[-1] if isinstance(path, list) else path: get(row, path if isinstance(path, list) else (path,))
                for path in config.get("extra_fields") or ()
            }
            yield Slice({config["partition_field"]: get(row, path), "parent_slice": above.partition}, extra, [], origin)


def with_added(stream: Component, of: Slice, row: Mapping[str, Any]) -> dict[str, Any]:
    """The record with the fields that the connector computes from it and from its partition."""
    result = copy.deepcopy(dict(row))
    for each in _added(stream):
        context = {"record": row, "stream_partition": of.partition, "stream_slice": {**of.partition}}
        with contextlib.suppress(UnsupportedError):
            put(result, [str(step) for step in each["path"]], evaluate(each["value"], each, **context))
    return result


def fill(stream: Component, slices: Sequence[Slice], needed: set[Path], size: int, times: Sequence[datetime]) -> None:
    """Give each slice rows: the first one two pages and a row, the others fewer.

    Args:
        stream: The stream.
        slices: Its partitions.
        needed: The fields that the records must have.
        size: Rows of the first partition.
        times: The start of each window of the test, and the end of the last one.
    """
    sync = stream.get("incremental_sync") or {}
    cursor = sync.get("cursor_field")
    formats = sync.get("cursor_datetime_formats") or [sync.get("datetime_format", "")]
    added = {str(each["path"][0]) for each in _added(stream)}
    number = 0
    for index, each in enumerate(slices):
        for position in range(size if index == 0 else (3 - index % 4)):
            number += 1
            window = (
                min(max(position - size * 2 // 3, 0), len(times) - 2) if index == 0 else position % (len(times) - 1)
            )
            moment = times[window] + (times[window + 1] - times[window]) * (
                0 if position == 1 else (position % 97) / 97
            )
            moment = moment.replace(microsecond=0) + timedelta(milliseconds=position % 1000 if "f" in formats[0] else 0)
            row: dict[str, Any] = {
                "a_number": number,
                "a_text": f"{stream['name']} {number}",
                "a_list": [1, {"b": "c"}],
            }
            for path in sorted(needed, key=len, reverse=True):
                if any(other != path and other[: len(path)] == path for other in needed):
                    continue  # an object that has another needed field
                put(row, path, f"{'-'.join(path)}-{number}")
            for path in removed_paths(stream):
                if len(path) == 1:
                    row.setdefault(path[0], "removed")
            if cursor and "." not in cursor and cursor not in added:
                row[cursor] = write(moment, formats[0])
            each.rows.append((moment, row))


def get(row: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The value at a path."""
    value: Any = row
    for step in path:
        value = value[step]
    return value


def put(row: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set the value at a path."""
    for step in path[:-1]:
        row = row.setdefault(step, {})
        if not isinstance(row, dict):
            raise UnsupportedError("a field that is both a value and an object")
    if isinstance(row.get(path[-1]), dict):
        raise UnsupportedError("a field that is both a value and an object")
    row[path[-1]] = value
