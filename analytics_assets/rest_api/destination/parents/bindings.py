"""Bindings of a load: one for each row of the parent and each combination of the values of `for_each`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.config import Parent, for_each_column
from analytics_assets.rest_api.destination.parents.rows import ParentRows
from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets.rest_api.extract.children.bindings import Binding


@dataclass(frozen=True)
class LoadBindings:
    """The bindings of all reads of a load.

    Attributes:
        parent: The parent, if there is one.
        rows: Its rows that are read.
        for_each: The values of each key of `for_each`.
    """

    parent: Parent | None = None
    rows: ParentRows | None = None
    for_each: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def reads_per_parent(self) -> int:
        """How many successive reads are counted as one: all of one parent, or each of its own without a parent."""
        return prod(map(len, self.for_each.values())) if self.rows else 1

    @property
    def count(self) -> int:
        """The number of reads."""
        return prod(map(len, self.for_each.values())) * (self.rows.count if self.rows else 1)

    @property
    def parent_fields(self) -> tuple[str, ...]:
        """The fields of rows that name their parent, such as `_projects_id`."""
        return tuple(map(self.parent.column_field, self.parent.fields)) if self.parent else ()

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The fields that name the read that a row comes from."""
        return (*self.parent_fields, *map(for_each_column, self.for_each))

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are added to rows, such as `_projects_id` and `_region`."""
        included = map(self.parent.column_field, self.parent.include_from_parent) if self.parent else ()
        return (*included, *map(for_each_column, self.for_each))

    @property
    def types(self) -> dict[str, ColumnType | None]:
        """The types of the fields that are added, as far as they are known from the parent's table."""
        types: dict[str, ColumnType | None] = dict.fromkeys(self.fields)
        if self.parent and self.rows:
            for stored in self.rows.fields:
                if (name := self.parent.column_field(stored.field)) in types:
                    types[name] = stored.value_type
        return types

    def __iter__(self) -> Iterator[Binding]:
        number, reads_per_parent = 0, self.reads_per_parent
        for values, columns in self._parents():
            for combination in itertools.product(*self.for_each.values()):
                chosen = dict(zip(self.for_each, combination, strict=True))
                added = {for_each_column(name): value for name, value in chosen.items()}
                parent = number // reads_per_parent
                yield Binding(number, {**values, **chosen}, {**columns, **added}, parent)
                number += 1

    def _parents(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """The values of placeholders, and those of columns, for each row of the parent."""
        if self.parent is None or self.rows is None:
            yield {}, {}
            return
        names = [stored.field for stored in self.rows.fields]
        for row in self.rows:
            values = dict(zip(names, row, strict=True))
            for name in self.parent.fields:
                if isinstance(values[name], (dict, list)):
                    raise WarehouseError(
                        f"the field {name!r} of {self.parent.name!r} is an object or a list, which cannot be part of a "
                        f"request: name a field inside it, such as `{name}.id`"
                    )
            yield (
                {f"resources.{self.parent.name}.{name}": values[name] for name in self.parent.fields},
                {self.parent.column_field(name): values[name] for name in self.parent.include_from_parent},
            )
