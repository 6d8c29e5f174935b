"""The paginator of a list endpoint, by the usual names of parameters, fields and headers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from analytics_assets.specs.openapi.operations import Operation, Parameter, json_path, plain
from analytics_assets.specs.openapi.schemas import Schema

LIMITS = """limit perpage pagesize size maxresults pagelimit top first take max resultsperpage itemsperpage maxitems
    rows length num pagelength limitperpage maxpagesize count""".split()  # noqa: SIM905
OFFSETS = "offset skip start startat pageoffset startindex firstresult from begin".split()  # noqa: SIM905
PAGES = "page pagenumber pagenum pageno p currentpage pageindex".split()  # noqa: SIM905
CURSORS = """cursor pagetoken nexttoken startingafter after startcursor continuationtoken continue marker pagecursor
    pageafter nextcursor nextpagetoken scrollid bookmark startkey exclusivestartkey aftercursor aftertoken afterid
    token pagestate""".split()  # noqa: SIM905
LAST_RECORD_CURSORS = ("startingafter", "afterid", "sinceid")
NEXT_CURSORS = """nextcursor nextpagetoken nexttoken cursor cursorsafter endcursor continuationtoken
    nextcontinuationtoken nextmarker lastevaluatedkey scrollid nextstartingafter nextpagecursor aftercursor bookmark
    nextpage after next""".split()  # noqa: SIM905
NEXT_LINKS = """nexturl nextlink nextpageurl nexthref odatanextlink nextpagelink linksnext linksnexthref
    paginationnextlink pagingnext nexturi next nextpage""".split()  # noqa: SIM905
HAS_MORE = """hasmore hasnext hasnextpage moredataavailable more moreresults hasmoreresults hasadditionalresults
    hasmoreitems morerecords""".split()  # noqa: SIM905
TOTAL_ROWS = """total totalcount totalitems totalresults totalrecords totalentries totalrows totalelements
    numbermatched totalhits numfound totalsize recordcount rowcount countall odatacount numresults
    totalnumber""".split()  # noqa: SIM905
TOTAL_PAGES = "totalpages totalpage pagecount pagestotal numpages lastpage numberofpages".split()  # noqa: SIM905
TOTAL_HEADERS = ("xtotalcount", "xtotal", "totalcount", "xtotalresults", "xpaginationtotalcount", "totalrecords")
CURSOR_HEADERS = ("xnextcursor", "xnextpage", "xnexttoken", "nextcursor", "xcontinuationtoken", "xmscontinuation")
DEFAULT_LIMIT, MAX_LIMIT, USUAL_LIMIT = 100, 1000, 50


class Paging(NamedTuple):
    """How an endpoint pages.

    Attributes:
        paginator: The value of `paginator`.
        params: Query parameters to send besides.
        decisions: What a person has to decide.
        used: Names of the query parameters that the paginator sends.
    """

    paginator: dict[str, Any]
    params: dict[str, Any]
    decisions: list[str]
    used: frozenset[str]


class _Fields:
    """The fields of the response besides the records, found by their names."""

    def __init__(self, operation: Operation) -> None:
        self._fields = list(operation.envelope.items())

    def find(self, names: Iterable[str], types: set[str]) -> tuple[str, Schema] | None:
        """The JSONPath and the schema of the field with the first of the names that exists."""
        found = [
            (position, len(path), path, schema)
            for path, schema in self._fields
            for position, name in enumerate(names)
            if (plain(path[-1]) == name or plain("".join(path)) == name) and (not schema.types or schema.types & types)
        ]
        if not found:
            return None
        _, _, path, schema = min(found, key=lambda each: each[:2])
        return json_path(path), schema


def paging(operation: Operation) -> Paging:
    """How the endpoint pages, as far as its description tells."""
    query = {plain(each.name): each for each in operation.at("query")}
    fields = _Fields(operation)
    limit = _first(query, LIMITS, {"integer", "number"}, among=list(query))
    totals = _totals(fields, operation)
    for found in (
        *_by_cursor(query, fields, limit, operation),
        *_by_number(query, fields, limit, totals),
        *_by_link(fields, limit, operation, totals),
    ):
        return found
    if limit is None:
        return Paging({"type": "single_page", **totals}, {}, [], frozenset())
    size, maximum = _page_size(limit), limit.schema.maximum
    if limit.schema.default is None and maximum is None:
        return Paging({"type": "single_page", **totals}, {}, [], frozenset())
    decision = f"the API has `{limit.name}` and nothing that leads to a next page: rows beyond {size} are not loaded"
    return Paging({"type": "single_page", **totals}, {limit.name: size}, [decision], frozenset({limit.name}))


def _by_cursor(
    query: dict[str, Parameter], fields: _Fields, limit: Parameter | None, operation: Operation
) -> Iterator[Paging]:
    cursor = _first(query, CURSORS, {"string", "integer"}, among=list(query))
    page = _first(query, ("page",), {"string"}, among=list(query))  # a token, if it is text
    next_cursor = fields.find(NEXT_CURSORS, {"string", "integer"})
    cursor = cursor or (page if page and page.schema.types == {"string"} and next_cursor else None)
    if cursor is None:
        return
    more = {"has_more_path": path} if (path := _path(fields.find(HAS_MORE, {"boolean"}))) else {}
    header = next((name for name in operation.headers if plain(name) in CURSOR_HEADERS), None)
    used = frozenset({cursor.name})
    if next_cursor and not _is_link(*next_cursor):
        paginator = {"type": "cursor", "cursor_param": cursor.name, "cursor_path": next_cursor[0], **more}
        yield _with_limit(paginator, limit, [], used)
    elif header:
        paginator = {"type": "header_cursor", "cursor_key": header, "cursor_param": cursor.name}
        yield _with_limit(paginator, limit, [], used)
    elif fields.find(NEXT_LINKS, {"string"}) or _link_header(operation):
        return  # the link has the cursor in it
    elif plain(cursor.name) in LAST_RECORD_CURSORS or more:
        key = "id" if "id" in operation.record.properties else next(iter(operation.record.properties), "id")
        paginator = {
            "type": "cursor",
            "cursor_param": cursor.name,
            "cursor_path": f"{operation.selector}[-1].{key}",
            **more,
        }
        decision = f"a guess: `{cursor.name}` is the field {key!r} of the last record, and records are sorted by it"
        yield _with_limit(paginator, limit, [decision], used)


def _by_number(
    query: dict[str, Parameter], fields: _Fields, limit: Parameter | None, totals: dict[str, Any]
) -> Iterator[Paging]:
    offset = _first(query, OFFSETS, {"integer", "number"}, among=list(query))
    page = _first(query, PAGES, {"integer", "number"}, among=list(query))
    more = {"has_more_path": path} if (path := _path(fields.find(HAS_MORE, {"boolean"}))) else {}
    if offset and limit and not (plain(offset.name) == "startindex" and offset.schema.minimum == 1):
        paginator: dict[str, Any] = {"type": "offset", "limit": _page_size(limit)}
        paginator.update(_unless(offset_param=(offset.name, "offset"), limit_param=(limit.name, "limit")))
        yield Paging({**paginator, **totals, **more}, {}, [], frozenset({offset.name, limit.name}))
    elif page:
        first, decisions = _first_page(page)
        paginator = {"type": "page_number", **_unless(page_param=(page.name, "page")), "start_from_page": first}
        pages = _path(fields.find(TOTAL_PAGES, {"integer", "number"}))
        if pages and not totals:
            paginator["total_path"] = pages
        yield _with_limit({**paginator, **totals, **more}, limit, decisions, frozenset({page.name}))


def _by_link(
    fields: _Fields, limit: Parameter | None, operation: Operation, totals: dict[str, Any]
) -> Iterator[Paging]:
    if link := fields.find(NEXT_LINKS, {"string"}):
        yield _with_limit({"type": "json_link", "next_url_path": link[0], **totals}, limit, [], frozenset())
    elif _link_header(operation):
        yield _with_limit({"type": "header_link", **totals}, limit, [], frozenset())


def _with_limit(
    paginator: dict[str, Any], limit: Parameter | None, decisions: list[str], used: frozenset[str]
) -> Paging:
    """The paginator with the page size: as its own key, or as a parameter if it has none."""
    if limit is None:
        return Paging(paginator, {}, decisions, used)
    size, used = _page_size(limit), used | {limit.name}
    if paginator["type"] == "cursor":
        own = {"limit": size, **_unless(limit_param=(limit.name, "limit"))}
    elif paginator["type"] == "page_number":
        own = {"limit": size, "limit_param": limit.name}
    else:
        return Paging(paginator, {limit.name: size}, decisions, used)
    return Paging({"type": paginator.pop("type"), **own, **paginator}, {}, decisions, used)


def _unless(**values: tuple[str, str]) -> dict[str, str]:
    """The values that are not the default, each with its default."""
    return {key: value for key, (value, default) in values.items() if value != default}


def _totals(fields: _Fields, operation: Operation) -> dict[str, Any]:
    if found := fields.find(TOTAL_ROWS, {"integer", "number"}):
        return {"total_rows_path": found[0]}
    if (count := fields.find(("count",), {"integer"})) and fields.find(("previous",), {"string"}):
        return {"total_rows_path": count[0]}  # Django REST framework
    if header := next((name for name in operation.headers if plain(name) in TOTAL_HEADERS), None):
        return {"total_rows_header": header}
    return {}


def _link_header(operation: Operation) -> bool:
    return any(name.lower() == "link" for name in operation.headers)


def _is_link(path: str, schema: Schema) -> bool:
    """Whether a field is the URL of the next page and not a cursor."""
    text = f"{path} {schema.description or ''}".lower()
    return schema.format in ("uri", "url") or any(word in text for word in ("link", "url", "href"))


def _path(found: tuple[str, Schema] | None) -> str | None:
    return found[0] if found else None


def _first(query: dict[str, Parameter], names: Iterable[str], types: set[str], *, among: list[str]) -> Parameter | None:
    """The parameter with the first of the names that exists, and one of the types. `page[size]` counts as `size`."""
    for name in names:
        for key in among:
            parameter = query[key]
            is_named = key == name or (parameter.name.lower().startswith("page[") and key == f"page{name}")
            is_time = (parameter.schema.format or "").startswith("date")
            if is_named and not is_time and (not parameter.schema.types or parameter.schema.types & types):
                return parameter
    return None


def _page_size(limit: Parameter) -> int:
    """The greatest page that the API is known to allow, up to MAX_LIMIT; the default, if it does not say."""
    default, maximum = limit.schema.default, limit.schema.maximum
    if maximum is not None and maximum >= 1:
        return min(int(maximum), MAX_LIMIT)
    if isinstance(default, int) and default >= USUAL_LIMIT:
        return min(default, MAX_LIMIT)
    return DEFAULT_LIMIT


def _first_page(page: Parameter) -> tuple[int, list[str]]:
    schema = page.schema
    for value in (schema.default, schema.minimum):
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value in (0, 1):
            return int(value), []
    first = 0 if "index" in page.name.lower() else 1
    return first, [f"a guess: the first page is number {first}"]
