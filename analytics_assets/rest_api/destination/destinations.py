"""The destinations that tables can be loaded to. To add one, write its folder and add it here."""

from __future__ import annotations

from typing import Any

from analytics_assets.rest_api.destination.dlt_client import TableDestination
from analytics_assets.rest_api.destination.plan import LoadOutcome, Plan
from analytics_assets.rest_api.destination.warehouse import Log, Warehouse
from analytics_assets.rest_api.errors import WarehouseError

SUPPORTED = ("duckdb", "postgres", "delta")
# Their statements are generated, and were never run there: see `dialects`.
STATEMENTS_ONLY = ("snowflake", "bigquery", "databricks", "redshift", "clickhouse", "motherduck")


def build_destination(warehouse: Warehouse, plan: Plan, log: Log) -> TableDestination:
    """The warehouse's dlt destination, which loads one table by the plan.

    Raises:
        WarehouseError: There is no such destination, or its driver is not installed.
    """
    destination: TableDestination
    # The dataset's name is used as it is. dlt's names for a destination are the sections of its configuration.
    settings: dict[str, Any] = {"destination_name": warehouse.destination, "enable_dataset_name_normalization": False}
    try:
        if warehouse.destination == "duckdb":
            from analytics_assets.rest_api.destination.duckdb.destination import DuckDbDestination

            # Not as a text, which dlt parses with SQLAlchemy, whose import takes 0.15 s.
            destination = DuckDbDestination(credentials={"database": str(warehouse.duckdb_path)}, **settings)
        elif warehouse.destination == "postgres":
            from analytics_assets.rest_api.destination.postgres.destination import PostgresDestination

            destination = PostgresDestination(**settings)
        elif warehouse.destination == "delta":
            from analytics_assets.rest_api.destination.delta.destination import DeltaDestination

            # dlt's name: the variables are DESTINATION__FILESYSTEM__BUCKET_URL and others.
            destination = DeltaDestination(**{**settings, "destination_name": "filesystem"})
        else:
            known = ". Statements for this one are generated, but no load sends them"
            raise WarehouseError(
                f"the destination {warehouse.destination!r} is not supported: loads merge rows into tables, which this "
                f"package can do in {', '.join(SUPPORTED[:-1])} and {SUPPORTED[-1]}. Set ANALYTICS_DESTINATION to one "
                f"of them{known if warehouse.destination in STATEMENTS_ONLY else ''}"
            )
    except ImportError as error:
        module = (error.name or "").partition(".")[0]
        raise WarehouseError(
            f"the destination {warehouse.destination!r} needs the Python module {module!r}, which is not "
            f"installed: pip install 'analytics_assets[{warehouse.destination}]'"
        ) from None
    destination.plan, destination.outcome, destination.adjust_plan = plan, LoadOutcome(), lambda stored: plan  # noqa: ARG005
    destination.lock_seconds, destination.log = warehouse.lock_seconds, log
    return destination
