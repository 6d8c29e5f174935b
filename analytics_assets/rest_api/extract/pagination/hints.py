"""Hints that an API has more rows: totals, next-page tokens and has-more flags, by the names that APIs give them.

One table of names. A name is compared in lower case, without `_`, `-`, `@` and `$`: `total_count`, `totalCount` and
`@odata.count` need one entry each. Hints are looked for around the records, never inside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from analytics_assets.rest_api.extract.envelope import MISSING, Envelope, Step
from analytics_assets.rest_api.extract.json_decoding import decode_raw

HintKind = Literal["rows", "filtered_rows", "pages", "next", "has_more", "is_last"]

BODY_NAMES: Mapping[HintKind, str] = {
    "rows": """count itemcount numresults numfound odata.count recordcount recordstotal resultcount rowcount total
    totalcount totalelements totalentries totalhits totalitems totalrecords totalresults totalrows totalsize""",
    "filtered_rows": "filtercount filteredcount recordsfiltered totalfiltered",
    "pages": "lastpage numpages pagecount pages pagetotal totalpages",
    "next": """continuationtoken endcursor nextcursor nextlink nextpage nextpagelink nextpagetoken nextpageurl nexttoken
    nexturl next odata.nextlink""",
    "has_more": "hasmore hasmoreitems hasmorepages hasnext hasnextpage istruncated more moreresults",
    "is_last": "islast islastpage last",
}
HEADER_NAMES: Mapping[HintKind, str] = {
    "rows": "content-range pagination-count total-count x-pagination-total-count x-total x-total-count x-wp-total",
    "pages": "pagination-page-count x-pagination-page-count x-page-count x-total-pages x-wp-totalpages",
    "next": "x-next-cursor x-next-page x-next-page-token x-nextpage",
    "has_more": "x-has-more",
}
# Objects in which APIs put what they say about paging, by the same comparison.
CONTAINERS = frozenset(
    {"cursors", "d", "link", "links", "meta", "metadata", "page", "pageinfo", "paging", "pagination"}
    | {"responsemetadata"}
)
NEXT_RELATIONS = ("next",)
LINK_PARAMETER = r'\s*;\s*([^\s=;,]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*)'
MAX_TOTAL_DIGITS = 18  # a longer number is an identifier

_KINDS: dict[str, HintKind] = {name: kind for kind, names in BODY_NAMES.items() for name in names.split()}
_HEADER_KINDS: dict[str, HintKind] = {name: kind for kind, names in HEADER_NAMES.items() for name in names.split()}


@dataclass(frozen=True)
class Hint:
    """One thing that a response says about further rows.

    Attributes:
        path: Where it stands: a path in the body such as `meta.total`, or the name of a header.
        kind: What it says. `next`, `has_more` and `is_last` are hints whatever their value.
        total: The number of rows or pages; 0 for the other kinds.
        more: Whether it says that a page follows. Always false for totals.
    """

    path: str
    kind: HintKind
    total: int = 0
    more: bool = False

    @property
    def is_total(self) -> bool:
        return self.kind in ("rows", "filtered_rows", "pages")

    def __str__(self) -> str:
        if self.is_total:
            return f"`{self.path}` is {self.total}"
        if self.kind == "next":
            return f"`{self.path}` leads to a next page"
        return f"`{self.path}` is {str(self.kind == 'has_more').lower()}"


def find_hints(envelope: Envelope, selector: tuple[Step, ...]) -> Iterator[Hint]:
    """The hints in a body, outside of the records that `selector` leads to."""
    yield from _hints_in(envelope, envelope.root, (), selector, containers=0)


def find_header_hints(headers: Mapping[str, str]) -> Iterator[Hint]:
    """The hints in the headers of a response."""
    for name, kind in _HEADER_KINDS.items():
        value = headers.get(name)
        if value is not None:
            # Content-Range (RFC 9110) ends in the total: `items 0-49/200`.
            yield from _hint(name, kind, value.rpartition("/")[2] if name == "content-range" else value)
    if target := header_link(headers.get("Link", ""), "next"):
        yield Hint("Link", "next", more=bool(target))


def header_link(value: str, relation: str) -> str | None:
    """The target of a Link header (RFC 8288) with the relation."""
    for link in re.finditer(rf"<([^>]*)>((?:{LINK_PARAMETER})*)", value):
        named = [text.strip('"') for name, text in re.findall(LINK_PARAMETER, link[2]) if name.lower() == "rel"]
        if named and relation.lower() in named[0].lower().split():
            return link[1]
    return None


def normalize_path(path: str) -> str:
    """A path or a header's name as `ignore_hints` is compared: without the root, in any case."""
    return path.removeprefix("$.").lower()


@lru_cache(maxsize=4096)
def _comparable(name: str) -> str:
    return re.sub(r"[_@$-]", "", name.lower())


def _hints_in(
    envelope: Envelope, value: Any, place: tuple[str, ...], selector: tuple[Step, ...], *, containers: int
) -> Iterator[Hint]:
    """The hints of one object, of the objects on the way to the records, and of up to two levels of containers.

    Args:
        envelope: The body.
        value: The object.
        place: Its path.
        selector: The path of the records.
        containers: How many containers the object is in.
    """
    if place == selector or selector[len(place) : len(place) + 1] == (None,):
        return  # the records themselves, or an object that holds them by key
    fields = envelope.open(value)
    if not isinstance(fields, dict):
        return
    for name, child in fields.items():
        key = _comparable(name)
        if kind := _KINDS.get(key):
            yield from _hint(".".join((*place, name)), kind, decode_raw(child))
        elif (*place, name) == selector[: len(place) + 1]:
            yield from _hints_in(envelope, child, (*place, name), selector, containers=0)
        elif key in CONTAINERS and containers < 2:
            yield from _hints_in(envelope, child, (*place, name), selector, containers=containers + 1)
            yield from _relations(decode_raw(child) if key in ("links", "link") else None, (*place, name))


def _relations(links: Any, place: Iterable[str]) -> Iterator[Hint]:
    """The hint in a list of links with their relations, as FHIR and HATEOAS write it."""
    if isinstance(links, list):
        for link in links:
            if isinstance(link, dict) and (link.get("rel") or link.get("relation")) in NEXT_RELATIONS:
                yield Hint(".".join(place), "next", more=bool(link.get("href") or link.get("url")))


def _hint(path: str, kind: HintKind, value: Any) -> Iterator[Hint]:
    """The hint of a value, if it is of a type that such a hint has."""
    flag = {"true": True, "false": False}.get(str(value).lower()) if isinstance(value, (bool, str)) else None
    if kind in ("rows", "filtered_rows", "pages"):
        if not isinstance(value, bool) and re.fullmatch(rf"[0-9]{{1,{MAX_TOTAL_DIGITS}}}", str(value)):
            yield Hint(path, kind, total=int(value))
    elif kind == "next" and flag is None:
        if not isinstance(value, (list, float)):
            leads_on = any(value.values()) if isinstance(value, dict) else bool(value)
            yield Hint(path, "next", more=leads_on)
    elif flag is not None and value is not MISSING:
        yield Hint(path, "is_last" if kind == "is_last" else "has_more", more=flag is not (kind == "is_last"))
