"""The extra steps of a load that reads its endpoint many times: for rows of a parent, or for values of `for_each`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analytics_assets.rest_api.arrow.column_names import column_name
from analytics_assets.rest_api.arrow.table_schema import TableSchema
from analytics_assets.rest_api.auth.secret_reader import SecretReader, reference_name
from analytics_assets.rest_api.config import ResolvedResource, SecretRef
from analytics_assets.rest_api.config.resources import for_each_column
from analytics_assets.rest_api.destination.parents.bindings import LoadBindings
from analytics_assets.rest_api.destination.pipeline import TablePipeline
from analytics_assets.rest_api.errors import CredentialsError, DataError
from analytics_assets.rest_api.load.request import LoadRequest


def open_bindings(request: LoadRequest, pipeline: TablePipeline) -> LoadBindings | None:
    """Read the parent's rows and the values of `for_each`; None for a resource that has neither.

    Raises:
        WarehouseError: The parent's table does not exist, or lacks a field.
        CredentialsError: A variable that `for_each` names is not set.
    """
    resource = request.resource
    parent, for_each = resource.parent, resource.endpoint.for_each
    if parent is None and not for_each:
        return None
    values = for_each_values(for_each, SecretReader(request.environ))
    if parent is None:
        return LoadBindings(for_each=values)
    rows = pipeline.read_parents(parent, request.parents_window)
    if not rows.count:
        table = f"{request.dataset}.{parent.name}"
        if request.parents_window:
            request.log.info(f"{request.name}: no row of {table} changed in the window: nothing is requested")
        else:
            request.log.warning(f"{request.name}: the parent's table {table} has no rows: nothing is requested")
    bindings = LoadBindings(parent, rows, values)
    check_repeated_parents(bindings, pipeline.plan.primary_key)
    return bindings


def check_repeated_parents(bindings: LoadBindings, primary_key: Sequence[str]) -> None:
    """Reject parent rows that lead to the same request, and to child rows with the same key and different columns.

    Raises:
        DataError: There are such rows: the table would store the columns of one of them.
    """
    parent, rows = bindings.parent, bindings.rows
    if not primary_key or not parent or not rows or not rows.has_repeated_keys:
        return
    columns = {stored.field: column_name(parent.column_field(stored.field)) for stored in rows.fields}
    in_key = [number for number, column in enumerate(columns.values()) if column in primary_key]
    if count := rows.count_repeated(in_key):
        differing = [field for field in columns if field not in parent.fields and columns[field] not in primary_key]
        raise DataError(
            f"{count} rows of the parent {parent.name!r} have the same {' and '.join(parent.fields)} as another and "
            f"differ in {' or '.join(differing)}: a row of the child would get the value of one of them by chance. "
            f"Remove {' and '.join(differing)} from `include_from_parent`, or add "
            f"{' and '.join(columns[field] for field in differing)} to `primary_key`"
        )


def for_each_values(
    for_each: Mapping[str, Sequence[Any]], secrets: SecretReader, *, place: str = "endpoint.for_each"
) -> dict[str, list[Any]]:
    """The values of each key, those of variables as text, each value once.

    Args:
        for_each: Lists by name; a variable has values between commas.
        secrets: Reads the variables.
        place: The key of the lists in the YAML file, for messages.

    Raises:
        CredentialsError: A variable is not set, or has no values.
    """
    values: dict[str, list[Any]] = {}
    for name, listed in for_each.items():
        found: dict[tuple[type, Any], Any] = {}
        for value in listed:
            if isinstance(value, SecretRef):
                key = f"{place}.{name}"
                texts = [text.strip() for text in secrets.require(value, key).split(",") if text.strip()]
                if not texts:
                    raise CredentialsError(f"`{key}`: {reference_name(value)} has no values between its commas")
                found.update({(str, text): text for text in texts})
            else:
                found[(type(value), value)] = value
        values[name] = list(found.values())
    return values


def prepare_children(
    request: LoadRequest, bindings: LoadBindings, pipeline: TablePipeline, schema: TableSchema
) -> None:
    """Compare the rows of all reads, and name the parents whose stored rows are replaced.

    Raises:
        DataError: Rows of several parents have the same key and different values.
    """
    check_shared_keys(request, bindings, pipeline)
    if pipeline.plan.parent_key and bindings.rows:
        known = schema.dlt_columns()
        types = {name: schema.column_type(name) if name in known else None for name in pipeline.plan.parent_key}
        pipeline.replace_parents(bindings.rows, types)


def read_columns(resource: ResolvedResource) -> tuple[str, ...]:
    """The columns that tell rows of different reads apart and are not in the primary key."""
    parent, fields = resource.parent, [for_each_column(name) for name in resource.endpoint.for_each]
    if parent:
        fields += [parent.column_field(field) for field in parent.fields if field in parent.include_from_parent]
    return tuple(column_name(field) for field in fields if field not in resource.primary_key)


def warn_of_overwritten_rows(request: LoadRequest, pipeline: TablePipeline) -> None:
    """Log how many stored rows of other parents the load has replaced, if any."""
    if rows := pipeline.outcome.overwritten_rows:
        columns = " and ".join(read_columns(request.resource))
        request.log.warning(
            f"{request.name}: {rows} stored rows were replaced by rows with the same key and another {columns}. If the "
            f"API uses a key for several rows, add {columns} to `primary_key`, and run the full refresh. If rows move "
            "between parents, this is correct"
        )


def check_shared_keys(request: LoadRequest, bindings: LoadBindings, pipeline: TablePipeline) -> None:
    """Reject rows of several reads with the same key and different values: the table would store only one of them.

    Logs a warning if the cursor says which of the rows is the newest: they may be versions of one row.

    Raises:
        DataError: There are such rows.
    """
    key = pipeline.plan.primary_key
    missing = [field for field in bindings.key_fields if column_name(field) not in key]
    if not key or not missing:
        return
    shared = pipeline.count_shared_keys([column_name(field) for field in bindings.fields])
    not_included = [field for field in missing if field not in bindings.fields]
    include = ", and their fields to `include_from_parent`" if not_included else ""
    correction = f"{' and '.join(missing)} to `primary_key`{include}"
    if shared.conflicts:
        raise DataError(
            f"{shared.conflicts} keys occur in rows of several parents or values of `for_each`, and these rows differ: "
            f"the table would store one row of each key only. Add {correction}"
        )
    if shared.versions:
        request.log.warning(
            f"{request.name}: {shared.versions} keys occur in rows of several parents or values of `for_each`, with "
            f"different cursors: the newest row of each key is loaded. If they are different rows, add {correction}"
        )
