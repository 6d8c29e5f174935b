"""What a load is asked to do, and what it did."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from analytics_assets.rest_api.arrow.statistics import Statistics
from analytics_assets.rest_api.arrow.window_filter import PartitionCounter
from analytics_assets.rest_api.auth.secret_reader import SecretReader
from analytics_assets.rest_api.config import Client, ResolvedResource
from analytics_assets.rest_api.destination.plan import Mode
from analytics_assets.rest_api.destination.table_report import TableReport
from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.http.metrics import RequestMetrics
from analytics_assets.rest_api.load.findings import Findings
from analytics_assets.rest_api.redaction import redacted_url
from analytics_assets.rest_api.windows import Window


@dataclass(frozen=True)
class LoadRequest:
    """What to load, from where and into which table.

    Attributes:
        api: Name of the API; its credentials' variables begin with it.
        client: Base URL, authentication and rate limits.
        resource: The endpoint and its table, with defaults applied.
        warehouse: The destination.
        dataset: The schema that the table is in.
        environ: Where variables and secrets are read from, such as `os.environ`.
        window: Time range to load; None reads the whole resource.
        partition_bounds: The start of each partition that the load covers, in order, and the end of the last one. The
            result then has the rows of each.
        full_refresh: Whether to read all history and create the table anew.
        use_slices: Whether the window may be split into time slices that are read in parallel.
        now: The time at which the load begins, for requests that contain it.
        token_dir: Folder of the token store; by default the warehouse's state folder.
        log: Receives progress, retries and warnings.
    """

    api: str
    client: Client
    resource: ResolvedResource
    warehouse: Warehouse
    dataset: str
    environ: Mapping[str, str]
    window: Window | None = None
    partition_bounds: Sequence[datetime] = ()
    full_refresh: bool = False
    use_slices: bool = True
    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    token_dir: Path | None = None
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("analytics_assets"))

    @property
    def name(self) -> str:
        """The resource as log lines begin: `recruiting/users`."""
        return f"{self.api}/{self.resource.name}"

    @property
    def mode(self) -> Mode:
        """How rows are written: a full refresh always replaces the table."""
        return "replace" if self.full_refresh else self.resource.write_disposition

    @property
    def read_window(self) -> Window | None:
        """The window with the lookback: the time range that is requested from the API."""
        incremental = self.resource.endpoint.incremental
        if self.window is None or incremental is None or incremental.from_parent:
            return None
        return self.window.with_lookback(incremental.lookback)

    @property
    def parents_window(self) -> Window | None:
        """The time range, with the lookback, in which the parents changed whose rows are requested; None for all."""
        incremental = self.resource.endpoint.incremental
        if self.window is None or incremental is None or not incremental.from_parent:
            return None
        return self.window.with_lookback(incremental.lookback)


@dataclass(frozen=True)
class LoadResult:
    """What a load did.

    Attributes:
        request: The request; `use_slices` is False if the slices were given up.
        table: The table after the load: name, columns, number of rows, preview.
        statistics: Rows and pages read, rows discarded, columns that changed.
        metrics: Requests, retries, bytes and seconds of the API.
        new_columns: Columns that the table did not have before, sorted.
        partitions: The rows of each partition; None if the request names no bounds, or rows have no cursor.
        fields: The field of each column that a record had, by the column's name.
        load_id: The `_dlt_load_id` of the rows; None if nothing was written.
        findings: What asset checks evaluate.
    """

    request: LoadRequest
    table: TableReport
    statistics: Statistics
    metrics: RequestMetrics
    new_columns: tuple[str, ...]
    partitions: PartitionCounter | None
    fields: Mapping[str, str]
    load_id: str | None
    findings: Findings

    @property
    def rows(self) -> int:
        """Number of rows written to the table."""
        return self.statistics.rows

    @property
    def mode(self) -> Mode:
        return self.request.mode

    @property
    def window(self) -> Window | None:
        return self.request.window

    @property
    def url(self) -> str:
        """The URL of the endpoint, without query."""
        client, endpoint = self.request.client, self.request.resource.endpoint
        base_url = SecretReader(self.request.environ).require(client.base_url, "client.base_url")
        return redacted_url(f"{base_url.rstrip('/')}/{endpoint.path.lstrip('/')}")
