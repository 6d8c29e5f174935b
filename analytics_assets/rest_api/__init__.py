"""REST APIs as dlt sources, described by a configuration: runs without Dagster."""
