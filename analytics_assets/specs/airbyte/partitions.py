"""Partition routers of a manifest: lists as `for_each`, parent streams as placeholders of a parent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.specs.airbyte.renderer import Renderer
from analytics_assets.specs.airbyte.settings import snake_case
from analytics_assets.specs.airbyte.templates import NotExpressibleError, Path, constant, expression, is_template
from analytics_assets.specs.airbyte.transformations import field_source

RESERVED = frozenset({"start", "end", "page", "offset", "resources", "incremental"})


@dataclass(frozen=True)
class ParentLink:
    """How a stream depends on its parent.

    Attributes:
        stream: The parent's component.
        field: The path of the parent's field.
        partition_field: The name of its value in slices.
        slice_path: The path in the parent's slice that the field is a copy of; empty if it is a field of the record.
    """

    stream: Mapping[str, Any]
    field: str
    partition_field: str
    slice_path: Path = ()


@dataclass
class Routing:
    """The partitions of a stream.

    Attributes:
        for_each: Values by the name of a placeholder.
        parents: The parents, in the manifest's order.
        extra_fields: Paths of further fields of the parent.
        options: Where values are sent: by the slice's field, the kind of place and the name in it.
        lost: What is not carried, and whether it changes rows.
    """

    for_each: dict[str, Any] = field(default_factory=dict)
    names: dict[Path, str] = field(default_factory=dict)
    parents: list[ParentLink] = field(default_factory=list)
    extra_fields: list[str] = field(default_factory=list)
    options: list[tuple[str, str, str]] = field(default_factory=list)
    lost: list[tuple[str, bool]] = field(default_factory=list)


def read_routing(routers: Any, renderer: Renderer) -> Routing:
    """The partitions of a stream, from its partition routers."""
    routing = Routing()
    for router in routers if isinstance(routers, list) else [routers]:
        if not isinstance(router, Mapping):
            continue
        kind = router.get("type")
        if kind == "ListPartitionRouter":
            _add_list(router, routing, renderer)
        elif kind == "SubstreamPartitionRouter":
            _add_parents(router, routing)
        else:
            routing.lost.append((f"the partition router {router.get('class_name') or kind}", True))
    return routing


def stream_name(stream: Mapping[str, Any]) -> str:
    """The name of a stream."""
    return str(stream.get("name") or "stream")


def parent_configs(stream: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
    """The partition routers of a stream, each with its configurations of parents."""
    retriever = stream.get("retriever")
    routers = retriever.get("partition_router") if isinstance(retriever, Mapping) else None
    for router in routers if isinstance(routers, list) else [routers]:
        if isinstance(router, Mapping):
            configs = router.get("parent_stream_configs")
            yield router, [each for each in (configs if isinstance(configs, list) else []) if isinstance(each, Mapping)]


def parent_streams(stream: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The parents of a stream, and theirs."""
    for _, configs in parent_configs(stream):
        for config in configs:
            if isinstance(parent := config.get("stream"), Mapping):
                yield from parent_streams(parent)
                yield parent


def parent_key(parent: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """The field of the API's records that is the key of a parent; empty if it is not the name of a field."""
    key = config.get("parent_key")
    place, source = field_source(parent, key) if isinstance(key, str) else ("", ())
    return ".".join(map(str, source)) if place == "record" and source else str(key or "")


def _add_list(router: Mapping[str, Any], routing: Routing, renderer: Renderer) -> None:
    field_name = str(router.get("cursor_field") or "value")
    values = router.get("values")
    if is_template(values):
        try:
            part = expression(values)
        except NotExpressibleError:
            part = None
        found = renderer.setting(part) if part else None
        if found is None:
            literal = [constant(item) for item in getattr(part.node, "items", [])] if part else []
            if not literal or not all(isinstance(value, (str, int)) for value in literal):
                routing.lost.append((f"the list of values of {field_name}", True))
                return
            values = literal
        else:
            values = renderer.reference(found[0].name)
            renderer.notes.append(f"{values['env']}: several values are separated by commas.")
    elif isinstance(values, list):
        values = list(dict.fromkeys(values)) if all(isinstance(value, (str, int, float)) for value in values) else []
    if not values or "" in values or isinstance(values, str):
        routing.lost.append((f"the list of values of {field_name}", True))
        return
    name = snake_case(field_name)
    name = f"the_{name}" if name in RESERVED or name.startswith("dlt") else name
    routing.for_each[name] = values
    routing.names[(field_name,)] = f"{{{name}}}"
    _add_option(router.get("request_option"), field_name, routing)


def _add_parents(router: Mapping[str, Any], routing: Routing) -> None:
    configs = router.get("parent_stream_configs")
    for config in configs if isinstance(configs, list) else []:
        parent = config.get("stream") if isinstance(config, Mapping) else None
        if not isinstance(parent, Mapping):
            routing.lost.append(("a parent stream that is missing", True))
            continue
        key = config.get("parent_key")
        path = ".".join(map(str, key)) if isinstance(key, list) else str(key or "")
        if not path or is_template(path) or "*" in path:
            routing.lost.append((f"the parent's key {key}", True))
            continue
        partition_field = str(config.get("partition_field") or path)
        place, source = field_source(parent, path)
        if not source:
            routing.lost.append((f"the parent's key {path}, which the connector computes", True))
            continue
        in_record = ".".join(map(str, source)) if place == "record" else path
        routing.parents.append(ParentLink(parent, in_record, partition_field, source if place == "slice" else ()))
        _add_option(config.get("request_option"), partition_field, routing)
        extra = config.get("extra_fields")
        for each in extra if isinstance(extra, list) else []:
            steps = each if isinstance(each, list) else [each]
            routing.extra_fields.append(".".join(map(str, steps)))
        if config.get("incremental_dependency") is True:
            routing.lost.append(("the rule that only changed parents are read: all parents are read", False))


def _add_option(option: Any, field_name: str, routing: Routing) -> None:
    if not isinstance(option, Mapping):
        return
    name, path = option.get("field_name"), option.get("field_path")
    target = ".".join(map(str, path)) if isinstance(path, list) and path else str(name or "")
    if target:
        routing.options.append((field_name, str(option.get("inject_into", "")), target))


__all__ = [
    "NotExpressibleError",
    "ParentLink",
    "Routing",
    "parent_configs",
    "parent_key",
    "parent_streams",
    "read_routing",
    "stream_name",
]
