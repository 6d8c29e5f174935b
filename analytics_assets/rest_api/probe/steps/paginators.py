"""Paginators that a page suggests: by its links, tokens and totals, and by the usual names of parameters."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from analytics_assets.rest_api.config import (
    CursorConfig,
    HeaderCursorConfig,
    JsonLinkConfig,
    OffsetConfig,
    PageNumberConfig,
    PaginatorConfig,
)
from analytics_assets.rest_api.extract.envelope import MISSING, Envelope
from analytics_assets.rest_api.extract.pagination.hints import Hint

LIMIT_PARAMS = ("limit", "per_page", "page_size", "pageSize", "size", "count", "$top")
OFFSET_PARAMS = ("offset", "skip", "start", "startAt", "$skip")
PAGE_PARAMS = ("page", "page_number", "pageNumber", "p", "page[number]")
CURSOR_PARAMS = ("cursor", "after", "page_token", "pageToken", "starting_after", "next", "offset", "page")
AFTER_PARAMS = ("after", "starting_after", "after_id", "since_id")
MAX_CURSOR_PARAMS = 8
MAX_LIKELY_PATHS = 2
TOKEN_NAME = re.compile(r"(?i)next|cursor|token|after|marker|continu|more|link")
# Keys that a page may contradict: a paginator is also tried without them.
END_KEYS = ("total_path", "total_rows_path", "total_rows_header", "has_more_path", "stop_condition")


def keys_of(paginator: PaginatorConfig) -> dict[str, Any]:
    """The paginator as the YAML writes it."""
    keys: dict[str, Any] = {"type": paginator.type}
    for name in type(paginator).model_fields:
        value = getattr(paginator, name)
        if name in paginator.model_fields_set and value is not None and name != "type":
            keys[name] = f"{value.path} is {value.operator}" if name == "stop_condition" else value
    return keys


def without_end_keys(paginator: PaginatorConfig) -> Iterator[dict[str, Any]]:
    """The configured paginator without each of the keys that may end a read too early, and without all of them."""
    keys = keys_of(paginator)
    wrong = [name for name in END_KEYS if name in keys]
    for name in wrong:
        yield {key: value for key, value in keys.items() if key != name}
    if len(wrong) > 1:
        yield {key: value for key, value in keys.items() if key not in wrong}


def from_hints(configured: PaginatorConfig, envelope: Envelope, hints: list[Hint]) -> Iterator[dict[str, Any]]:
    """The paginators that links and tokens of a page name, the likeliest first.

    Args:
        configured: The paginator of the YAML, whose parameters are tried first.
        envelope: The body of the page.
        hints: The hints of the page.
    """
    paths = [hint.path for hint in hints if hint.kind == "next"]
    own = next((path for path in map(keys_of(configured).get, ("cursor_path", "next_url_path")) if path), None)
    if own and "[-" not in own:
        paths.insert(0, own)
    paths += _likely_paths(envelope, own or "next")
    paths.sort(key=lambda path: not _is_link(envelope.find(path)) if path != "Link" else False)  # a link needs one try
    for path in dict.fromkeys(paths):
        if path == "Link":
            yield {"type": "header_link"}
        elif (value := envelope.find(path)) is not MISSING:
            yield from _from_token(configured, path, value)
        elif path != own:
            yield from _from_header(configured, path)


def from_headers(configured: PaginatorConfig, headers: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Paginators for the configured header, and for one with a similar name."""
    if isinstance(configured, HeaderCursorConfig):
        names = [name for name in headers if name == configured.cursor_key.lower()]
        for name in (*names, *difflib.get_close_matches(configured.cursor_key.lower(), headers, n=1)):
            yield from _from_header(configured, name)


def _from_token(configured: PaginatorConfig, path: str, value: Any) -> Iterator[dict[str, Any]]:
    """The paginators for a value that leads to the next page: a link, a token, or nothing on the last page."""
    if _is_link(value):
        yield {"type": "json_link", "next_url_path": path}
    elif isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
        for param in _cursor_params(configured, path):
            yield {"type": "cursor", **_size_keys(configured), "cursor_param": param, "cursor_path": path}
    elif value is None or value == "":
        yield from _same_kind(configured, path)


