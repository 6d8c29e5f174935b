"""Children: values for the placeholders of a child's requests, from the first rows of its parent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from analytics_assets.rest_api.arrow.cursor import Cursor
from analytics_assets.rest_api.auth.secret_reader import SecretReader
from analytics_assets.rest_api.config import PARENT_PREFIX, ResolvedResource, for_each_column
from analytics_assets.rest_api.errors import DataError
from analytics_assets.rest_api.load.children import for_each_values
from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets.rest_api.probe.session import ProbeSession

MAX_PARENTS = 3  # parents that are tried until one has rows


def bindings(request: LoadRequest, resources: Sequence[ResolvedResource]) -> Iterator[dict[str, Any]]:
    """The placeholders' values for the first parents; one set of values for a resource without a parent.

    Args:
        request: The resource.
        resources: All resources of the API.

    Raises:
        RestApiError: The parent cannot be read, has no rows, or lacks a field.
    """
    resource = request.resource
    values = for_each_values(resource.endpoint.for_each, SecretReader(request.environ))
    first = {name: each[0] for name, each in values.items() if each}
    if resource.parent is None:
        yield first
        return
    [parent] = [each for each in resources if each.name == resource.parent.name]
    rows = list(islice(_rows(replace(request, resource=parent), resources), MAX_PARENTS))
    if not rows:
        raise DataError(f"the parent {parent.name!r} has no rows: there is nothing to request")
    for row in rows:
        found = {field: _value(row, field) for field in resource.parent.fields}
        if missing := [field for field, value in found.items() if value is None]:
            raise DataError(f"the first row of the parent {parent.name!r} has no {' and '.join(missing)}")
        yield {**first, **{f"{PARENT_PREFIX}{parent.name}.{field}": value for field, value in found.items()}}


def _value(row: Mapping[str, Any], field: str) -> Any:
    """The value of a field, which may be nested."""
    return row[field] if field in row else Cursor(field, "iso8601").nested_value(row)


def _rows(request: LoadRequest, resources: Sequence[ResolvedResource]) -> Iterator[Mapping[str, Any]]:
    """The first rows of a resource, with the columns that loads add to them."""
    resource = request.resource
    for values in bindings(request, resources):
        with ProbeSession.open(request) as session:
            session.bindings = values
            trial = session.read(resource, pages=1)
        if trial.error and not trial.pages:
            raise trial.error
        added = {for_each_column(name): values[name] for name in resource.endpoint.for_each}
        if parent := resource.parent:
            named = {field: values.get(f"{PARENT_PREFIX}{parent.name}.{field}") for field in parent.fields}
            added |= {parent.column_field(field): value for field, value in named.items()}
        yield from ({**row, **added} for row in trial.rows)
