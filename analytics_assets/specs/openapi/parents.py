"""Path parameters: fields of a parent's rows where a list endpoint has them, otherwise values that a person names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.specs.openapi.columns import field_for
from analytics_assets.specs.openapi.operations import PARAMETER, Operation, Parameter
from analytics_assets.specs.openapi.schemas import Schemas

RESERVED = ("start", "end", "page", "offset", "resources", "incremental")


@dataclass
class Bindings:
    """What the path parameters of a resource are filled with.

    Attributes:
        path: The path with placeholders.
        parent: Name of the parent.
        include: The value of `include_from_parent`.
        for_each: The value of `for_each`.
        columns: Path parameter -> the column that each row has for it.
        decisions: What a person has to decide.
    """

    path: str
    parent: str | None = None
    include: list[str] = field(default_factory=list)
    for_each: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    decisions: list[str] = field(default_factory=list)


def canonical(path: str) -> str:
    """The path without the names of its parameters and without a slash at its end."""
    return PARAMETER.sub("{}", path.rstrip("/")) or "/"


def find_parent(operation: Operation, by_path: Mapping[str, Operation]) -> tuple[Operation, str] | None:
    """The list endpoint whose rows a resource is read for, and the path parameter that is a field of them.

    It has the path before the parameter. If there is none, and one other list endpoint ends with the same word as the
    path before the parameter, it is that one: `/datasets/{id}/experiments` for `/experiments/{experiment_id}/runs`.
    """
    steps = operation.path.rstrip("/").split("/")
    places = [position for position in range(len(steps) - 1, 0, -1) if PARAMETER.fullmatch(steps[position])]
    for position in places:
        parent = by_path.get(canonical("/".join(steps[:position])))
        if parent and parent is not operation:
            return parent, steps[position][1:-1]
    if len(places) == 1 and steps[places[0] - 1]:
        word = steps[places[0] - 1]
        named = [each for each in by_path.values() if each.path.rstrip("/").rpartition("/")[2] == word]
        if len(named) == 1 and f"/{steps[-1]}/" not in named[0].path and named[0] is not operation:
            return named[0], steps[places[0]][1:-1]
    return None


def bind(
    operation: Operation, parent: tuple[Operation, str, str, Bindings] | None, schemas: Schemas, *, prefix: str
) -> Bindings:
    """Fill the path parameters of a list endpoint.

    Args:
        operation: The endpoint.
        parent: The parent's endpoint, the path parameter that is a field of its rows, its name and its own bindings.
        schemas: The document's schemas.
        prefix: Beginning of the names of environment variables.
    """
    bound = Bindings(operation.path)
    rest = list(dict.fromkeys(operation.path_parameters))
    if parent:
        parent_operation, parameter, name, above = parent
        key = field_for(parent_operation.record, schemas, parameter)
        if key and re.fullmatch(r"[^.\[\]*'\"{}\s]+", key):
            bound.parent = name
            own = dict(zip(PARAMETER.findall(operation.path), parent_operation.path_parameters, strict=False))
            for each in rest[: rest.index(parameter)]:
                if column := above.columns.get(own.get(each, each)):
                    _from_parent(bound, each, name, column)
            _from_parent(bound, parameter, name, key)
    for each in rest:
        if each not in bound.columns:
            add_values(bound, operation, each, prefix=prefix)
    return bound


def _from_parent(bound: Bindings, parameter: str, parent: str, field_name: str) -> None:
    bound.path = bound.path.replace(f"{{{parameter}}}", f"{{resources.{parent}.{field_name}}}")
    bound.include.append(field_name)
    bound.columns[parameter] = f"_{parent}_{field_name}"


def add_values(bound: Bindings, operation: Operation, parameter: str, *, prefix: str) -> str:
    """Read an endpoint for each value of a parameter: those that the document lists, otherwise those of a variable.

    Returns:
        The placeholder.
    """
    name = re.sub(r"[^A-Za-z0-9]+", "_", parameter).strip("_") or "value"
    if name in RESERVED or not name[0].isalpha() or name.startswith("dlt") or name in bound.for_each:
        name = f"value_{name}"
    known: Parameter | None = next((each for each in operation.parameters if each.name == parameter), None)
    values = [value for value in (known.schema.enum if known else ()) if isinstance(value, (str, int)) and value != ""]
    bound.path = bound.path.replace(f"{{{parameter}}}", f"{{{name}}}")
    bound.columns[parameter] = f"_{name}"
    if values:
        bound.for_each[name] = list(dict.fromkeys(values))
        bound.decisions.append(f"`{parameter}` has these values in the document: remove those that are not needed")
    else:
        variable = f"{prefix}_{re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', name).upper()}"
        bound.for_each[name] = {"env": variable}
        bound.decisions.append(f"no list endpoint has `{parameter}`: set {variable} to its values, with commas between")
    return f"{{{name}}}"
