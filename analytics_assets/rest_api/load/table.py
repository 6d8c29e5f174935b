"""One load: one resource, one window, one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pyarrow as pa
from dlt.common.exceptions import DltException

from analytics_assets.rest_api.arrow.column_names import RESERVED, column_name
from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.arrow.converter import ArrowConverter
from analytics_assets.rest_api.arrow.cursor import Cursor
from analytics_assets.rest_api.arrow.statistics import Statistics
from analytics_assets.rest_api.arrow.table_columns import READ_NUMBER
from analytics_assets.rest_api.arrow.table_schema import TableSchema
from analytics_assets.rest_api.arrow.window_filter import PartitionCounter
from analytics_assets.rest_api.config import OffsetConfig, PageNumberConfig
from analytics_assets.rest_api.destination.duplicate_keys import DuplicateKeyCheck
from analytics_assets.rest_api.destination.error_translation import translate_error
from analytics_assets.rest_api.destination.parents.bindings import LoadBindings
from analytics_assets.rest_api.destination.pipeline import TablePipeline, table_pipeline
from analytics_assets.rest_api.destination.plan import Plan
from analytics_assets.rest_api.destination.table_report import PREVIEW_ROWS
from analytics_assets.rest_api.errors import DriftError, RestApiError, SliceError, TotalMismatchError, WarehouseError
from analytics_assets.rest_api.extract.children.parallel_reads import MAX_READ_ATTEMPTS, ParallelReads
from analytics_assets.rest_api.extract.ignored_reads import check_ignored_reads
from analytics_assets.rest_api.extract.masking import excluded_columns_warning, skippable_fields
from analytics_assets.rest_api.extract.read_progress import total_rows
from analytics_assets.rest_api.extract.reader import EndpointReader
from analytics_assets.rest_api.http.metrics import RequestMetrics
from analytics_assets.rest_api.load.children import (
    open_bindings,
    prepare_children,
    read_columns,
    warn_of_overwritten_rows,
)
from analytics_assets.rest_api.load.findings import build_findings
from analytics_assets.rest_api.load.log import NamedLog, ProgressLog, start_text
from analytics_assets.rest_api.load.reader import build_client, build_reader, resolve_request, shared_state_text
from analytics_assets.rest_api.load.request import LoadRequest, LoadResult
from analytics_assets.rest_api.redaction import redactor


@dataclass(frozen=True)
class PreparedLoad:
    """A load that is ready to run, with its temporary folder and connections open."""

    request: LoadRequest
    pipeline: TablePipeline
    bindings: LoadBindings | None
    reader: EndpointReader | ParallelReads
    converter: ArrowConverter
    duplicate_keys: DuplicateKeyCheck | None
    statistics: Statistics
    metrics: RequestMetrics
    stored_columns: Mapping[str, ColumnType]

    def run(self) -> LoadResult:
        """Extract, normalize and load.

        Raises:
            dlt.common.exceptions.DltException: The load failed; `prepare` translates it.
        """
        pipeline, plan, statistics = self.pipeline, self.pipeline.plan, self.statistics
        log, name = self.request.log, self.request.name
        pipeline.extract(
            self.read_tables(),
            columns=lambda: self.converter.schema.dlt_columns(),  # another schema if there are no rows
            required=(*plan.primary_key, *([plan.cursor] if plan.cursor else ())),
        )
        schema = self.converter.schema
        for path in pipeline.files.paths:
            schema.align_file(path)
        key = tuple(map(column_name, self.request.resource.primary_key))
        keys = pipeline.count_keys(key) if key else None
        if self.duplicate_keys and keys:
            self.duplicate_keys.check(pipeline.count_keys((*key, READ_NUMBER)) if self.bindings else keys)
        if self.bindings:
            prepare_children(self.request, self.bindings, pipeline, schema)
        pipeline.normalize()
        load_id = pipeline.load(widen=schema.widened_columns)
        warn_of_overwritten_rows(self.request, pipeline)
        new_columns = pipeline.report.columns.keys() - self.stored_columns.keys() - RESERVED
        statistics.changed_columns = schema.changed_columns(new_columns)
        for column, targets in statistics.changed_columns.items():
            log.warning(f"{name}: the column {column!r} got values of another type: {', '.join(targets)}")
        return LoadResult(
            request=self.request,
            table=pipeline.report,
            statistics=statistics,
            metrics=self.metrics,
            new_columns=tuple(sorted(new_columns)),
            partitions=self.converter.partitions,
            fields=schema.fields,
            load_id=load_id,
            findings=build_findings(
                pipeline,
                stored=self.stored_columns,
                vanished=[name for name in self.stored_columns if statistics.rows and schema.field_of(name) is None],
                keys=keys,
                reads=self.reader.parts,
            ),
        )

    def read_tables(self) -> Iterator[pa.Table]:
        """The rows of the read as Arrow tables. Logs progress, and a warning for each sign of a wrong configuration."""
        request, statistics = self.request, self.statistics
        progress = ProgressLog(NamedLog(request.log, request.name), self.reader)
        yield from self.converter.tables(self.reader.read_pages(), progress.log_if_due)
        statistics.pages, statistics.api_total = self.reader.pages, total_rows(self.reader.progress)
        if isinstance(self.reader, ParallelReads):
            statistics.parents = self.reader.counts
        statistics.ignored_reads = check_ignored_reads(self.reader)
        progress.log_end(statistics, table=f"{request.dataset}.{request.resource.name}")
        if self.reader.masking and statistics.fetched:
            for sentence in self.reader.masking.warnings(request.resource.optional_fields):
                request.log.warning(f"{request.name}: {sentence}")


def load_table(request: LoadRequest) -> LoadResult:
    """Read an endpoint and load its rows into their table, in one transaction.

    Reads again, up to MAX_READ_ATTEMPTS times, if rows moved between pages while they were read.

    Raises:
        RestApiError: The load failed; the table was not changed. The message says what to do, and holds no secret.
    """
    duplicate_keys = DuplicateKeyCheck(request.name, request.log)
    mismatch: tuple[int, int] | None = None
    for attempt in range(1, MAX_READ_ATTEMPTS + 1):
        try:
            with prepare(request, duplicate_keys) as load:
                return load.run()
        except DriftError as error:
            if isinstance(error, TotalMismatchError):
                before, mismatch = mismatch, (error.promised, error.received)
                if before == mismatch:  # moving rows do not end in the same numbers twice
                    raise error.with_message(
                        f"{error}. Two reads gave the same numbers, so no rows moved: the paginator, the total and "
                        "the filter do not belong together"
                    ) from None
            if attempt == MAX_READ_ATTEMPTS:
                raise DriftError(
                    f"{error}. This happened in each of {attempt} attempts. Read when less data changes, in smaller "
                    "windows, or with a cursor paginator if the API has one"
                ) from None
            if isinstance(error, SliceError):
                request = replace(request, use_slices=False)
            how = "" if request.use_slices else ", without slices. `max_concurrency: 1` does this from the start"
            request.log.warning(f"{request.name}: {error}. Nothing was loaded; reading again{how}")
    raise AssertionError("unreachable: the last attempt returns or raises")


@contextmanager
def prepare(request: LoadRequest, duplicate_keys: DuplicateKeyCheck | None = None) -> Iterator[PreparedLoad]:
    """A load that is ready to run; its temporary folder and connections are closed with the context.

    Args:
        request: What to load.
        duplicate_keys: Compares the keys of several attempts; by default a new check.

    Raises:
        RestApiError: The load cannot be prepared, or failed inside the context.
    """
    resource, cursor = request.resource, Cursor.of(request.resource)
    resolved, masking = resolve_request(request)
    client, statistics = build_client(request, resolved), Statistics()
    log = NamedLog(request.log, request.name)
    log.info(start_text(request, client.url(resource.endpoint.path)))
    if text := shared_state_text(request, resolved):
        log.info(text)
    preview_rows = PREVIEW_ROWS if resource.preview else 0
    try:
        with table_pipeline(
            request.warehouse, plan(request), dataset=request.dataset, log=log, preview_rows=preview_rows
        ) as pipeline:
            stored = pipeline.stored_columns()
            bindings = open_bindings(request, pipeline)
            schema = table_schema(request, {} if pipeline.plan.recreate_table else stored, pipeline, bindings)
            if not pipeline.plan.recreate_table:
                check_cursor_type(request, schema, stored)
                pipeline.check_types(schema.dlt_columns(), stored)
                if masking and (names := masking.excluded_columns(stored, column_name)):
                    log.warning(excluded_columns_warning(names))
            reader = build_reader(request, client, resolved, schema, bindings, masking)
            partitions = PartitionCounter(request.partition_bounds) if cursor and request.partition_bounds else None
            if_empty = table_schema(request, stored, pipeline, bindings)
            converter = build_converter(request, schema, if_empty, statistics, partitions)
            # Other paginators keep their place in the data: rows do not move between their pages.
            numbered = isinstance(resource.endpoint.paginator, (OffsetConfig, PageNumberConfig))
            check = duplicate_keys or DuplicateKeyCheck(request.name, request.log)
            used_check = check if numbered and pipeline.plan.primary_key else None
            metrics = client.metrics
            yield PreparedLoad(request, pipeline, bindings, reader, converter, used_check, statistics, metrics, stored)
    except (RestApiError, DltException, OSError) as error:
        translated = translate_error(error, dataset=request.dataset, table=resource.name)
        redact = redactor(client.secret_values())
        raise translated.with_message(redact(str(translated))) from None
    finally:
        client.close()


def plan(request: LoadRequest) -> Plan:
    """What the request does to its table."""
    resource, incremental, cursor = request.resource, request.resource.endpoint.incremental, Cursor.of(request.resource)
    # Appended rows may have the same key, in a full refresh too.
    key = () if resource.write_disposition == "append" else resource.primary_key
    parent = resource.parent if resource.replaces_parents and not request.full_refresh else None
    return Plan(
        table=resource.name,
        mode=request.mode,
        primary_key=tuple(column_name(field) for field in key),
        cursor=column_name(cursor.field) if cursor else None,
        cursor_format=incremental.format if incremental else "iso8601",
        window=request.read_window,
        recreate_table=request.full_refresh,
        read_columns=read_columns(resource),
        parent_key=tuple(column_name(parent.column_field(field)) for field in parent.fields) if parent else (),
    )


def table_schema(
    request: LoadRequest, stored: Mapping[str, ColumnType], pipeline: TablePipeline, bindings: LoadBindings | None
) -> TableSchema:
    """The schema of the request's table as far as it is declared or stored."""
    resource = request.resource
    return TableSchema(
        columns=resource.columns,
        primary_key=resource.primary_key,
        null_key=resource.null_key,
        cursor=Cursor.of(resource),
        on_type_change=resource.schema_contract.data_type,
        stored=stored,
        max_name_length=pipeline.max_name_length,
        bound=bindings.types if bindings else None,
        skipped=skippable_fields(resource),
    )


def build_converter(
    request: LoadRequest,
    schema: TableSchema,
    schema_if_empty: TableSchema,
    statistics: Statistics,
    partitions: PartitionCounter | None,
) -> ArrowConverter:
    """The converter of the request's rows."""
    return ArrowConverter(
        schema,
        schema_if_empty=schema_if_empty,
        cursor=Cursor.of(request.resource),
        window=request.read_window,
        needs_cursor=request.resource.write_disposition == "append",
        statistics=statistics,
        partitions=partitions,
    )


def check_cursor_type(request: LoadRequest, schema: TableSchema, stored: Mapping[str, ColumnType]) -> None:
    """Reject a stored cursor column of another type, such as text, which does not sort by time.

    Raises:
        WarehouseError: The types differ; only a full refresh can change the stored one.
    """
    cursor = Cursor.of(request.resource)
    if cursor is None:
        return
    name = schema.column_for(cursor.field)
    wanted, found = schema.column_type(name), stored.get(name)
    if found and not found.can_store(wanted):
        raise WarehouseError(
            f"the cursor column {name!r} of {request.dataset}.{request.resource.name} is {found} in the warehouse, but "
            f"`incremental.format` and `columns` make it {wanted}. Run the full refresh: it creates the table anew"
        )
