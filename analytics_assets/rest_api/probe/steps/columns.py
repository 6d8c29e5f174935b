"""The columns that the records give: the type of each, as a load infers it, and times that could be declared."""

from __future__ import annotations

from collections import Counter
from typing import Any

from analytics_assets.rest_api.arrow.column_names import column_name
from analytics_assets.rest_api.arrow.cursor import Cursor
from analytics_assets.rest_api.arrow.table_schema import TableSchema
from analytics_assets.rest_api.errors import DataError
from analytics_assets.rest_api.probe.findings import ColumnFinding
from analytics_assets.rest_api.probe.state import Probe
from analytics_assets.rest_api.probe.steps.timestamps import time_fields


def check_columns(probe: Probe) -> None:
    """List the columns of the rows that were read, with the types that a load gives them."""
    resource, rows = probe.resource, probe.trial.rows
    schema = TableSchema(columns=resource.columns, null_key="skip", cursor=Cursor.of(resource))
    try:
        table = schema.convert(rows)
    except DataError as error:
        probe.report(str(error))
        return
    nulls = Counter({name: table[name].null_count for name in table.column_names})
    declared = {column_name(field): column for field, column in resource.columns.items()}
    times = {column_name(field): format for field, format in time_fields(rows) if "." not in field}
    for name, hint in schema.dlt_columns().items():
        proposed: dict[str, Any] | None = None
        if name in times and name not in declared and hint["data_type"] in ("text", "bigint"):
            proposed = {"data_type": "timestamp", "format": times[name]}
            if times[name] == "date":
                proposed = {"data_type": "date"}
        probe.findings.columns.append(
            ColumnFinding(name, str(hint["data_type"]), name in declared, proposed, nulls[name])
        )
    if unseen := [name for name in declared if nulls[name] == len(rows) and rows]:
        probe.findings.notes.append(f"no row has a value for the declared columns {', '.join(unseen)}")
    for name, targets in schema.changed_columns().items():
        probe.findings.notes.append(f"the column {name} has values of another type: {', '.join(targets)}")
