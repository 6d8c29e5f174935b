"""Reads an endpoint once for each binding, many at a time: for each row of a parent, and each value of `for_each`."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from analytics_assets.rest_api.errors import DriftError
from analytics_assets.rest_api.extract.children.bindings import Binding, ParentCounts
from analytics_assets.rest_api.extract.concurrency import parallel_map
from analytics_assets.rest_api.extract.masking import Masking
from analytics_assets.rest_api.extract.page_batches import PageBatch, coalesce_pages
from analytics_assets.rest_api.extract.pagination.proof import Completeness
from analytics_assets.rest_api.extract.read_progress import ReadProgress
from analytics_assets.rest_api.extract.reader import EndpointReader
from analytics_assets.rest_api.windows import Window

MAX_READ_ATTEMPTS = 3  # if rows move between pages: of one of the reads, and of a load as a whole
MAX_BUFFERED_ROWS = 5_000  # of one read, until it is known to be complete


@dataclass
class _Tally:
    """The reads of one parent so far."""

    reads: int = 0
    rows: int = 0
    ignored: int = 0


@dataclass
class ParallelReads:
    """All reads of one endpoint.

    Attributes:
        bindings: Yields the values of each read.
        count: The number of reads.
        reads_per_parent: How many successive reads belong to one parent.
        build_reader: Builds the reader of one binding, which may use that many threads.
        threads: Requests at once.
        unit: What `counts` counts, in the singular.
        window: The time range to request for each; None for all rows.
        masking: Drops and hashes fields of the records before they are read.
        name: The resource, as log lines begin.
        log: Receives a warning for reads that were ignored.
        counts: Counts of the parents that are done.
        pages: Pages that were read.
        rows: Rows that were read.
        reads: The number of reads that are done.
        ignored: The number of ignored reads, by the status of their response.
        parts: What proves that the reads are complete, all together.
    """

    bindings: Iterable[Binding]
    count: int
    reads_per_parent: int
    build_reader: Callable[[int, Binding], EndpointReader]
    threads: int = 1
    unit: str = "parent"
    window: Window | None = None
    masking: Masking | None = None
    name: str = ""
    log: logging.Logger = field(default_factory=lambda: logging.getLogger(__name__))
    counts: ParentCounts = field(default_factory=ParentCounts)
    pages: int = field(default=0, init=False)
    rows: int = field(default=0, init=False)
    reads: int = field(default=0, init=False)
    ignored: Counter[int] = field(default_factory=Counter, init=False)
    parts: list[Completeness] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, _Tally] = {}  # parents with some of their reads done

    @property
    def progress(self) -> ReadProgress | None:
        """How many parents are done; how many reads without a parent."""
        total = self.count // self.reads_per_parent
        return ReadProgress(self.counts.read, total, self.unit) if total else None

    def read_pages(self) -> Iterator[PageBatch]:
        """The records of all reads, in any order, in batches.

        Raises:
            ResponseError: A response is not as the configuration describes it, or rows are missing.
            DriftError: Rows were added, removed or moved during a read, in each of several attempts.
        """
        yield from parallel_map(self._read_all, iter(self.bindings), self.threads)

    def _read_all(self, bindings: Iterator[Binding]) -> Iterator[PageBatch]:
        return coalesce_pages(page for binding in bindings for page in self._read(binding))

    def _read(self, binding: Binding) -> Iterator[PageBatch]:
        """The pages of one read. A short read is repeated alone if rows moved while it was read."""
        threads = max(1, self.threads // self.count)
        for attempt in range(1, MAX_READ_ATTEMPTS + 1):
            reader = self.build_reader(threads if attempt == 1 else 1, binding)
            buffered: list[PageBatch] | None = []
            try:
                for page in reader.read_batches():
                    batch = replace(page, origins=((binding, len(page.records)),))
                    if buffered is None:
                        yield batch
                    elif reader.rows <= MAX_BUFFERED_ROWS:
                        buffered.append(batch)
                    else:
                        yield from (*buffered, batch)
                        buffered = None
            except DriftError:
                self._count_pages(reader)
                if buffered is None or attempt == MAX_READ_ATTEMPTS:
                    raise
            else:
                self._count_pages(reader)
                self._count(binding, reader)
                yield from buffered or ()
                return

    def _count_pages(self, reader: EndpointReader) -> None:
        with self._lock:
            self.pages += reader.pages

    def _count(self, binding: Binding, reader: EndpointReader) -> None:
        with self._lock:
            self.rows += reader.rows
            self.reads += 1
            self.ignored += reader.ignored
            combined = Completeness.combined([*self.parts, *reader.parts])
            self.parts = [combined] if combined else []
            tally = self._open.setdefault(binding.parent, _Tally())
            tally.reads += 1
            tally.rows += reader.rows
            tally.ignored += bool(reader.ignored)
            if tally.reads == self.reads_per_parent:
                del self._open[binding.parent]
                self.counts.read += 1
                self.counts.without_rows += not tally.rows
                self.counts.ignored += tally.ignored == tally.reads
