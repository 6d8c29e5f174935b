"""Completeness: what proves that a read has all rows, and what contradicts it.

One place decides what a total proves. A read ends on proof, or it fails: totals that the configuration names, and
hints of more rows that it does not name, are compared with the rows and pages that were read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from analytics_assets.rest_api import config
from analytics_assets.rest_api.errors import IncompleteReadError, TotalMismatchError
from analytics_assets.rest_api.extract.envelope import Step
from analytics_assets.rest_api.extract.pagination.base import (
    PAGES_SHIFTED_HINT,
    PageResponse,
    Paginator,
    Totals,
    parse_count,
)
from analytics_assets.rest_api.extract.pagination.hints import Hint, find_header_hints, find_hints, normalize_path
from analytics_assets.rest_api.extract.pagination.proof import Completeness, Proof


@dataclass(frozen=True)
class TotalSource:
    """A total that the configuration names: its key, its path or header, and whether it counts pages."""

    key: str
    path: str
    in_header: bool = False
    counts_pages: bool = False

    def read(self, response: PageResponse) -> int:
        """Raises ResponseError if it is not a whole number in the response."""
        if self.in_header:
            return parse_count(response.headers.get(self.path), f"`{self.key}: {self.path}`")
        return response.get_count(self.path, self.key)


def total_source(spec: config.PaginatorConfig) -> TotalSource | None:
    """The total that a paginator's configuration names. At most one counts: rows before pages."""
    if spec.total_rows_path:
        return TotalSource("total_rows_path", spec.total_rows_path)
    if spec.total_rows_header:
        return TotalSource("total_rows_header", spec.total_rows_header, in_header=True)
    path = getattr(spec, "total_path", None)
    return TotalSource("total_path", path, counts_pages=isinstance(spec, config.PageNumberConfig)) if path else None


def is_numbered_to_the_end(spec: config.PaginatorConfig) -> bool:
    """Whether the first page says which pages follow: they are numbered, and there is a total."""
    return isinstance(spec, (config.OffsetConfig, config.PageNumberConfig)) and total_source(spec) is not None


