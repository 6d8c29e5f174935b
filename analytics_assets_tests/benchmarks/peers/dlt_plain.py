"""dlt as its documentation shows it: `rest_api_source`, DuckDB, merge, default settings."""

import sys
from pathlib import Path

import dlt
from dlt.sources.rest_api import rest_api_source

url, database, limit, nesting = sys.argv[1:]
endpoint = {"path": "/v1/rows", "data_selector": "data", "paginator": {"type": "offset", "limit": int(limit)}}
source = rest_api_source(
    {
        "client": {"base_url": url},
        "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
        "resources": [{"name": "rows", "endpoint": endpoint}],
    }
)
if nesting == "0":  # nested values in JSON columns, to compare contents
    source.max_table_nesting = 0
pipeline = dlt.pipeline(
    pipeline_name="bench",
    pipelines_dir=str(Path(database).with_suffix(".pipelines")),
    destination=dlt.destinations.duckdb(database),
    dataset_name="bench",
)
pipeline.run(source)
