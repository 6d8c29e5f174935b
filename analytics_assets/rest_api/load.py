"""One resource, one window, one table: everything a load needs, put together when it runs."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from dlt.common.exceptions import DltException
from dlt.common.pipeline import LoadInfo
from dlt.extract import DltSource

from analytics_assets.rest_api.arrow.column_names import column_name
from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.arrow.converter import ArrowConverter, Statistics
from analytics_assets.rest_api.arrow.table_schema import TableSchema
from analytics_assets.rest_api.auth.authenticator import build_authenticator, build_token_store
from analytics_assets.rest_api.auth.credentials import Secrets, select_auth
from analytics_assets.rest_api.config import Client, Column, OffsetConfig, PageNumberConfig, ResolvedResource
from analytics_assets.rest_api.destination.dlt_source import build_dlt_source
from analytics_assets.rest_api.destination.duplicate_keys import DuplicateKeyCheck, count_fetched_keys
from analytics_assets.rest_api.destination.merge_sql import Mode, Plan
from analytics_assets.rest_api.destination.pipeline import (
    PREVIEW_ROWS,
    ResourcePipeline,
    resource_pipeline,
    translate_error,
)
from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.errors import DriftError, RestApiError, SliceError
from analytics_assets.rest_api.extract.reader import EndpointReader
from analytics_assets.rest_api.http.client import HttpClient, RequestMetrics
from analytics_assets.rest_api.redaction import redactor
from analytics_assets.rest_api.windows import FORMAT_UNITS, Window

gc.freeze()  # what is imported stays: each search for garbage in it, and the one at exit, takes a tenth of a second
T = TypeVar("T")
MAX_READ_ATTEMPTS = 3
LOADER_FILE_FORMAT: Literal["parquet"] = "parquet"


@dataclass(frozen=True)
class LoadRequest:
    """What is asked of a load. Without a window the whole resource is walked; a full refresh replaces its table.

    `sliced` says that a window may be walked in slices.
    """

    api: str
    client: Client
    resource: ResolvedResource
    warehouse: Warehouse
    dataset: str
    environ: Mapping[str, str]
    window: Window | None = None
    full_refresh: bool = False
    sliced: bool = True
    token_dir: Path | None = None
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("analytics_assets"))

    @property
    def mode(self) -> Mode:
        return "replace" if self.full_refresh else self.resource.write_disposition

    @property
    def read_window(self) -> Window | None:
        """The window as it is read: with the lookback."""
        incremental = self.resource.endpoint.incremental
        if self.window is None or incremental is None:
            return None
        return self.window.with_lookback(incremental.lookback)


@dataclass(frozen=True)
class Load:
    """A load that is ready to run: `pipeline.run(source, loader_file_format=LOADER_FILE_FORMAT)` runs it."""

    request: LoadRequest
    pipeline: ResourcePipeline
    source: DltSource
    statistics: Statistics
    counters: RequestMetrics
    stored: Mapping[str, ColumnType]


def load_table(request: LoadRequest, execute: Callable[[Load], T]) -> tuple[Load, T]:
    """Prepares a load and executes it; from the start again, a few times, where rows moved while they were read.

    Raises:
        RestApiError: whatever went wrong in it, told for people. The table's rows are as they were.
    """
    overlap = DuplicateKeyCheck(request.resource.name, request.log)
    for walk in range(1, MAX_READ_ATTEMPTS + 1):
        try:
            with prepare(request, overlap) as load:
                return load, execute(load)
        except DriftError as error:
            if walk == MAX_READ_ATTEMPTS:
                raise DriftError(
                    f"{error}. So it went in {walk} walks: read when less changes, in smaller windows, or by a cursor "
                    "if the API has one"
                ) from None
            if isinstance(error, SliceError):
                request = replace(request, sliced=False)
            how = "" if request.sliced else ", by the window as a whole. `max_concurrency: 1` does so at once"
            request.log.warning(f"{request.resource.name}: {error}. Nothing was loaded; all is read again{how}")
    raise AssertionError("unreachable: the last walk returns or raises")


@contextmanager
def prepare(request: LoadRequest, overlap: DuplicateKeyCheck | None = None) -> Iterator[Load]:
    """A load, ready to run; its working folder and connections live as long as the context.

    Raises:
        RestApiError: whatever went wrong in it, told for people.
    """
    resource, secrets = request.resource, Secrets(request.environ)
    client = build_client(request, secrets)
    statistics = Statistics()
    preview_rows = PREVIEW_ROWS if resource.preview else 0
    try:
        with resource_pipeline(
            request.warehouse, plan(request), dataset=request.dataset, log=request.log, preview_rows=preview_rows
        ) as pipeline:
            stored = pipeline.stored_columns()
            schema = table_schema(request, {} if pipeline.plan.recreate_table else stored, pipeline.max_name_length)
            if not pipeline.plan.recreate_table:
                pipeline.check_types(schema.dlt_columns(), stored)
            walk = EndpointReader(
                resource.endpoint,
                client,
                {
                    name: secrets.header(value, f"endpoint.headers.{name}")
                    for name, value in resource.endpoint.headers.items()
                },
                window=request.read_window,
                threads=request.client.max_concurrency,
                has_primary_key=bool(pipeline.plan.primary_key),
                read=schema.read,
            )
            if isinstance(resource.endpoint.paginator, (OffsetConfig, PageNumberConfig)) and pipeline.plan.primary_key:
                seen = overlap or DuplicateKeyCheck(resource.name, request.log)
                pipeline.before_load = lambda: seen.check(count_fetched_keys(pipeline))
            conversion = ArrowConverter(
                walk,
                resource,
                schema=schema,
                schema_if_empty=table_schema(request, stored, pipeline.max_name_length),
                sliced=request.sliced,
                statistics=statistics,
                log=request.log,
            )
            needed = [*pipeline.plan.primary_key, *([pipeline.plan.cursor] if pipeline.plan.cursor else [])]
            dlt_source = build_dlt_source(conversion, name=resource.name, needed=needed)
            yield Load(request, pipeline, dlt_source, statistics, client.counters, stored)
    except (RestApiError, DltException, OSError) as error:
        told = translate_error(error, dataset=request.dataset, table=resource.name)
        known = client.auth.secret_values() if client.auth else ()
        raise type(told)(redactor(known)(str(told))) from None
    finally:
        client.close()


def run(load: Load) -> LoadInfo:
    return load.pipeline.run(load.source, loader_file_format=LOADER_FILE_FORMAT)


def plan(request: LoadRequest) -> Plan:
    resource, incremental = request.resource, request.resource.endpoint.incremental
    path = incremental.cursor_path if incremental else None
    # What is appended may hold a key twice, in a full refresh too.
    key = () if resource.write_disposition == "append" else resource.primary_key
    return Plan(
        table=resource.name,
        mode=request.mode,
        primary_key=tuple(column_name(field) for field in key),
        cursor=column_name(path.replace(".", "__")) if path else None,
        cursor_format=incremental.format if incremental else "iso8601",
        window=request.read_window,
        recreate_table=request.full_refresh,
    )


def table_schema(request: LoadRequest, stored: Mapping[str, ColumnType], max_name_length: int) -> TableSchema:
    resource = request.resource
    return TableSchema(
        columns=declared_columns(resource),
        primary_key=resource.primary_key,
        null_key=resource.null_key,
        on_type_change=resource.schema_contract.data_type,
        stored=stored,
        max_name_length=max_name_length,
    )


def declared_columns(resource: ResolvedResource) -> Mapping[str, Column]:
    """The columns that the YAML declares, and a cursor written by a pattern as the time that it means.

    As text such as `01.10.2026` it would not order as time does, and SQL could not tell the newer of two rows.
    """
    incremental = resource.endpoint.incremental
    if incremental is None or incremental.cursor_path is None or incremental.format in FORMAT_UNITS:
        return resource.columns
    cursor = incremental.cursor_path.replace(".", "__")
    if column_name(cursor) in map(column_name, resource.columns):
        return resource.columns
    return {**resource.columns, cursor: Column(data_type="timestamp", format=incremental.format)}


def build_client(request: LoadRequest, secrets: Secrets) -> HttpClient:
    """The API's client, with the credentials that are set now."""
    config = request.client
    select_auth(config, secrets, request.api)  # before the URL: what it misses is the longer list
    client = HttpClient(
        secrets.require(config.base_url, "client.base_url"),
        headers={name: secrets.header(value, f"client.headers.{name}") for name, value in config.headers.items()},
        error_handler=request.resource.endpoint.error_handler,
        connect_timeout=config.connect_timeout,
        read_timeout=config.read_timeout,
        max_requests_per_second=config.max_requests_per_second,
        max_page_bytes=config.max_page_bytes,
        allow_insecure_http=config.allow_insecure_http,
    )
    client.auth = build_authenticator(
        config,
        api=request.api,
        secrets=secrets,
        store=build_token_store(request.environ, request.token_dir or request.warehouse.state_dir),
        post_form=client.post_form,
    )
    return client
