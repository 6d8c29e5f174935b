"""A Singer tap with Meltano's SDK; its output goes to target-duckdb."""

import sys
from typing import ClassVar

from row_schema import SCHEMA
from singer_sdk import RESTStream, Tap
from singer_sdk.pagination import BaseOffsetPaginator

URL, LIMIT = sys.argv[1], int(sys.argv[2])


class Offset(BaseOffsetPaginator):
    def has_more(self, response):
        return bool(response.json()["hasNext"])


class Rows(RESTStream):
    name = "rows"
    path = "/v1/rows"
    url_base = URL
    primary_keys = ("id",)
    records_jsonpath = "$.data[*]"
    schema = SCHEMA

    def get_new_paginator(self):
        return Offset(start_value=0, page_size=LIMIT)

    def get_url_params(self, context, next_page_token):
        return {"limit": LIMIT, "offset": next_page_token or 0}


class TapBench(Tap):
    name = "tap-bench"
    config_jsonschema: ClassVar = {"type": "object", "properties": {}}

    def discover_streams(self):
        return [Rows(self)]


if __name__ == "__main__":
    TapBench(config={}).sync_all()
