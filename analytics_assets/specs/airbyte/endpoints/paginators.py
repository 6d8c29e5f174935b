"""Paginators of a manifest as `paginator` of a defs.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from jinja2 import nodes

from analytics_assets.specs.airbyte.endpoints.pagination import Pagination, option_place
from analytics_assets.specs.airbyte.endpoints.stop_conditions import (
    StopCondition,
    alternatives,
    is_of_link,
    is_text_of_cursor,
    json_path,
)
from analytics_assets.specs.airbyte.renderer import OmittedValueError, Renderer
from analytics_assets.specs.airbyte.templates import (
    Expression,
    NotExpressibleError,
    Path,
    Text,
    expression,
    is_template,
    parse,
    path_of,
    paths_in,
    shortened,
)

PAGE_SIZE = 100


class PaginatorConverter:
    """Converts the paginator of one stream."""

    def __init__(
        self, component: Any, renderer: Renderer, *, selector: str, token_param: tuple[str, str] | None
    ) -> None:
        """Args: the component, and where the requests contain the next page's token without the component saying so."""
        self._component = component if isinstance(component, Mapping) else {}
        self._renderer, self._selector = renderer, selector
        strategy = self._component.get("pagination_strategy")
        self._strategy: Mapping[str, Any] = strategy if isinstance(strategy, Mapping) else {}
        self._token_place = option_place(self._component.get("page_token_option")) or token_param
        size_place = option_place(self._component.get("page_size_option"))
        self._size_place = None if size_place == self._token_place else size_place  # one parameter has one value

    def convert(self) -> Pagination:
        """The paginator.

        Raises:
            NotExpressibleError: It has no counterpart.
        """
        kind = self._component.get("type")
        if not self._component or kind == "NoPagination" or not self._strategy:
            return Pagination({"type": "single_page"})
        if kind != "DefaultPaginator":
            raise NotExpressibleError(f"the paginator {self._component.get('class_name') or kind}")
        strategy = str(self._strategy.get("type"))
        if strategy == "OffsetIncrement":
            return self._numbered("offset", {"type": "offset", "limit": self._size() or PAGE_SIZE})
        if strategy == "PageIncrement":
            start = self._strategy.get("start_from_page", 0)
            start = int(start) if isinstance(start, (int, str)) and str(start).isdecimal() else 0
            paginator = {"type": "page_number", "start_from_page": start}
            if size := self._size():
                paginator["limit"] = size
            return self._numbered("page", paginator)
        if strategy == "CursorPagination":
            return self._cursor()
        raise NotExpressibleError(f"the paginator strategy {self._strategy.get('class_name') or strategy}")

    def _numbered(self, position: str, paginator: dict[str, Any]) -> Pagination:
        pagination = Pagination(paginator)
        if self._token_place is None:
            what = "the paginator, which does not send its position: one page is read"
            return Pagination({"type": "single_page"}, lost=[(what, False)])
        place, name = self._token_place
        if place == "header":
            pagination.headers[name] = f"{{{position}}}"
        elif place == "text":
            pass  # the request's texts contain {page} or {offset}
        elif place == "link":
            raise NotExpressibleError(f"a paginator that takes the {position} for a URL")
        else:
            paginator[f"{position}_param" if place == "param" else f"{position}_body_path"] = name
        self._place_size(pagination)
        is_sent_first = self._strategy.get("inject_on_first_request")
        if position == "page" and not is_sent_first and not self._strategy.get("start_from_page"):
            pagination.notes.append(
                "the connector sends no page number with its first request: start_from_page is the API's first page."
            )
        return pagination

    def _size(self) -> int | None:
        """The rows per page."""
        size = self._strategy.get("page_size")
        if is_template(size):
            found = self._renderer.setting(part) if (part := expression(size)) else None
            size = found[1] if found else None
            self._renderer.notes.append("the number of rows per page is a setting of the connector.")
            size = PAGE_SIZE if size is None else size
        number = int(str(size)) if str(size or "").isdecimal() else None
        return number if number and number > 0 else None

    def _place_size(self, pagination: Pagination) -> None:
        """Send the rows per page where the connector does."""
        paginator, size = pagination.paginator, pagination.paginator.get("limit")
        is_offset = paginator["type"] == "offset"
        if self._size_place is None or size is None:
            if is_offset:
                paginator["limit_param"] = None
            elif paginator["type"] == "cursor":
                paginator.pop("limit", None)
            return
        place, name = self._size_place
        if place == "param":
            paginator["limit_param"] = name
        elif place == "body":
            paginator["limit_body_path"] = name
        elif place == "header":
            pagination.headers[name] = str(size)
            if is_offset:
                paginator["limit_param"] = None
            elif paginator["type"] == "cursor":
                del paginator["limit"]

    def _cursor(self) -> Pagination:
        value = self._strategy.get("cursor_value")
        if (after := _json_cursor(value)) and self._token_place and self._token_place[0] == "body":
            key, place = after
            paginator = {"type": "cursor", "cursor_body_path": f"{self._token_place[1]}.{key}", "cursor_path": place}
            return self._finished(Pagination(paginator), place)
        part = expression(value)
        if part is None:
            raise NotExpressibleError(f"the next page {shortened(str(value))}")
        if isinstance(part.node, nodes.Add) and (total := self._offset_sum(part.node)):
            return total
        path = path_of(part.node) or self._link_in(part)
        if path is None:
            raise NotExpressibleError(f"the next page {shortened(part.source)}")
        return self._by_path(path, is_link=path_of(part.node) is None)

    def _by_path(self, path: Path, *, is_link: bool) -> Pagination:
        source, steps = path[0], path[1:]
        is_link = is_link or (self._token_place is not None and self._token_place[0] == "link")
        if source == "headers":
            return self._from_header(steps, is_link=is_link)
        if source == "response":
            place = json_path(steps)
            if is_link:
                return self._finished(Pagination({"type": "json_link", "next_url_path": place}), place)
        elif source == "last_record" and steps and "*" not in self._selector:
            place = f"{'$' if self._selector == '$' else self._selector}[-1]{json_path(('x', *steps))[1:]}"
            if is_link:
                return self._finished(Pagination({"type": "json_link", "next_url_path": place}), place)
        else:
            raise NotExpressibleError(f"the next page from {source}")
        if self._token_place is None:
            what = "the paginator, which does not send its cursor: one page is read"
            return Pagination({"type": "single_page"}, lost=[(what, False)])
        kind, name = self._token_place
        if kind not in ("param", "body"):
            raise NotExpressibleError("a cursor that is sent in a header or a path")
        paginator = {"type": "cursor", "cursor_param" if kind == "param" else "cursor_body_path": name}
        return self._finished(Pagination({**paginator, "cursor_path": place}), place)

    def _from_header(self, steps: Path, *, is_link: bool) -> Pagination:
        name = str(steps[0]) if steps else ""
        if name.lower() == "link" and (is_link or "url" in steps[2:]):
            relation = str(steps[1]) if len(steps) > 1 else "next"
            paginator = {"type": "header_link", **({"links_next_key": relation} if relation != "next" else {})}
            return self._finished(Pagination(paginator), "")
        if len(steps) == 1 and self._token_place and self._token_place[0] in ("param", "body") and not is_link:
            key = "cursor_param" if self._token_place[0] == "param" else "cursor_body_path"
            paginator = {"type": "header_cursor", "cursor_key": name, key: self._token_place[1]}
            return self._finished(Pagination(paginator), "")
        if name.lower() == "link":  # the cursor is a part of the link's URL
            pagination = self._finished(Pagination({"type": "header_link"}), "")
            pagination.notes.append("the paginator follows the link whose cursor the connector sends.")
            return pagination
        raise NotExpressibleError(f"the next page from the header {name}")

    def _link_in(self, part: Expression) -> Path | None:
        """The path of a link from which the connector cuts the cursor, such as by `split('page=')`."""
        paths = {path for path in paths_in(part.node) if path[0] in ("response", "headers")}
        paths = {path for path in paths if not any(other != path and other[: len(path)] == path for other in paths)}
        texts = [node.value for node in part.node.find_all(nodes.Const) if isinstance(node.value, str)]
        cuts = any(name in part.source for name in ("split", "regex_search", "regex_replace"))
        if len(paths) != 1 or not cuts:
            return None
        [path] = paths
        is_link = path[0] == "headers" or any("=" in text for text in texts)
        return tuple(step for step in path if step not in ("split",)) if is_link else None

    def _offset_sum(self, node: nodes.Add) -> Pagination | None:
        """`response.offset + response.limit` is an offset."""
        paths = [path_of(node.left), path_of(node.right)]
        if any(path is None or path[0] != "response" for path in paths) or self._token_place is None:
            return None
        return self._numbered("offset", {"type": "offset", "limit": self._size() or PAGE_SIZE})

    def _finished(self, pagination: Pagination, place: str) -> Pagination:
        """The pagination with its page size and its stop condition."""
        paginator = pagination.paginator
        size = self._size()
        if paginator["type"] == "cursor" and size:
            paginator["limit"] = size
            self._place_size(pagination)
        elif size and self._size_place:
            kind, name = self._size_place
            target = {"param": pagination.params, "header": pagination.headers, "body": pagination.json}[kind]
            target[name] = size if kind == "body" else str(size)
        condition = self._strategy.get("stop_condition")
        if condition is not None and condition is not False and condition != "":
            self._stop(pagination, condition, place)
        return pagination

    def _stop(self, pagination: Pagination, condition: Any, place: str) -> None:
        if (part := expression(condition) if is_template(condition) else None) is None:
            pagination.lost.append((f"the stop condition {shortened(str(condition))}", True))
            return
        if pagination.paginator["type"] == "header_link" and all(map(is_of_link, paths_in(part.node))):
            return  # without a link the read ends in any case
        for node in alternatives(part.node):
            stop = StopCondition.of(node)
            if stop is None and is_text_of_cursor(node, place):
                pagination.lost.append((f"a text that is no next page: {shortened(str(condition))}", False))
            elif stop is None:
                pagination.lost.append((f"the stop condition {shortened(str(condition))}", True))
            elif not stop.is_implied(place, pagination.paginator["type"], self._selector):
                self._set_stop(pagination, stop, str(condition))

    @staticmethod
    def _set_stop(pagination: Pagination, stop: StopCondition, source: str) -> None:
        paginator = pagination.paginator
        kind = paginator["type"]
        if "has_more_path" in paginator or "stop_condition" in paginator:
            pagination.lost.append((f"one of two stop conditions: {shortened(source)}", True))
        elif stop.operator in ("false", "falsy") and kind in ("cursor", "json_link") and stop.is_flag:
            paginator["has_more_path"] = stop.path
        elif kind == "cursor":
            paginator["stop_condition"] = f"{stop.path} is {'empty' if stop.operator == 'falsy' else stop.operator}"
        else:
            pagination.lost.append((f"the stop condition {shortened(source)}", True))


def _json_cursor(value: Any) -> tuple[str, str] | None:
    """The key and the path of a cursor that is written as JSON: `'{"after": "' + response.endCursor + '"}'`."""
    if not is_template(value):
        return None
    try:
        parts = parse(re.sub(r"\s+if\s.+?\selse\s.*?(?=\}\})", "", str(value).strip(), flags=re.DOTALL))
    except NotExpressibleError:
        return None
    expressions = [part for part in parts if isinstance(part, Expression)]
    path = path_of(expressions[0].node) if len(expressions) == 1 else None
    text = "".join(part.value if isinstance(part, Text) else "x" for part in parts)
    try:
        written = json.loads(text)
    except ValueError:
        return None
    if path is None or path[0] != "response" or not isinstance(written, dict) or len(written) != 1:
        return None
    return str(next(iter(written))), json_path(path[1:])


__all__ = ["OmittedValueError", "Pagination", "PaginatorConverter", "json_path"]
