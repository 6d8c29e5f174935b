"""The components of a manifest: references resolved, and each with the parameters that apply to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Component = dict[str, Any]
PARAMETERS = "$parameters"


class UnsupportedError(Exception):
    """The fake API cannot be made from this part of a manifest."""


def streams_of(manifest: Mapping[str, Any]) -> list[Component]:
    """The streams of a manifest, with references and parameters."""
    return [propagate(resolve(manifest, stream), {}) for stream in manifest.get("streams") or ()]


def resolve(manifest: Mapping[str, Any], value: Any, depth: int = 0) -> Any:
    """The value with the components that it refers to; keys beside `$ref` win."""
    if depth > 100:
        raise UnsupportedError("references that do not end")
    if isinstance(value, str) and value.startswith("#/"):
        target: Any = manifest
        for step in value[2:].split("/"):
            target = target[int(step)] if isinstance(target, list) else target[step]
        return resolve(manifest, target, depth + 1)
    if isinstance(value, list):
        return [resolve(manifest, each, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    own = {key: resolve(manifest, each, depth + 1) for key, each in value.items() if key != "$ref"}
    base = resolve(manifest, value["$ref"], depth + 1) if "$ref" in value else {}
    return {**base, **own} if isinstance(base, dict) else base


def propagate(value: Any, inherited: Mapping[str, Any]) -> Any:
    """The component with the parameters of the components around it, which are its own keys too."""
    if isinstance(value, list):
        return [propagate(each, inherited) for each in value]
    if not isinstance(value, dict):
        return value
    parameters = {**inherited, **(value.get(PARAMETERS) or {})}
    own = {key: each for key, each in value.items() if key != PARAMETERS}
    if "type" in own or "retriever" in own:
        own = {**parameters, **own}
    passed = {key: propagate(each, parameters) for key, each in own.items()}
    return {**passed, PARAMETERS: parameters}


def fields_of(component: Any) -> dict[str, Any]:
    """The keys of a mapping without its parameters."""
    return {key: value for key, value in (component or {}).items() if key != PARAMETERS}


def parent_configs(stream: Mapping[str, Any]) -> Iterator[Component]:
    """The parents that the partitions of a stream come from."""
    for router in routers_of(stream):
        yield from router.get("parent_stream_configs") or ()


def routers_of(stream: Mapping[str, Any]) -> list[Component]:
    """The partition routers of a stream."""
    routers = stream["retriever"].get("partition_router") or []
    return list(routers) if isinstance(routers, list) else [routers]