class CompletenessCheck:
    """Counts the rows and pages of one time range, and compares them with what the API says.

    Attributes:
        rows: Rows that were read.
        pages: Pages that were read.
        totals: The totals that the API named last, under the paths that the configuration names.
    """

    def __init__(self, endpoint: config.Endpoint, selector: tuple[Step, ...], *, windowed: bool) -> None:
        self._spec = endpoint.paginator
        self._selector = selector
        self._windowed = windowed
        self._source = total_source(self._spec)
        self._ignored = {normalize_path(path) for path in (*endpoint.ignore_hints, *configured_paths(self._spec))}
        self._promised = 0  # the greatest total: a row that is removed moves others to pages that were read already
        self._found: dict[str, Hint] = {}  # the greatest total by path
        self._last: PageResponse | None = None
        self.totals = Totals()
        self.rows = 0
        self.pages = 0
        self._pages_with_rows = 0

    def record(self, response: PageResponse) -> None:
        """Counts a page. Responses of numbered pages may arrive in any order.

        Raises:
            ResponseError: A total that the configuration names is not in the response.
        """
        self.rows += response.rows
        self.pages += 1
        self._pages_with_rows += bool(response.rows)
        if self._source:
            total = self._source.read(response)
            self.totals = Totals(pages=total) if self._source.counts_pages else Totals(rows=total)
            self._promised = max(self._promised, total)
        if self._last is None:
            self._keep_totals(response)
        if self._last is None or response.position >= self._last.position:
            self._last = response

    @property
    def is_complete(self) -> bool:
        """Whether as many rows were read as the configured total promises."""
        return self.totals.rows is not None and self.rows >= self.totals.rows

    def is_longer_than(self, pages: int) -> bool | None:
        """Whether there are rows for more pages like the first one; None if no total says so after that page."""
        totals = [hint.total for hint in self._totals() if hint.kind != "pages"]
        if self._source and not self._source.counts_pages:
            totals = [self._promised]
        total = max(totals, default=0)
        return total > pages * self.rows if total > self.rows else None  # some APIs count the rows of the page

    def _completeness(self, paginator: Paginator) -> Completeness:
        rows = self.rows + paginator.skipped
        named = [hint.total for hint in self._totals() if hint.kind != "pages" and hint.total == rows]
        if self._source and not self._source.counts_pages:
            named = [self._promised]
        proof: Proof = "none"
        if self._source:
            proof = "total"
        elif paginator.end_is_proven:
            proof = "end"
        elif named:
            proof = "total"
        elif paginator.is_numbered:
            proof = "empty page"
        elif not self._last_page_is_full():
            proof = "last page"
        return Completeness(proof, rows=self.rows, promised_rows=max(named, default=None))

    def _last_page_is_full(self) -> bool:
        limit = getattr(self._spec, "limit", None)
        return bool(limit and self._last and self._last.rows >= limit)

    def check(self, paginator: Paginator, warn: Callable[[str], None]) -> Completeness:
        """Compares the read with all that the API says about its rows, once the paginator has ended.

        Args:
            paginator: The paginator that ended the read.
            warn: Takes a sentence about a total that contradicts a proven end.

        Returns:
            What proves that all rows were read.

        Raises:
            TotalMismatchError: Rows or pages differ from a total. The read may be repeated.
            IncompleteReadError: The API says that more pages follow. A repeated read ends the same way.
        """
        if paginator.is_bounded:
            return Completeness("bound", rows=self.rows)
        self._check_configured_total(paginator)
        last = self._keep_totals(self._last) if self._last else []
        totals = [hint for hint in self._totals() if self._exceeds(hint, paginator)]
        following = [] if any(_says_end(hint) for hint in last) else [hint for hint in last if hint.more]
        if following:
            raise IncompleteReadError(self._incomplete([*following, *totals], paginator))
        if totals and self._windowed and paginator.end_is_proven:
            warn(
                f"{_listed(totals)}, but {_counted(self.rows, 'row')} of the window were read, and the API says that "
                "no page follows: the total does not count the window. `endpoint.ignore_hints` names such totals"
            )
        elif totals:
            total = max(totals, key=lambda hint: hint.total)
            read = self.pages if total.kind == "pages" else self.rows
            raise TotalMismatchError(self._incomplete(totals, paginator), promised=total.total, received=read)
        self._check_continuation(last, paginator)
        return self._completeness(paginator)

    def _check_configured_total(self, paginator: Paginator) -> None:
        source, promised = self._source, self._promised
        if source is None:
            return
        read = self.pages if source.counts_pages else self.rows
        unit = "page" if source.counts_pages else "row"
        too_many = paginator.is_numbered and not source.counts_pages and read > promised
        if read + paginator.skipped >= promised and not too_many:
            return
        problem = f"the API promised {_counted(promised, unit)} (`{source.path}`) and sent {read}"
        if source.counts_pages and promised == self.rows:
            raise TotalMismatchError(
                f"{problem}. `{source.path}` equals the number of rows: `total_path` of page_number counts pages; "
                f"write `total_rows_path: {source.path}` for a number of rows",
                promised=promised,
                received=read,
            )
        raise TotalMismatchError(f"{problem}: {PAGES_SHIFTED_HINT}", promised=promised, received=read)

    def _keep_totals(self, response: PageResponse) -> list[Hint]:
        """Keeps the totals of a response; returns its other hints.

        Only the first and the last response are searched, which costs 40 us each: a total that rises or falls during
        the read is greatest in one of them.
        """
        hints = (*find_hints(response.envelope, self._selector), *find_header_hints(response.headers))
        others = []
        for hint in hints:
            if normalize_path(hint.path) in self._ignored:
                continue
            if not hint.is_total:
                others.append(hint)
            elif hint.path not in self._found or self._found[hint.path].total < hint.total:
                self._found[hint.path] = hint
        return others

    def _totals(self) -> list[Hint]:
        """The greatest totals. A total of the filtered rows stands for those of all rows."""
        found = list(self._found.values())
        if any(hint.kind == "filtered_rows" for hint in found):
            found = [hint for hint in found if hint.kind != "rows"]
        return found

    def _exceeds(self, hint: Hint, paginator: Paginator) -> bool:
        if hint.kind == "pages":
            return not paginator.skipped and hint.total > max(self._pages_with_rows, 1)
        return hint.total > self.rows + paginator.skipped

    def _check_continuation(self, last: list[Hint], paginator: Paginator) -> None:
        """Raise if no response has the configured path, but a hint names a next page: the path is misspelled."""
        key = paginator.continuation_key
        shown = [hint for hint in last if hint.kind == "next"]
        if key and shown and self.rows and not paginator.continuation_was_found:
            raise IncompleteReadError(
                f"no response has {key}, and the API names its next page {_paths(shown)}: correct the paginator, or "
                f"list {_paths(shown)} in `endpoint.ignore_hints`"
            )

    def _incomplete(self, hints: list[Hint], paginator: Paginator) -> str:
        read = f"{_counted(self.rows, 'row')} in {_counted(self.pages, 'page')}"
        return (
            f"the API has more rows than the {read} that were read: {_listed(hints)}. {paginator.correction}; or, if "
            f"that means something else, list it under `endpoint.ignore_hints: [{', '.join(h.path for h in hints)}]`"
        )


def configured_paths(spec: config.PaginatorConfig) -> Iterator[str]:
    """The paths and headers that the paginator itself reads, which are therefore not hints."""
    for key in ("total_rows_path", "total_rows_header", "total_path", "has_more_path", "cursor_path", "next_url_path"):
        if path := getattr(spec, key, None):
            yield path
    if isinstance(spec, config.CursorConfig) and spec.stop_condition:
        yield spec.stop_condition.path
    if isinstance(spec, config.HeaderCursorConfig):
        yield spec.cursor_key
    if isinstance(spec, config.HeaderLinkConfig) and spec.links_next_key.lower() == "next":
        yield "Link"


def _says_end(hint: Hint) -> bool:
    return hint.kind in ("has_more", "is_last") and not hint.more


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _paths(hints: list[Hint]) -> str:
    return ", ".join(f"`{hint.path}`" for hint in hints)


def _listed(hints: list[Hint]) -> str:
    return ", ".join(map(str, hints))
