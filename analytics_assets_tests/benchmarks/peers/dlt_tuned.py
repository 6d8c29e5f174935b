"""dlt, tuned by its performance guide: parquet, large buffers and files, no child tables, upsert, two workers."""

import os
import sys
from pathlib import Path

os.environ |= {
    "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
    "DATA_WRITER__FILE_MAX_ITEMS": "50000",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
    "NORMALIZE__WORKERS": "2",
    "NORMALIZE__START_METHOD": "spawn",
    "LOAD__WORKERS": "2",
}

import dlt
from dlt.sources.rest_api import rest_api_source


def main() -> None:
    url, database, limit = sys.argv[1:]
    endpoint = {"path": "/v1/rows", "data_selector": "data", "paginator": {"type": "offset", "limit": int(limit)}}
    merge = {"disposition": "merge", "strategy": "upsert"}
    source = rest_api_source(
        {
            "client": {"base_url": url},
            "resource_defaults": {"primary_key": "id", "write_disposition": merge, "max_table_nesting": 0},
            "resources": [{"name": "rows", "endpoint": endpoint}],
        }
    )
    pipeline = dlt.pipeline(
        pipeline_name="bench",
        pipelines_dir=str(Path(database).with_suffix(".pipelines")),
        destination=dlt.destinations.duckdb(database),
        dataset_name="bench",
    )
    pipeline.run(source, loader_file_format="parquet")


if __name__ == "__main__":
    main()
