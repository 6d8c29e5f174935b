"""The dlt source of one table."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import dlt
from dlt.extract import DltSource

from analytics_assets.rest_api.arrow.converter import ArrowConverter
from analytics_assets.rest_api.extract.concurrency import prefetch


def build_dlt_source(conversion: ArrowConverter, *, name: str, needed: Collection[str]) -> DltSource:
    """A dlt source with one resource of that name, whose columns are declared as they become known.

    `needed` are the columns without which a load cannot say what to do: an empty table that lacks one is left out.
    """

    def read() -> Iterator[Any]:
        declared = 0
        for table in prefetch(conversion.tables()):  # the next is fetched and converted while dlt writes this one
            if not table.num_rows and not set(needed) <= set(table.column_names):
                continue
            if table.num_columns == declared:
                yield table
            else:
                declared = table.num_columns
                yield dlt.mark.with_hints(table, dlt.mark.make_hints(columns=conversion.schema.dlt_columns()))

    resource = dlt.resource(read, name=name, columns=conversion.schema.dlt_columns(), write_disposition="append")
    return DltSource(dlt.Schema(name), "rest_api", [resource])
