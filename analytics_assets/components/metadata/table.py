"""The columns of a table."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from analytics_assets import rest_api
from analytics_assets.rest_api.arrow.column_names import RESERVED, VARIANT_SEPARATOR, column_name
from analytics_assets.rest_api.config import ResolvedResource, for_each_column

DESCRIPTIONS = {"_dlt_load_id": "The load that wrote the row, as in the metadata of its materialization."}


def declared_schema(resource: ResolvedResource) -> dg.TableSchema | None:
    """The columns that the YAML declares; None if it declares none."""
    data_types = {column_name(field): column.data_type for field, column in resource.columns.items()}
    return column_schema(resource, data_types) if data_types else None


def column_schema(resource: ResolvedResource, data_types: Mapping[str, str]) -> dg.TableSchema:
    """The columns of a table with what the YAML declares of them.

    Args:
        resource: The resource that the table belongs to.
        data_types: dlt's data types by column name, in the order of the table.
    """
    declared = {column_name(field): column for field, column in resource.columns.items()}
    key = {column_name(field) for field in resource.primary_key}
    unique = key if resource.write_disposition != "append" else set()
    columns = []
    for name, data_type in data_types.items():
        column = declared.get(name)
        nullable = name not in key and (column is None or column.nullable)
        constraints = dg.TableColumnConstraints(nullable=nullable, unique=unique == {name})
        description = column.description if column else DESCRIPTIONS.get(name)
        columns.append(dg.TableColumn(name, data_type, description, constraints))
    return dg.TableSchema(columns=columns)


def column_lineage(result: rest_api.LoadResult, endpoint_key: dg.AssetKey) -> dg.TableColumnLineage:
    """The field of the endpoint's records that each column comes from, by its path in a record.

    Columns of fields that no record had, and that the YAML does not declare, are missing. Columns that
    `include_from_parent` adds come from the parent's table.
    """
    resource = result.request.resource
    fields = {**{column_name(field): field for field in resource.columns}, **result.fields}
    cursor = resource.endpoint.incremental.cursor_path if resource.endpoint.incremental else None
    if cursor:  # a nested one is flattened
        fields[column_name(cursor.replace(".", "__"))] = cursor
    sources = {
        name: fields.get(name) or fields.get(name.rpartition(VARIANT_SEPARATOR)[0]) for name in result.table.columns
    }
    deps = {name: dg.TableColumnDep(endpoint_key, field) for name, field in sources.items() if field}
    for name in resource.endpoint.for_each:
        deps.pop(column_name(for_each_column(name)), None)
    if parent := resource.parent:
        parent_key = dg.AssetKey([result.request.api, parent.name])
        for field in parent.include_from_parent:
            column = column_name(field.partition(".")[0])
            deps[column_name(parent.column_field(field))] = dg.TableColumnDep(parent_key, column)
    return dg.TableColumnLineage(
        {name: [deps[name]] for name in result.table.columns if name in deps and name not in RESERVED}
    )
