"""One resource as a dlt source: its pages are walked, converted to Arrow and cut to the window."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltSource

from analytics_assets.rest_api.client import HttpClient, describe
from analytics_assets.rest_api.config import ResolvedResource
from analytics_assets.rest_api.errors import DataError, ResponseError
from analytics_assets.rest_api.pages import Selector
from analytics_assets.rest_api.pagination import Answer, ExpectedRows, Request, paginator
from analytics_assets.rest_api.table_schema import TableSchema
from analytics_assets.rest_api.windows import Window, inside, moments, window_params

BATCH_ROWS = 20_000
PROGRESS_SECONDS = 5.0


@dataclass
class Statistics:
    """What a walk saw. `rows` are those handed to the table; the others say where the rest went."""

    rows: int = 0
    rows_outside_window: int = 0
    rows_without_key: int = 0
    pages: int = 0
    new_columns: list[str] = field(default_factory=list)
    changed_columns: dict[str, list[str]] = field(default_factory=dict)

    @property
    def fetched(self) -> int:
        return self.rows + self.rows_outside_window + self.rows_without_key

    @property
    def filter_ignored(self) -> bool:
        """Whether most rows were not of the window: the API does not filter as the configuration says."""
        return self.rows_outside_window > self.rows


class Progress:
    """A line in the log every few seconds, so that a person sees that a long walk goes on."""

    def __init__(self, log: logging.Logger, name: str, statistics: Statistics) -> None:
        self._log, self._name, self._statistics = log, name, statistics
        self._began = self._last = time.monotonic()

    def tick(self, rows: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._last < PROGRESS_SECONDS:
            return
        self._last = now
        share = f", {min(rows / total, 1):.0%} of {total}" if total else ""
        rate = rows / (now - self._began)
        self._log.info(f"{self._name}: {rows} rows in {self._statistics.pages} pages, {rate:.0f} rows/s{share}")


class Walk:
    """Walks one resource once."""

    def __init__(
        self,
        resource: ResolvedResource,
        *,
        client: HttpClient,
        headers: Mapping[str, str],
        window: Window | None,
        schema: TableSchema,
        schema_if_empty: TableSchema,
        statistics: Statistics,
        log: logging.Logger,
    ) -> None:
        self._resource = resource
        self._client = client
        self._headers = headers
        self._window = window
        self.schema = schema
        self._schema_if_empty = schema_if_empty
        self._cursors_seen = 0
        self._statistics = statistics
        self._log = log
        self._selector = Selector(
            resource.endpoint.data_selector, allow_missing=resource.endpoint.allow_missing_selector
        )
        self._expected = ExpectedRows(resource.endpoint.paginator)
        self._progress = Progress(log, resource.name, statistics)

    def tables(self) -> Iterator[pa.Table]:
        """Arrow tables of about BATCH_ROWS rows, all of one growing schema; at least one, which may be empty."""
        batch: list[pa.Table] = []
        for records in self._pages():
            batch.append(self._convert(records))  # by page: twice as fast as many rows' objects at once
            if sum(table.num_rows for table in batch) >= BATCH_ROWS:
                yield self.schema.concat(batch)
                batch = []
        self._check_cursor()
        if self._statistics.filter_ignored:
            self._log.warning(
                f"{self._resource.name}: {self._statistics.rows_outside_window} of {self._statistics.fetched} rows "
                "were not of the window and were left out: does the API ignore the parameters of `incremental`?"
            )
        if not self._statistics.fetched:
            self.schema = self._schema_if_empty
        yield self.schema.concat(batch)
        self._statistics.new_columns = sorted(self.schema.new_columns)
        self._statistics.changed_columns = {name: sorted(to) for name, to in self.schema.changed.items()}

    def _pages(self) -> Iterator[list[dict[str, Any]]]:
        endpoint, statistics = self._resource.endpoint, self._statistics
        params = window_params(endpoint.params, endpoint.incremental, self._window)
        pages = paginator(endpoint.paginator)
        url = self._client.url(endpoint.path)
        request: Request | None = pages.first()
        previous = b""
        while request is not None:
            url = self._client.link(request.link, found_at=url) if request.link else url
            response = self._client.get(url, {} if request.link else {**params, **request.params}, self._headers)
            if statistics.pages and pages.ends_on(response.status):
                break
            statistics.pages += 1
            where = f"{describe(url)}, page {statistics.pages}"
            if not 200 <= response.status < 300:
                raise ResponseError(f"{where}: the API answered {response.status}. {advice(response.status)}")
            try:
                page = self._selector.page(response.body)
                answer = Answer(len(page.records), page.envelope, response.headers)
                self._expected.add(answer)
                request = None if self._expected.reached else pages.next(answer)
            except ResponseError as error:
                raise ResponseError(f"{where}: {error}") from None
            if page.records and response.body == previous and self._resource.primary_key:
                raise ResponseError(f"{where}: the same page came twice: the API does not page as `paginator` says")
            previous = response.body
            yield page.records
            self._progress.tick(self._expected.seen, self._expected.total or pages.total_rows)
        self._expected.check()

    def _convert(self, records: list[dict[str, Any]]) -> pa.Table:
        """Records as a table; without those outside the window, which are counted."""
        incremental, statistics = self._resource.endpoint.incremental, self._statistics
        path = incremental.cursor_path if incremental else None
        if path and "." in path:
            records = [{**record, path.replace(".", "__"): dig(record, path)} for record in records]
        table = self.schema.convert(records)
        statistics.rows_without_key += len(records) - table.num_rows
        if incremental and path:
            table = self._cut(table, self.schema.column_for(path.replace(".", "__")), incremental.format)
        statistics.rows += table.num_rows
        return table

    def _cut(self, table: pa.Table, cursor: str, format: str) -> pa.Table:
        if not table.num_rows or cursor not in table.column_names:
            return table
        column = table.column(cursor)
        self._cursors_seen += len(column) - column.null_count
        if column.null_count and self._resource.write_disposition == "append":
            raise DataError(f"{column.null_count} records have no {cursor!r}: they cannot be placed in a window")
        times = moments(column, format, name=cursor)
        if self._window is None:
            return table
        kept = table.filter(inside(times, self._window))
        self._statistics.rows_outside_window += table.num_rows - kept.num_rows
        return kept

    def _check_cursor(self) -> None:
        """A cursor that no row has is a mistake in the configuration: windows would hold whatever came."""
        incremental = self._resource.endpoint.incremental
        if incremental and incremental.cursor_path and self._statistics.fetched and not self._cursors_seen:
            raise DataError(
                f"no record has the field {incremental.cursor_path!r} that `incremental.cursor_path` names; "
                f"the columns are {', '.join(self.schema.dlt_columns())}"
            )


def dig(record: Mapping[str, Any], path: str) -> Any:
    value: Any = record
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def advice(status: int) -> str:
    """What to look at for a status that stayed."""
    if status == 404:
        return "Check `base_url` and `endpoint.path`."
    if status in (401, 403):
        return "The credentials are not allowed to read this: check their scope."
    if status == 429:
        return "Its rate limit held on: set `client.max_requests_per_second` lower, or `max_retries` higher."
    if status >= 500:
        return "The API itself failed: run again later."
    return "Check `endpoint.params` and the paginator's parameters."


def source(walk: Walk, *, name: str, needed: Collection[str]) -> DltSource:
    """A dlt source with one resource of that name, whose columns are declared as they become known.

    `needed` are the columns without which a load cannot say what to do: an empty table that lacks one is left out.
    """

    def read() -> Iterator[Any]:
        declared = 0
        for table in walk.tables():
            if not table.num_rows and not set(needed) <= set(table.column_names):
                continue
            if table.num_columns == declared:
                yield table
            else:
                declared = table.num_columns
                yield dlt.mark.with_hints(table, dlt.mark.make_hints(columns=walk.schema.dlt_columns()))

    resource = dlt.resource(read, name=name, columns=walk.schema.dlt_columns(), write_disposition="append")
    return DltSource(dlt.Schema(name), "rest_api", [resource])
