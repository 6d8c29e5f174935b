"""Airbyte: a declarative manifest of its CDK, read by PyAirbyte into its DuckDB cache with its merge."""

import os
import sys
from pathlib import Path

os.environ["AIRBYTE_OFFLINE_MODE"] = "1"  # no registry, no telemetry

import airbyte
from airbyte.caches import DuckDBCache
from row_schema import SCHEMA

url, database, limit = sys.argv[1:]
manifest = {
    "version": "6.0.0",
    "type": "DeclarativeSource",
    "check": {"type": "CheckStream", "stream_names": ["rows"]},
    "streams": [
        {
            "type": "DeclarativeStream",
            "name": "rows",
            "primary_key": ["id"],
            "retriever": {
                "type": "SimpleRetriever",
                "requester": {"type": "HttpRequester", "url_base": url, "path": "/v1/rows", "http_method": "GET"},
                "record_selector": {
                    "type": "RecordSelector",
                    "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
                },
                "paginator": {
                    "type": "DefaultPaginator",
                    "page_size_option": {
                        "type": "RequestOption",
                        "inject_into": "request_parameter",
                        "field_name": "limit",
                    },
                    "page_token_option": {
                        "type": "RequestOption",
                        "inject_into": "request_parameter",
                        "field_name": "offset",
                    },
                    "pagination_strategy": {"type": "OffsetIncrement", "page_size": int(limit)},
                },
            },
            "schema_loader": {"type": "InlineSchemaLoader", "schema": SCHEMA},
        }
    ],
    "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
}
source = airbyte.get_source("source-bench", config={}, source_manifest=manifest)
source.select_all_streams()
cache = DuckDBCache(db_path=database, schema_name="bench", cache_dir=Path(database).with_suffix(".cache"))
source.read(cache=cache, write_strategy="merge", force_full_refresh=True)
