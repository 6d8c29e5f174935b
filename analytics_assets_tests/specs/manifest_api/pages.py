"""The pages of a slice: responses with the next page's token where the manifest reads it."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from analytics_assets_tests.specs.manifest_api.components import Component, UnsupportedError
from analytics_assets_tests.specs.manifest_api.requests import TOKEN, Expected, Received, place_of
from analytics_assets_tests.specs.manifest_api.templates import Path, constants_in, evaluate, paths_in

DEFAULT_SIZE = 3
LINK_TOKEN = "page_token_"
ABSENT = object()
ENDS: tuple[Any, ...] = (None, ABSENT, "", {}, [])
FLAGS: tuple[tuple[Any, Any], ...] = (
    (True, False), (False, True), ("true", "false"), ("x", None), ("x", ABSENT), ("x", ""), (7, 0), (10_000, 0), (0, 1),
)  # fmt: skip


@dataclass
class Page:
    """A response: what its body and headers contain."""

    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    links: dict[str, dict[str, str]] = field(default_factory=dict)

    def put(self, path: Path, value: Any) -> None:
        """Set the value at a path such as `("response", "meta", "next")`.

        Raises:
            UnsupportedError: The response has no such place.
        """
        root, *steps = path
        if root == "headers":
            self._put_header(steps, value)
            return
        target = self.body
        for step in steps[:-1]:
            if not isinstance(target, dict) or isinstance(step, int):
                raise UnsupportedError(f"a value at {'.'.join(map(str, steps))} of the response")
            target = target.setdefault(step, {})
        if not isinstance(target, dict) or (isinstance(target.get(steps[-1]), (list, dict)) and target[steps[-1]]):
            raise UnsupportedError(f"a value at {'.'.join(map(str, steps))} of the response")
        if value is ABSENT:
            target.pop(steps[-1], None)
        else:
            target[steps[-1]] = value

    def _put_header(self, steps: list[Any], value: Any) -> None:
        if steps and steps[0] == "link":
            relation = steps[1] if len(steps) > 1 else "next"
            if value not in ENDS:
                self.links.setdefault(relation, {})[steps[2] if len(steps) > 2 else "url"] = value
        elif len(steps) == 1 and value not in ENDS:
            self.headers[str(steps[0])] = str(value)
        elif len(steps) != 1:
            raise UnsupportedError("a value inside of a header")

    def finish(self, link: str) -> Page:
        """The page with its header `Link`."""
        for relation, fields in self.links.items():
            url = fields.setdefault("url", link)
            rest = "".join(f'; {name}="{value}"' for name, value in fields.items() if name != "url")
            self.headers["Link"] = f'<{url}>; rel="{relation}"{rest}'
        return self


class Pages:
    """The pages of one stream."""

    def __init__(self, stream: Component, config: Mapping[str, Any], expected: Expected) -> None:
        paginator = stream["retriever"].get("paginator") or {"type": "NoPagination"}
        if paginator.get("type") not in ("NoPagination", "DefaultPaginator"):
            raise UnsupportedError("a custom paginator")
        self._paginator = paginator
        self._strategy: Component = paginator.get("pagination_strategy") or {}
        self.kind = self._strategy.get("type", "none") if paginator["type"] != "NoPagination" else "none"
        if self.kind not in ("none", "OffsetIncrement", "PageIncrement", "CursorPagination"):
            raise UnsupportedError(f"the pagination strategy {self.kind}")
        self._config = config
        extractor = stream["retriever"]["record_selector"]["extractor"]
        self._selector = list(extractor.get("field_path") or [])
        if extractor.get("type") != "DpathExtractor" or any(
            "{" in str(each) or each == "**" for each in self._selector
        ):
            raise UnsupportedError("a custom extractor")
        if self._selector[-1:] == ["*"]:
            del self._selector[-1]  # the items of a list
        self._tokens: dict[tuple[str, str], int] = {}
        self._names: list[str] = []
        self.is_link = False
        self.size = self._size()
        self._bind(expected)

    def _size(self) -> int:
        size = evaluate(self._strategy.get("page_size"), self._strategy, config=self._config)
        return size if isinstance(size, int) and size > 0 else DEFAULT_SIZE

    def _bind(self, expected: Expected) -> None:
        """Let requests contain the page's size and the token."""
        if self.kind == "none":
            return
        if option := self._paginator.get("page_size_option"):
            place, name = place_of(option)
            expected.free[place].add(name)
            if self._strategy.get("page_size"):
                expected.sizes[(place, name)] = self.size
        option = self._paginator.get("page_token_option") or {}
        if option.get("type") == "RequestPath" or option.get("inject_into") == "path":
            self.is_link = True
        elif option:
            expected.token = place_of(option)
            expected.free[expected.token[0]].add(expected.token[1])
            self._names = [expected.token[1]]
        elif not any(str(TOKEN) in text for texts in expected.later.values() for text in texts.values()):
            raise UnsupportedError("a paginator that does not send its token")
        names = [name for text in constants_in(self._strategy.get("cursor_value"))
                 for name in re.findall(r"([$\w\[\].-]+)\\?=", text)]  # fmt: skip
        self._names += [name for name in names if name not in self._names]
        expected.free["params"] |= {LINK_TOKEN, *self._names}

    def respond(self, request: Received, identity: str, captured: Mapping[str, str], rows: list[Any]) -> Page:
        """The page that a request is for.

        Args:
            request: The request.
            identity: The slice and the window.
            captured: The open values in the request.
            rows: The rows of the slice in the window.
        """
        token = request.params.get(LINK_TOKEN) or captured.get("token")
        for name in self._names:
            token = token or request.params.get(name)
        start = self._start(token, identity)
        size = int(captured.get("size") or self.size) if self.kind == "OffsetIncrement" else self.size
        records = rows if self.kind == "none" else rows[start : start + size]
        page = Page(self._wrapped(records))
        if self.kind != "CursorPagination":
            return page
        return self._with_next(request, identity, page, records, start, len(rows))

    def _start(self, token: str | None, identity: str) -> int:
        if token in (None, "") or self.kind == "none":
            return 0
        if self.kind == "PageIncrement":
            start = evaluate(self._strategy.get("start_from_page", 0), self._strategy, config=self._config)
            return (int(str(token)) - int(start or 0)) * self.size
        if self.kind == "OffsetIncrement":
            return int(str(token))
        return self._tokens[identity, str(token)]

    def _wrapped(self, records: list[Any]) -> Any:
        body: Any = copy.deepcopy(records)
        for step in reversed(self._selector):
            body = [body] if step == "*" or isinstance(step, int) else {step: body}
        return body

    def _with_next(
        self, request: Received, identity: str, page: Page, records: list[Any], start: int, total: int
    ) -> Page:
        """The page with the token of the next one, or without it at the end."""
        number, count = start // self.size, max(-(-total // self.size), 1)
        is_last = start + self.size >= total
        next_token = str(start + self.size)
        params = {name: value for name, value in request.params.items() if name not in (LINK_TOKEN, *self._names)}
        for candidate in self._candidates(page, is_last, number, count, next_token, request, params):
            value = self._next_of(candidate, records)
            if value is None:
                continue
            if is_last and value == "":
                if rest := self._cursor_of(candidate, records):
                    self._tokens[identity, str(rest)] = total  # clients may read on until a page is empty
                return candidate
            if not is_last and value != "" and self._is_followed(value, next_token, request):
                self._tokens[identity, str(value)] = self._tokens[identity, next_token] = start + self.size
                return candidate
        if is_last and records and (rest := self._cursor_of(page, records)):
            self._tokens[identity, str(rest)] = total
            return page
        raise UnsupportedError(f"the cursor {str(self._strategy.get('cursor_value'))[:80]}")

    def _is_followed(self, value: Any, token: str, request: Received) -> bool:
        if self.is_link:
            return str(value).startswith(("http", "/")) and LINK_TOKEN in str(value)
        return isinstance(value, (str, int, dict)) and (token in str(value) or not str(value).startswith(("http", "/")))

    def _candidates(
        self, page: Page, is_last: bool, number: int, count: int, token: str, request: Received, params: dict[str, str]
    ) -> Iterator[Page]:
        cursor, stop = str(self._strategy.get("cursor_value")), self._strategy.get("stop_condition")
        targets = [path for path in paths_in(cursor, "response", "headers") if not self._is_in_records(path)]
        flags = [
            path
            for path in paths_in(stop, "response", "headers")
            if not self._is_in_records(path) and not any(_are_nested(path, target) for target in targets)
        ]
        link = self._link(request, params, LINK_TOKEN, token)
        values: list[Any] = [link] if self.is_link else [token, int(token)]
        values += [self._link(request, params, name, token) for name in self._names]
        values += [f'<{link}>; rel="next"']
        pairs = (*FLAGS, (number + 1, number + 1), (count, count), (number, number), (count - 1, count - 1))
        for chosen in itertools.product(*[pairs for _ in flags[:2]]):
            for value in ENDS if is_last else values:
                candidate = copy.deepcopy(page)
                try:
                    for path in targets[:1]:
                        candidate.put(path, value)
                    for path, pair in zip(flags, chosen, strict=False):
                        candidate.put(path, pair[is_last])
                except UnsupportedError:
                    continue
                yield candidate.finish(link)

    def _is_in_records(self, path: Path) -> bool:
        return path[0] == "response" and list(path[1 : 1 + len(self._selector)]) == self._selector

    @staticmethod
    def _link(request: Received, params: Mapping[str, str], name: str, token: str) -> str:
        query = urlencode({**params, name: token}, safe="$[]")
        return f"http://{request.host}{quote(request.path)}?{query}"

    def _next_of(self, page: Page, records: list[Any]) -> Any:
        """The next page's token as the connector reads it; "" at the end, None if it fails."""
        try:
            stop = self._strategy.get("stop_condition")
            if stop and evaluate(stop, self._strategy, **self._context(page, records)):
                return ""
        except UnsupportedError:
            return None
        return self._cursor_of(page, records)

    def _cursor_of(self, page: Page, records: list[Any]) -> Any:
        """The value of the cursor in a response; "" if there is none, None if it fails."""
        try:
            return evaluate(self._strategy["cursor_value"], self._strategy, **self._context(page, records)) or ""
        except UnsupportedError:
            return None

    def _context(self, page: Page, records: list[Any]) -> dict[str, Any]:
        headers: dict[str, Any] = {**page.headers, **{name.lower(): value for name, value in page.headers.items()}}
        headers["link"] = {name: {"rel": name, **fields} for name, fields in page.links.items()}
        return {
            "config": self._config,
            "response": page.body,
            "headers": headers,
            "last_record": records[-1] if records else None,
            "last_page_size": len(records),
        }


def _are_nested(path: Path, other: Path) -> bool:
    length = min(len(path), len(other))
    return path[:length] == other[:length]
