"""The shape of a body, for error messages: names and types, never values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

MAX_NAMES = 10  # one line of a run log
MAX_DEPTH = 3  # deeper lists of objects belong to records
FIELD_NAME = re.compile(r"[@$]?[A-Za-z_][\w.-]{0,39}")
TYPE_NAMES = {"NoneType": "null", "Decimal": "float"}


def summary(value: Any, depth: int = 2) -> str:
    """The shape of a decoded body, such as `{data: list[50], next: str}`."""
    if isinstance(value, list):
        return f"list[{len(value)}]"
    if not isinstance(value, dict):
        return type_name(type(value))
    if not depth:
        return "{…}" if value else "{}"
    # Keys may be data, as in objects keyed by e-mail addresses.
    names = [name if FIELD_NAME.fullmatch(name) else "?" for name in list(value)[:MAX_NAMES]]
    shown = [f"{name}: {summary(child, depth - 1)}" for name, child in zip(names, value.values(), strict=False)]
    more = [f"… {len(value) - MAX_NAMES} more"] if len(value) > MAX_NAMES else []
    return "{" + ", ".join(shown + more) + "}"


def record_lists(value: Any, place: tuple[str, ...] = ()) -> Iterator[str]:
    """The paths of the lists of objects in a decoded body, the nearest first, as `data_selector` writes them."""
    if isinstance(value, list):
        if not place and any(isinstance(item, dict) for item in value):
            yield "$"
        return
    if not isinstance(value, dict) or len(place) >= MAX_DEPTH:
        return
    named = {name: child for name, child in value.items() if FIELD_NAME.fullmatch(name) and "." not in name}
    for name, child in named.items():
        if isinstance(child, list) and any(isinstance(item, dict) for item in child):
            yield ".".join((*place, name))
    for name, child in named.items():
        if isinstance(child, dict):
            yield from record_lists(child, (*place, name))


def type_name(kind: type) -> str:
    """A type by its name in JSON, as far as it differs from Python's."""
    return TYPE_NAMES.get(kind.__name__, kind.__name__)
