"""The settings of a connector, which its users fill in, as environment variables and literals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SECRET_WORDS = ("token", "secret", "password", "api_key", "apikey", "credential", "private_key")
GROUPS = ("credentials", "authentication", "authorization", "auth", "config")


@dataclass(frozen=True)
class Setting:
    """A setting.

    Attributes:
        path: Its path in the connector's configuration.
        schema: Its JSON Schema.
        is_required: Whether users must fill it in.
    """

    path: tuple[str, ...]
    schema: Mapping[str, Any] = field(default_factory=dict)
    is_required: bool = True

    @property
    def name(self) -> str:
        """Its name, lower-case with underscores."""
        parts = self.path[1:] if len(self.path) > 1 and self.path[0] in GROUPS else self.path
        return snake_case("_".join(parts))

    @property
    def is_secret(self) -> bool:
        """Whether its value is a secret."""
        name = self.name
        return bool(self.schema.get("airbyte_secret")) or any(word in name for word in SECRET_WORDS)

    @property
    def is_list(self) -> bool:
        """Whether it has several values."""
        return self.schema.get("type") == "array"

    @property
    def default(self) -> Any:
        """Its value if users leave it out; None if it has none."""
        if "const" in self.schema:
            return self.schema["const"]
        return self.schema.get("default")


class Settings:
    """The settings that a manifest describes in its `spec`."""

    def __init__(self, manifest: Mapping[str, Any], api: str) -> None:
        spec = manifest.get("spec")
        schema = spec.get("connection_specification") if isinstance(spec, dict) else None
        self._schema = schema if isinstance(schema, dict) else {}
        self._api = api
        self._computed: dict[str, tuple[str, str]] = {}

    def find(self, path: tuple[str | int, ...]) -> Setting:
        """The setting at a path, also if the manifest does not describe it."""
        schemas, required = [self._schema], True
        for step in path:
            candidates = [each for schema in schemas for each in _alternatives(schema)]
            found = [
                (schema["properties"][step], step in _names(schema.get("required")))
                for schema in candidates
                if isinstance(schema.get("properties"), dict) and isinstance(schema["properties"].get(step), dict)
            ]
            if not found:
                return Setting(tuple(map(str, path)))
            required = required and all(is_required for _, is_required in found)
            schemas = [schema for schema, _ in found]
        return Setting(tuple(map(str, path)), schemas[0], required)

    def computed_name(self, name: str, source: str, part: str) -> tuple[str, str]:
        """The name of a value that users compute, with a number if another value has the name.

        Args:
            name: The preferred name.
            source: The template.
            part: The part of the template that is computed.

        Returns:
            The name, and the words before the template in a note if the template has several such parts.
        """
        plain, number = snake_case(name), 1
        unique, value = plain, (source, part)
        while self._computed.setdefault(unique, value) != value:
            number += 1
            unique = f"{plain}_{number}"
        parts = [each for each in self._computed.values() if each[0] == source]
        return unique, f"part {parts.index(value) + 1} of " if len(parts) > 1 else ""

    def variable(self, name: str) -> str:
        """The environment variable of a setting, or of another value."""
        return f"{self._api}_{snake_case(name)}".upper()


def _names(required: Any) -> list[Any]:
    return required if isinstance(required, list) else []


def _alternatives(schema: Any) -> list[Mapping[str, Any]]:
    if not isinstance(schema, dict):
        return []
    alternatives = schema.get("oneOf")
    return [
        schema,
        *(each for each in (alternatives if isinstance(alternatives, list) else []) if isinstance(each, dict)),
    ]


def snake_case(name: str) -> str:
    """A name in lower case with single underscores, which begins with a letter."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    name = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower()
    return name if name[:1].isalpha() and name.isascii() else f"x_{name}".rstrip("_")
