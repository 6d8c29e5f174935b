"""The streams of a manifest by the names of their resources, and which streams are parents of which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from analytics_assets.specs.airbyte.components import PARAMETERS, Component, Resolver
from analytics_assets.specs.airbyte.partitions import parent_configs, parent_key, parent_streams, stream_name
from analytics_assets.specs.airbyte.settings import snake_case

MAX_NAME = 60
MAX_LEVELS = 6
RESOLVED = ("spec", "api_budget", "concurrency_level")
# Parts of a parent that do not change which of its rows are read.
WITHOUT_ROWS = frozenset({PARAMETERS, "name", "primary_key", "schema_loader", "state_migrations"})


class StreamIndex:
    """The streams of one manifest.

    Attributes:
        manifest: The manifest, whose streams are not resolved.
        streams: The streams by the names of their resources: those of the list, then other parents.
        problems: What is not carried of the list of streams, and whether rows differ without it.
    """

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        """
        Args:
            manifest: The manifest.

        Raises:
            ConfigError: A reference leads nowhere or to itself, or the manifest is too large.
        """
        resolver = Resolver(manifest)
        self.manifest = {**manifest, **{key: resolver.part(key) for key in RESOLVED if key in manifest}}
        listed = resolver.streams()
        by_name: dict[str, Component] = {}
        for stream in listed:
            by_name.setdefault(stream_name(stream), stream)
        repeated = sorted({stream_name(each) for each in listed if by_name[stream_name(each)] is not each})
        self.problems = [
            *resolver.problems,
            *((f"another stream of the name {name[:MAX_NAME]}", True) for name in repeated),
        ]
        for stream in listed:
            for parent in parent_streams(stream):
                by_name.setdefault(stream_name(parent), dict(parent))
        self._names = self._resource_names(by_name)
        self.streams = {self._names[name]: stream for name, stream in by_name.items()}
        self._fields: dict[str, dict[tuple[str, ...], str]] = {}

    def resource_of(self, stream: Mapping[str, Any]) -> str:
        """The resource of a stream."""
        return self._names.get(stream_name(stream), snake_case(stream_name(stream)))

    def is_as_listed(self, parent: Mapping[str, Any]) -> bool:
        """Whether a parent reads the same rows as the resource of its name."""
        return bool(_rows_of(self.streams.get(self.resource_of(parent), {})) == _rows_of(parent))

    def parent_fields(self, resource: str) -> dict[tuple[str, ...], str]:
        """The columns of a parent with the values of its own parent, by their paths below its slice."""
        if resource in self._fields:
            return self._fields[resource]
        fields = self._fields[resource] = {}
        for router, configs in parent_configs(self.streams.get(resource, {})):
            if router.get("type") == "ListPartitionRouter" and isinstance(key := router.get("cursor_field"), str):
                fields[(key,)] = f"_{snake_case(key)}"
            for config in configs[:1]:
                parent, key = config.get("stream"), config.get("partition_field")
                if not isinstance(parent, Mapping) or not isinstance(key, str):
                    continue
                above = self.resource_of(parent)
                fields[(key,)] = f"_{above}_{parent_key(parent, config)}"
                for path, column in self.parent_fields(above).items():
                    fields.setdefault(("parent_slice", *path), f"_{above}_{column}")
        return fields

    def ancestors(self, resource: str, depth: int = 0) -> dict[tuple[str, str], str]:
        """The columns of a resource with values of the resources above it, by resource and field."""
        columns: dict[tuple[str, str], str] = {}
        for _, configs in parent_configs(self.streams.get(resource, {})) if depth < MAX_LEVELS else ():
            for config in configs:
                parent = config.get("stream")
                if isinstance(parent, Mapping) and (key := parent_key(parent, config)):
                    above = self.resource_of(parent)
                    for place, column in self.ancestors(above, depth + 1).items():
                        columns[place] = f"_{above}_{column}"
                    columns[(above, key)] = f"_{above}_{key}"
        return columns

    @staticmethod
    def _resource_names(names: Iterable[str]) -> dict[str, str]:
        """The names of resources by the names of streams."""
        resources: dict[str, str] = {}
        taken: set[str] = set()
        for name in names:
            plain = snake_case(name)[:MAX_NAME].rstrip("_")
            unique, number = plain, 1
            while unique in taken:
                number += 1
                unique = f"{plain[: MAX_NAME - 4]}_{number}"
            taken.add(unique)
            resources[name] = unique
        return resources


def _rows_of(value: Any) -> Any:
    """A component without the parts that do not change its rows."""
    if isinstance(value, list):
        return [_rows_of(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    if "type" not in value:
        return {key: _rows_of(each) for key, each in value.items()}
    inherited = value.get(PARAMETERS)
    ignored = WITHOUT_ROWS.union(inherited) if isinstance(inherited, Mapping) else WITHOUT_ROWS
    return {key: _rows_of(each) for key, each in value.items() if key not in ignored}
