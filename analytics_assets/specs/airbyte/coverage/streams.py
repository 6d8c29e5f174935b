"""Fields of streams, their records, partitions, windows and columns."""

from __future__ import annotations

from analytics_assets.specs.airbyte.coverage.field import Fields, carried, harmless, lost

MORE_REQUESTS = harmless("it saves requests only")
STATE = harmless("it concerns the state of the connector")

PLATFORM = harmless("it describes the connector to its platform")
PLATFORM_KEYS = (
    "documentation_url", "documentationUrl", "changelog_url", "changelogUrl", "advanced_auth", "authSpecification",
    "supportsIncremental", "supports_incremental", "supportsNormalization", "supports_normalization", "supportsDBT",
    "supports_dbt", "supported_destination_sync_modes", "protocol_version",
)  # fmt: skip

STREAMS: dict[str, Fields] = {
    "DeclarativeStream": {
        "name": carried("a text"),
        "retriever": carried(),
        "incremental_sync": carried("a component"),
        "primary_key": carried("a text|a list"),
        "schema_loader": carried("a component|a list of components"),
        "transformations": carried("a list of components"),
        "state_migrations": STATE,
        "file_uploader": lost("the files that records name: only the records are loaded", changes_rows=False),
    },
    "SimpleRetriever": {
        "requester": carried(),
        "record_selector": carried("a component", required=True),
        "paginator": carried("a component"),
        "partition_router": carried("a component|a list of components"),
        "decoder": carried("a component"),
        "ignore_stream_slicer_parameters_on_paginated_requests": lost(
            "the rule that only the first page has the parameters of slices: all pages have them", changes_rows=False
        ),
        "pagination_reset": lost("the restart of the paginator within a read"),
        "page_size_reduction": lost("smaller pages after an error", changes_rows=False),
        "request_window_splitting": lost("smaller windows after an error", changes_rows=False),
    },
    "RecordSelector": {
        "extractor": carried("a component"),
        "record_filter": carried("a component"),
        "schema_normalization": carried("a text|a component"),
        "transform_before_filtering": harmless("a filter that is carried reads no field that is computed"),
    },
    "DpathExtractor": {
        "field_path": carried("a list of texts|a text", required=True),
        "record_expander": lost("the records inside of records"),
        "decoder": harmless("the connector does not read it"),
    },
    "RecordFilter": {"condition": carried("a text")},
    "AddFields": {
        "fields": carried("a list of components", required=True),
        "condition": lost("the condition of computed columns", changes_rows=False),
    },
    "AddedFieldDefinition": {
        "path": carried("a list of texts", required=True),
        "value": carried(required=True),
        "value_type": harmless("columns have the type of their values"),
    },
    "RemoveFields": {
        "field_pointers": carried("a list of paths", required=True),
        "condition": lost("the condition of fields that are removed: they are removed in any case"),
    },
    "ListPartitionRouter": {
        "values": carried("a text|a list", required=True),
        "cursor_field": carried("a text", required=True),
        "request_option": carried("a component"),
    },
    "SubstreamPartitionRouter": {"parent_stream_configs": carried("a list of components", required=True)},
    "ParentStreamConfig": {
        "stream": carried("a component", required=True),
        "parent_key": carried("a text|a list of texts", required=True),
        "partition_field": carried("a text", required=True),
        "request_option": carried("a component"),
        "extra_fields": carried("a list"),
        "incremental_dependency": carried("true or false"),
        "lazy_read_pointer": MORE_REQUESTS,
    },
    "DatetimeBasedCursor": {
        "cursor_field": carried("a text", required=True),
        "datetime_format": carried("a text", required=True),
        "cursor_datetime_formats": carried("a list of texts"),
        "start_datetime": carried("a text|a component", required=True),
        "start_time_option": carried("a component"),
        "end_datetime": carried("a text|a component"),
        "end_time_option": carried("a component"),
        "step": carried("a text"),
        "lookback_window": carried("a text"),
        "is_client_side_incremental": carried("true or false"),
        "partition_field_start": carried("a text"),
        "partition_field_end": carried("a text"),
        "cursor_granularity": harmless("windows here include their start and not their end"),
        "is_data_feed": MORE_REQUESTS,
        "is_compare_strictly": MORE_REQUESTS,
        "global_substream_cursor": STATE,
        "clamping": harmless("partitions begin with a day, a week or a month in any case"),
        "allow_catalog_defined_cursor_field": STATE,
    },
    "MinMaxDatetime": {
        "datetime": carried("a text", required=True),
        "datetime_format": harmless("only the day of a literal start is read"),
        "min_datetime": harmless("the first day of the partitions is to be decided"),
        "max_datetime": harmless("the first day of the partitions is to be decided"),
    },
    "InlineSchemaLoader": {"schema": carried()},
    "JsonDecoder": {"encoding": lost("the encoding of responses", changes_rows=False)},
    "JsonlDecoder": {},
    "CsvDecoder": {
        "encoding": lost("the encoding of responses", changes_rows=False),
        "delimiter": lost("the delimiter of CSV"),
        "set_values_to_none": lost("the values of CSV that mean no value"),
    },
    "GzipDecoder": {"decoder": carried("a component", required=True)},
    "CompositeRawDecoder": {"parser": carried("a component"), "decoder": carried("a component")},
    "Spec": {
        **dict.fromkeys(PLATFORM_KEYS, PLATFORM),
        "connection_specification": carried("a mapping"),
        "config_normalization_rules": lost("the rules that change settings: set the variables as requests need them"),
    },
    "HTTPAPIBudget": {
        "policies": carried("a list of components", required=True),
        "ratelimit_reset_header": harmless("the usual headers are read in any case"),
        "ratelimit_remaining_header": harmless("the usual headers are read in any case"),
        "status_codes_for_ratelimit_hit": harmless("429 is retried in any case"),
    },
    "ConcurrencyLevel": {
        "default_concurrency": carried(required=True),
        "max_concurrency": harmless("it is a limit for the setting"),
    },
}
