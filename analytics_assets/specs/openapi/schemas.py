"""Schemas of an OpenAPI document, as far as rows and columns need them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

MAX_REFERENCES = 30
MAX_VARIANTS = 50
MAX_NUMBER = 2**63


@dataclass(frozen=True)
class Schema:
    """A schema with its `$ref`, `allOf`, `anyOf` and `oneOf` resolved, one level deep.

    Attributes:
        types: JSON types besides null; empty if the schema does not say.
        properties: Unresolved schemas by the names of properties; those of all variants of `anyOf` and `oneOf`.
        items: Unresolved schema of the items of an array.
        format: The format, if all variants have the same.
        description: The description, or the title.
        enum: The allowed values.
        default: The default value.
        minimum: The smallest value.
        maximum: The greatest value.
        is_remote: Whether a part of it is in another file.
    """

    types: frozenset[str] = frozenset()
    properties: Mapping[str, Any] = field(default_factory=dict)
    items: Any = None
    format: str | None = None
    description: str | None = None
    enum: tuple[Any, ...] = ()
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    is_remote: bool = False

    @property
    def is_object(self) -> bool:
        """Whether a value is an object and nothing else."""
        return self.types == {"object"}

    @property
    def is_array(self) -> bool:
        """Whether a value is an array and nothing else."""
        return self.types == {"array"}


class Schemas:
    """Resolves the references of a document. References to other files are not followed."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def follow(self, node: Any) -> tuple[Mapping[str, Any], bool]:
        """The mapping that a node or its chain of references leads to.

        Returns:
            The mapping, and whether the chain leads to another file or nowhere: then the mapping is empty.
        """
        for _ in range(MAX_REFERENCES):
            if not isinstance(node, Mapping):
                return {}, False
            reference = node.get("$ref")
            if not isinstance(reference, str):
                return node, False
            node = self._at(reference)
            if node is None:
                return {}, True
        return {}, True

    def _at(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            return None
        value: Any = self._document
        for step in reference.removeprefix("#/").split("/"):
            key = step.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
            if isinstance(value, Mapping) and key in value:
                value = value[key]
            elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            else:
                return None
        return value

    def resolve(self, node: Any, *, depth: int = 0) -> Schema:
        """The schema that a node describes."""
        raw, is_remote = self.follow(node)
        if depth > MAX_REFERENCES:
            return Schema(is_remote=is_remote)
        schema = replace(_own(raw), is_remote=is_remote)
        if isinstance(node, Mapping) and isinstance(node.get("description"), str):
            schema = replace(schema, description=node["description"])
        parts = [self.resolve(part, depth=depth + 1) for part in _variants(raw, "allOf")]
        for part in parts:
            schema = _both(schema, part)
        for key in ("anyOf", "oneOf"):
            variants = [self.resolve(part, depth=depth + 1) for part in _variants(raw, key)]
            variants = [each for each in variants if each.types or each.properties or each.is_remote or each.enum]
            if variants:
                schema = _both(schema, _any(variants))
        if not schema.types and schema.properties:
            schema = replace(schema, types=frozenset({"object"}))
        if not schema.types and schema.items is not None:
            schema = replace(schema, types=frozenset({"array"}))
        return schema

    def fields(self, schema: Schema, *, depth: int = 3) -> Iterator[tuple[tuple[str, ...], Schema]]:
        """The fields of an object and of the objects in it, by their paths. Arrays are not entered."""
        for name, node in schema.properties.items():
            resolved = self.resolve(node)
            yield (name,), resolved
            if "object" in resolved.types and depth > 1:
                yield from (((name, *path), each) for path, each in self.fields(resolved, depth=depth - 1))


def _variants(raw: Mapping[str, Any], key: str) -> Sequence[Any]:
    parts = raw.get(key)
    return parts[:MAX_VARIANTS] if isinstance(parts, list) else ()


def _own(raw: Mapping[str, Any]) -> Schema:
    """What the keywords of a schema itself say."""
    types = raw.get("type")
    names = types if isinstance(types, list) else [types]
    properties = raw.get("properties")
    enum = raw.get("enum")
    return Schema(
        types=frozenset(name for name in names if isinstance(name, str) and name != "null"),
        properties={str(key): value for key, value in properties.items()} if isinstance(properties, Mapping) else {},
        items=raw.get("items"),
        format=_text(raw.get("format")),
        description=_text(raw.get("description")) or _text(raw.get("title")),
        enum=tuple(enum) if isinstance(enum, list) else (raw["const"],) if "const" in raw else (),
        default=raw.get("default"),
        minimum=_number(raw.get("minimum")),
        maximum=_number(raw.get("maximum")),
    )


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and abs(value) < MAX_NUMBER else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _both(first: Schema, second: Schema) -> Schema:
    """What two schemas say together."""
    types = first.types & second.types if first.types and second.types else first.types | second.types
    return Schema(
        types=types,
        properties={**first.properties, **second.properties},
        items=second.items if first.items is None else first.items,
        format=first.format or second.format,
        description=first.description or second.description,
        enum=first.enum or second.enum,
        default=second.default if first.default is None else first.default,
        minimum=second.minimum if first.minimum is None else first.minimum,
        maximum=second.maximum if first.maximum is None else first.maximum,
        is_remote=first.is_remote or second.is_remote,
    )


def _any(variants: Sequence[Schema]) -> Schema:
    """What a value of one of several schemas can be."""
    if len(variants) == 1:
        return variants[0]
    formats = {each.format for each in variants}
    properties: dict[str, Any] = {}
    for each in variants:
        for name, node in each.properties.items():
            other = properties.get(name)
            properties[name] = node if other in (None, node) else {"anyOf": [other, node]}
    unknown = any(not each.types for each in variants)
    enums = [each.enum for each in variants]
    return Schema(
        types=frozenset() if unknown else frozenset().union(*(each.types for each in variants)),
        properties=properties,
        items=next((each.items for each in variants if each.items is not None), None),
        format=formats.pop() if len(formats) == 1 else None,
        description=next((each.description for each in variants if each.description), None),
        enum=tuple(dict.fromkeys(map(str, sum(enums, ())))) if all(enums) else (),
        is_remote=any(each.is_remote for each in variants),
    )
