"""A converted paginator, and the places in requests where its values are sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Pagination:
    """A converted paginator.

    Attributes:
        paginator: The value of `paginator`.
        params, headers, json, data: What else the requests of all pages contain.
        notes: What a person has to decide, in sentences.
        lost: What is not carried, and whether it changes rows.
    """

    paginator: dict[str, Any]
    params: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, Any] = field(default_factory=dict)
    json: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lost: list[tuple[str, bool]] = field(default_factory=list)


def option_place(option: Any) -> tuple[str, str] | None:
    """Where an option is sent: `param`, `body`, `header` or `link`, and its name or path."""
    if not isinstance(option, Mapping):
        return None
    if option.get("type") == "RequestPath":
        return "link", ""
    name, path = option.get("field_name"), option.get("field_path")
    field_name = ".".join(map(str, path)) if isinstance(path, list) and path else str(name or "")
    kinds = {"request_parameter": "param", "body_json": "body", "body_data": "body", "header": "header", "path": "link"}
    kind = kinds.get(str(option.get("inject_into", "")))
    return (kind, field_name.strip()) if kind and (field_name or kind == "link") else None
