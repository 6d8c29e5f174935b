"""The command `plan`: what a backfill costs, from a few windows that are measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from analytics_assets.cli.rows import about
from analytics_assets.cli.target import Failure, Target, find_target, requests_of, sandbox_line
from analytics_assets.cli.time_range import partition_range, utc_now
from analytics_assets.components.asset_plan import AssetPlan
from analytics_assets.components.partitions import Chunk, remaining_chunks
from analytics_assets.rest_api.config import ResolvedResource
from analytics_assets.rest_api.errors import RestApiError
from analytics_assets.rest_api.load.log import counted
from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets.rest_api.probe.measure import Measure, count_reads, measure
from analytics_assets.rest_api.probe.steps.estimate import page_count, read_seconds
from analytics_assets.rest_api.windows import Window

LOAD_SECONDS, PARTITION_SECONDS = 0.3, 0.02  # of Dagster, dlt and the database, besides the rows


def run_plan(name: str, *, start: str | None, end: str | None) -> None:
    """Print what loading a range costs. Exits with 1 if a window cannot be read."""
    target = find_target(name)
    ranges = {}
    for plan in target.plans:
        if plan.partitions_def:
            ranges[plan.resource.name] = partition_range(plan.partitions_def, start, end, now=utc_now())
    requests, sandbox = requests_of(target)
    console = Console(soft_wrap=True, highlight=False)
    if sandbox:
        console.print(escape(sandbox_line(target)), style="yellow")
    seconds = 0.0
    for plan, request in zip(target.plans, requests, strict=True):
        found = ranges.get(plan.resource.name)
        try:
            seconds += _print(console, target, plan, request, found.keys if found else ())
        except RestApiError as error:
            raise Failure(f"{plan.name}: {error}") from None
        if found and found.note:
            console.print(f"  note          {escape(found.note)}")
    if len(requests) > 1:
        console.print(f"together {about(seconds)}, if the resources are loaded one after the other")


def _print(console: Console, target: Target, plan: AssetPlan, request: LoadRequest, keys: Sequence[str]) -> float:
    """Measure one resource and print its costs; returns the estimated seconds."""
    chunks = (
        remaining_chunks(plan.partitions_def, keys, set(), size=plan.chunk_size) if plan.partitions_def else [Chunk()]
    )
    resources = [each.resource for each in target.api.plans]
    samples, measures = _measure(request, resources, chunks)
    page_rows = max(found.page_rows for found in measures)  # narrow windows do not fill a page
    if not all(found.is_exact for found in measures) and len(keys) > len(chunks) and plan.partitions_def:
        partitions = remaining_chunks(plan.partitions_def, keys, set(), size=1)
        samples, measures = _measure(request, resources, partitions)
    each_partition = sum(found.rows for found in measures) / max(
        sum(len(chunk.partitions) or 1 for chunk in samples), 1
    )
    rows = round(each_partition * max(len(keys), 1))
    endpoint, client = plan.resource.endpoint, plan.client
    requests = sum(
        page_count(endpoint, math.ceil(each_partition * (len(chunk.partitions) or 1)), page_rows) for chunk in chunks
    )
    reads = count_reads(request, resources)
    rows, requests = rows * reads.count, requests * reads.count
    seconds = read_seconds(client, endpoint, requests, max(found.seconds for found in measures), reads=reads.count)
    seconds += LOAD_SECONDS * len(chunks) + PARTITION_SECONDS * len(keys)
    is_exact = reads.is_exact and all(found.is_exact for found in measures)
    console.print(f"[bold]{plan.name}[/bold]")
    if keys:
        runs = math.ceil(len(keys) / plan.partitions_per_run) if plan.partitions_per_run else 1
        loads = f"{counted(len(chunks), 'load')} of up to {counted(plan.chunk_size, 'partition')}"
        span = f"{counted(len(keys), 'partition')} ({keys[0]} to {keys[-1]})"
        console.print(f"  partitions    {span}, {loads}, {counted(runs, 'run')} of a backfill")
    else:
        console.print("  partitions    none: each load reads all rows, whatever the range is")
    least = "" if is_exact else "at least "
    each = f" in {counted(reads.count, 'read')}, all like the measured one" if reads.count > 1 else ""
    console.print(f"  estimated     {least}{counted(rows, 'row')}, {counted(requests, 'request')}{each}")
    console.print(f"  time          {least}{about(seconds)}")
    console.print(f"  measured      {_measured(samples, measures, page_rows)}")
    return seconds


def _measure(
    request: LoadRequest, resources: Sequence[ResolvedResource], chunks: Sequence[Chunk]
) -> tuple[list[Chunk], list[Measure]]:
    """Measure the first, the middle and the last chunk."""
    samples = [chunks[number] for number in sorted({0, len(chunks) // 2, len(chunks) - 1})]
    return samples, [measure(request, resources, _window(request, chunk)) for chunk in samples]


def _window(request: LoadRequest, chunk: Chunk) -> Window | None:
    if chunk.window is None or request.resource.endpoint.incremental is None:
        return None
    return None if request.resource.endpoint.incremental.from_parent else chunk.window


def _measured(samples: Sequence[Chunk], measures: Sequence[Measure], page_rows: int) -> str:
    """What was measured, and how."""
    windows = [str(chunk.window) if chunk.window else "all rows" for chunk in samples]
    texts = [
        f"{window}: {'' if found.is_exact else 'at least '}{counted(found.rows, 'row')}"
        f"{' (total of the API)' if found.has_total else ''}"
        for window, found in zip(windows, measures, strict=True)
    ]
    milliseconds = max(found.seconds for found in measures) * 1000
    return f"{'; '.join(texts)}; pages of up to {page_rows} rows, {milliseconds:.0f} ms per request"