def _is_link(value: Any) -> bool:
    return isinstance(value, str) and re.match(r"https?://|/|\?", value) is not None


def _from_header(configured: PaginatorConfig, name: str) -> Iterator[dict[str, Any]]:
    for param in _cursor_params(configured, name):
        yield {"type": "header_cursor", "cursor_key": _header_case(name), "cursor_param": param}


def _likely_paths(envelope: Envelope, name: str) -> list[str]:
    """Fields of the body that may hold a token: those with a name like the configured one, or with a usual word."""
    fields = envelope.open(envelope.root)
    texts = [field for field in fields if isinstance(envelope.find(field), str)] if isinstance(fields, dict) else []
    similar = difflib.get_close_matches(name, texts, n=1)
    return [*similar, *(field for field in texts if TOKEN_NAME.search(field))][:MAX_LIKELY_PATHS]


def after_record(configured: PaginatorConfig, selector: str, key: str) -> Iterator[dict[str, Any]]:
    """Paginators that send the key of the last record."""
    path = f"{'' if selector == '$' else selector}[-1].{key}"
    params = (configured.cursor_param, *AFTER_PARAMS) if isinstance(configured, CursorConfig) else AFTER_PARAMS
    for param in dict.fromkeys(filter(None, params)):
        yield {"type": "cursor", **_size_keys(configured), "cursor_param": param, "cursor_path": path}


def numbered(
    configured: PaginatorConfig, params: Mapping[str, Any], *, rows: int, limit: str | None
) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Paginators that number rows or pages: the parameter, its value for another page, and the paginator.

    Args:
        configured: The paginator of the YAML, whose parameters are tried first.
        params: Parameters of the endpoint, which are not tried.
        rows: Rows of the first page.
        limit: The parameter of the page size, if the API has one.
    """
    own_offset = configured.offset_param if isinstance(configured, OffsetConfig) else None
    own_page = configured.page_param if isinstance(configured, PageNumberConfig) else None
    size = {"limit": rows} if limit is None else {"limit": rows, "limit_param": limit}
    for param in dict.fromkeys(filter(None, (own_page, own_offset, *PAGE_PARAMS[:1], *OFFSET_PARAMS, *PAGE_PARAMS))):
        if param in params:
            continue
        if param in (own_page, *PAGE_PARAMS):
            keys = {"type": "page_number", **({} if limit is None else size), "page_param": param}
            yield param, 2, keys
        else:
            yield param, rows, {"type": "offset", **size, "offset_param": param}


def _same_kind(configured: PaginatorConfig, path: str) -> Iterator[dict[str, Any]]:
    """The configured paginator with another path: an empty token does not say whether it would be a link."""
    keys = keys_of(configured)
    if isinstance(configured, CursorConfig):
        yield {**keys, "cursor_path": path}
    elif isinstance(configured, JsonLinkConfig):
        yield {**keys, "next_url_path": path}


def _size_keys(configured: PaginatorConfig) -> dict[str, Any]:
    """The page size of the configured paginator, if it sends one."""
    keys = keys_of(configured)
    if isinstance(configured, (OffsetConfig, CursorConfig)) or "limit_param" in keys:
        return {name: keys[name] for name in ("limit", "limit_param") if name in keys}
    return {}


def _cursor_params(configured: PaginatorConfig, path: str) -> list[str]:
    """Names of the parameter that takes a token, the likeliest first."""
    own = configured.cursor_param if isinstance(configured, (CursorConfig, HeaderCursorConfig)) else None
    name = path.rpartition(".")[2]
    shorter = re.sub(r"(?i)^(x-)?next[_-]?|^end(?=[A-Z])", "", name)
    derived = (shorter[:1].lower() + shorter[1:], name)
    return list(dict.fromkeys(filter(None, (own, *derived, *CURSOR_PARAMS))))[:MAX_CURSOR_PARAMS]


def _header_case(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-")) if "-" in name else name
