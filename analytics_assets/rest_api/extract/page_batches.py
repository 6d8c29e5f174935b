"""Batches of pages: the records of small pages are handed on together."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from analytics_assets.rest_api.extract.children.bindings import Origins
from analytics_assets.rest_api.extract.records import PageRecords, concat_records
from analytics_assets.rest_api.windows import Window

# Handing a batch to the next thread costs as much as decoding some hundred rows.
MIN_BATCH_ROWS = 1_000
MIN_BATCH_BYTES = 1_000_000
MAX_BATCH_SECONDS = 1.0


@dataclass(frozen=True)
class PageBatch:
    """Records of one or more pages.

    Attributes:
        records: The records.
        window: The window or slice that was requested: rows outside of it are discarded.
        bytes: Length of the pages.
        origins: The reads that the records come from, if there are many reads.
    """

    records: PageRecords
    window: Window | None
    bytes: int
    origins: Origins = ()


def coalesce_pages(pages: Iterable[PageBatch]) -> Iterator[PageBatch]:
    """The records of small pages together, by window: handing a page to another thread costs more than reading it."""
    waiting: dict[Window | None, PageBatch] = {}
    began = time.monotonic()
    for page in pages:
        if before := waiting.pop(page.window, None):
            together = concat_records(before.records, page.records)
            if together is None:
                yield before
            else:
                page = PageBatch(together, page.window, before.bytes + page.bytes, before.origins + page.origins)
        enough = len(page.records) >= MIN_BATCH_ROWS or page.bytes >= MIN_BATCH_BYTES
        if enough or time.monotonic() > began + MAX_BATCH_SECONDS:
            yield page
            began = time.monotonic()
        else:
            waiting[page.window] = page
    yield from waiting.values()
