"""Batches of pages: the records of small pages are handed on together."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby

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


def coalesce_pages(
    pages: Iterable[PageBatch], *, rows: int | None = None, size: int = MIN_BATCH_BYTES
) -> Iterator[PageBatch]:
    """The records of small pages together, by window: handing a page to another thread costs more than reading it.

    Args:
        pages: The pages.
        rows: The number of rows after which all batches are handed on; by default MIN_BATCH_ROWS.
        size: The bytes of pages after which they are.
    """
    waiting: dict[Window | None, list[PageBatch]] = {}
    waiting_rows = waiting_bytes = 0
    began = time.monotonic()
    for page in pages:
        waiting.setdefault(page.window, []).append(page)
        waiting_rows, waiting_bytes = waiting_rows + len(page.records), waiting_bytes + page.bytes
        # Dicts need much more memory than the bytes that they were decoded from.
        enough = MIN_BATCH_ROWS if rows is None or isinstance(page.records, list) else rows
        if waiting_rows >= enough or waiting_bytes >= size or time.monotonic() > began + MAX_BATCH_SECONDS:
            yield from _together(waiting)
            waiting, waiting_rows, waiting_bytes, began = {}, 0, 0, time.monotonic()
    yield from _together(waiting)


def _together(waiting: Mapping[Window | None, Sequence[PageBatch]]) -> Iterator[PageBatch]:
    """One batch for the pages of each window, or several if their records were decoded differently."""
    for window, pages in waiting.items():
        for _, group in groupby(pages, lambda page: id(getattr(page.records, "fields", None))):
            alike = list(group)
            if len(alike) == 1:
                yield alike[0]
                continue
            yield PageBatch(
                concat_records([page.records for page in alike]),
                window,
                sum(page.bytes for page in alike),
                tuple(chain.from_iterable(page.origins for page in alike)),
            )
