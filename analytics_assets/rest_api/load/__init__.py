"""One load, from request to result: read an endpoint, convert its rows, write them to their table."""

from analytics_assets.rest_api.garbage_collection import long_lived_objects

with long_lived_objects():  # before DuckDB is imported, whose objects have to be collected
    import dlt  # noqa: F401
