"""What becomes of one field of a component, and the shape that its value must have."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from analytics_assets.specs.airbyte.templates import is_template


class Use(Enum):
    """What the converter does with a field."""

    CARRIED = "carried"
    HARMLESS = "harmless"
    LOST = "lost"


@dataclass(frozen=True)
class Field:
    """One field of a component.

    Attributes:
        use: What the converter does with it.
        shape: The name of the shape of its value, or several with `|`. Empty: any shape.
        is_required: Whether the component has no meaning without it.
        reason: Why it is harmless, or what happens without it.
        changes_rows: Whether rows differ without it.
    """

    use: Use
    shape: str = ""
    is_required: bool = False
    reason: str = ""
    changes_rows: bool = False

    def accepts(self, value: Any) -> bool:
        """Whether the value has the shape."""
        return not self.shape or any(SHAPES[name](value) for name in self.shape.split("|"))


Fields = dict[str, Field]


def carried(shape: str = "", *, required: bool = False) -> Field:
    """A field that the converter reads."""
    return Field(Use.CARRIED, shape, required)


def harmless(reason: str) -> Field:
    """A field that no row depends on."""
    return Field(Use.HARMLESS, reason=reason)


def lost(reason: str, *, changes_rows: bool = True) -> Field:
    """A field that the converter does not read."""
    return Field(Use.LOST, reason=reason, changes_rows=changes_rows)


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return is_template(value) or value.strip().replace(".", "", 1).isdecimal()
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_component(value: Any) -> bool:
    return isinstance(value, dict)


def _is_list_of_components(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _is_path(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, (str, int)) for each in value)


def _is_list_of_paths(value: Any) -> bool:
    return isinstance(value, list) and all(_is_path(each) for each in value)


SHAPES = {
    "a text": _is_text,
    "a number": _is_number,
    "true or false": lambda value: isinstance(value, bool),
    "a list": lambda value: isinstance(value, list),
    "a mapping": _is_component,
    "a component": _is_component,
    "a list of components": _is_list_of_components,
    "a list of texts": _is_path,
    "a list of paths": _is_list_of_paths,
}
