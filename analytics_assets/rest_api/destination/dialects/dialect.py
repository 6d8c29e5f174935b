"""How the SQL of warehouses differs. Types, quotes and the case of names are dlt's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import dlt
from dlt.common.destination import DestinationCapabilitiesContext, PreparedTableSchema
from dlt.common.schema.typing import TTableSchemaColumns
from dlt.common.schema.utils import new_table

from analytics_assets.rest_api.destination.merge_sql import TargetTable


@dataclass(frozen=True)
class Dialect:
    """The SQL of a warehouse.

    Attributes:
        destination: dlt's name of the destination.
        has_transactions: Whether several statements that write rows can be one transaction.
        has_merge: Whether it has MERGE with a condition after WHEN MATCHED.
        replaces_tables: Whether CREATE OR REPLACE TABLE ... AS SELECT replaces a table in one step. If it does not,
            statements that create and drop tables can be part of a transaction.
        json_text: The text of a JSON value, which can be compared.
        nullable_type: The type of a column that can be NULL.
        required_type: The type of a column that cannot.
        engine: The clause for the storage of a table, with the columns of its order.
        has_tuple_in: Whether `(a, b) IN (SELECT ...)` works in all statements, and EXISTS with columns of the outer
            table does not.
    """

    destination: str
    has_transactions: bool = True
    has_merge: bool = True
    replaces_tables: bool = True
    json_text: str = "{}"
    nullable_type: str = "{}"
    required_type: str = "{} NOT NULL"
    engine: str = ""
    has_tuple_in: bool = False

    @cached_property
    def capabilities(self) -> DestinationCapabilitiesContext:
        """What dlt knows of the warehouse. Its driver is not needed."""
        capabilities: DestinationCapabilitiesContext = getattr(dlt.destinations, self.destination)().capabilities()
        return capabilities

    def quote(self, name: str) -> str:
        """A name as dlt writes it: in the case of the warehouse, and quoted."""
        return self.capabilities.escape_identifier(self.capabilities.casefold_identifier(name))

    def table(self, dataset: str, name: str, columns: TTableSchemaColumns) -> TargetTable:
        """A table in the terms of the warehouse.

        Args:
            dataset: The dataset.
            name: The table's name.
            columns: Its columns, as dlt describes them.
        """
        mapper, table = self.capabilities.get_type_mapper(), cast(PreparedTableSchema, new_table(name))
        return TargetTable(
            name=f"{self.quote(dataset)}.{self.quote(name)}",
            columns=columns,
            types={column: mapper.to_destination_type(description, table) for column, description in columns.items()},
            quote=self.quote,
        )


DIALECTS = {
    dialect.destination: dialect
    for dialect in (
        Dialect("snowflake", json_text="TO_JSON({})"),
        Dialect("bigquery", json_text="TO_JSON_STRING({})"),
        Dialect("databricks", has_transactions=False),
        # Its MERGE has no conditions.
        Dialect("redshift", has_merge=False, replaces_tables=False, json_text="JSON_SERIALIZE({})"),
        Dialect(
            "clickhouse",
            has_transactions=False,
            has_merge=False,
            nullable_type="Nullable({})",
            required_type="{}",
            engine=" ENGINE = MergeTree ORDER BY ({})",
            has_tuple_in=True,
        ),
    )
}
