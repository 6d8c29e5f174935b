"""Values for the settings of a connector, as its `spec` describes them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

HOST = re.compile(r"https?://((?:[^/\s\"'?#{}<>`,()\\]|\{\{.*?\}\})+)")
DAY, TIME = "2026-06-01", "2026-06-01T00:00:00Z"


def on_localhost(text: str, port: int) -> str:
    """The manifest with all hosts on this machine: `https://api.example.com` is `http://api.example.com.localhost:1`."""
    return HOST.sub(lambda found: f"http://{found[1].rstrip('.')}.localhost:{port}", text)


def settings_of(manifest: Mapping[str, Any], optional: Collection[str] = ()) -> dict[str, Any]:
    """Values of all settings that are required or have a default, and of these optional ones."""
    spec = manifest.get("spec") or {}
    return _object(spec.get("connection_specification") or {}, optional)


def names_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The values by their names in lower case, with and without the names of groups."""
    names: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            for inner, each in names_of(value).items():
                names |= {f"{snake(key)}_{inner}": each, inner: each}
        else:
            names[snake(key)] = value
    return names


def described_names(schema: Any) -> set[str]:
    """The names of all settings of a schema, also of alternatives."""
    names: set[str] = set()
    if isinstance(schema, list):
        return names.union(*map(described_names, schema))
    for key, value in schema.items() if isinstance(schema, dict) else ():
        names |= {snake(each) for each in value} if key == "properties" else set()
        names |= described_names(list(value.values()) if key == "properties" else value)
    return names


def snake(name: str) -> str:
    """A name with single underscores."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower()


def as_variable(value: Any) -> str:
    """The value in an environment variable."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _object(schema: Mapping[str, Any], optional: Collection[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    required = schema.get("required") or ()
    for name, described in (schema.get("properties") or {}).items():
        described = described or {}
        has_default = "const" in described or "default" in described
        if name in required or has_default or snake(name) in optional or _holds(described, optional):
            values[name] = _value(name, described, optional)
    for each in (schema.get("oneOf") or schema.get("anyOf") or ())[:1]:
        values |= _object(each, optional)
    return values


def _holds(described: Mapping[str, Any], optional: Collection[str]) -> bool:
    """Whether a group has one of the optional settings."""
    groups = [described, *(described.get("oneOf") or ())]
    return any(snake(name) in optional for group in groups for name in (group.get("properties") or {}))


def _value(name: str, described: Mapping[str, Any], optional: Collection[str]) -> Any:
    for key in ("const", "default"):
        if described.get(key) not in (None, ""):
            return described[key]
    if described.get("enum"):
        return described["enum"][0]
    kind = described.get("type")
    kind = next((each for each in kind if each != "null"), "string") if isinstance(kind, list) else kind
    if kind == "object" or "oneOf" in described:
        return _object(described, optional)
    if kind == "array":
        allowed = (described.get("items") or {}).get("enum") or ["v1", "v2"]
        return list(allowed[:2])
    if kind in ("integer", "number"):
        return described.get("minimum") or 7
    if kind == "boolean":
        return False
    return _text(name, described)


def _text(name: str, described: Mapping[str, Any]) -> str:
    pattern = str(described.get("pattern") or "")
    for each in (*(described.get("examples") or ()), TIME, DAY):
        if pattern and isinstance(each, str) and re.fullmatch(pattern, each):
            return each
    if described.get("format") in ("date-time", "date") or "date" in name.lower():
        return DAY if described.get("format") == "date" else TIME
    return f"value-{snake(name).replace('_', '-')}"
