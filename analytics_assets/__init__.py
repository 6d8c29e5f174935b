"""REST APIs as Dagster assets: one YAML file an API, one endpoint a table, loaded by dlt."""
