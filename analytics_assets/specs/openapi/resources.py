"""One resource of the defs.yaml for each list endpoint."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.specs.openapi.columns import columns, one_line, primary_key, singular
from analytics_assets.specs.openapi.operations import PARAMETER, Operation
from analytics_assets.specs.openapi.pagination import paging
from analytics_assets.specs.openapi.parents import Bindings, add_values, bind, canonical, find_parent
from analytics_assets.specs.openapi.schemas import Schemas
from analytics_assets.specs.openapi.windows import time_window
from analytics_assets.specs.secrets import is_secret

PATH_PREFIX = re.compile(r"api|rest|v\d+([._]\d+)*(alpha|beta)?\d*|latest|\d+(\.\d+)*")
HEADERS_SENT = ("accept", "content-type", "authorization", "cookie", "host")
MAX_NAME = 60


@dataclass
class Draft:
    """A resource that is built from an endpoint.

    Attributes:
        operation: The endpoint.
        name: Its name.
        attributes: Its keys in the defs.yaml.
        decisions: What a person has to decide, by the place in it.
        problems: What cannot be carried, by the place in it.
    """

    operation: Operation
    name: str
    attributes: dict[str, Any] = field(default_factory=dict)
    decisions: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    problems: list[tuple[tuple[str, ...], str]] = field(default_factory=list)


class ResourceBuilder:
    """Builds the resources of a document.

    Attributes:
        names: The name of each list endpoint, by its path.
    """

    def __init__(
        self, operations: Sequence[Operation], schemas: Schemas, *, details: Iterable[str], prefix: str
    ) -> None:
        self._schemas = schemas
        self._prefix = prefix
        self._by_path = {canonical(each.path): each for each in operations if each.has_schema}
        self._details = {canonical(path): path for path in details}
        self._bound: dict[str, Bindings] = {}
        self._parents = {each.path: find_parent(each, self._by_path) for each in operations}
        for path in self._parents:
            self._break_cycle(path)
        self.names = resource_names([each.path for each in operations])

    def parent(self, operation: Operation) -> Operation | None:
        """The endpoint whose rows an endpoint is read for."""
        found = self._parents[operation.path]
        return found[0] if found else None

    def _break_cycle(self, path: str) -> None:
        """Forget a parent that is found by its last word only and depends on the endpoint itself."""
        seen, above = {path}, self._parents[path]
        while above:
            if above[0].path in seen:
                self._parents[path] = None
                return
            seen.add(above[0].path)
            above = self._parents[above[0].path]

    def _bindings(self, operation: Operation) -> Bindings:
        if operation.path not in self._bound:
            found = self._parents[operation.path]
            parent = None
            if found:
                above, parameter = found
                parent = above, parameter, self.names[above.path], self._bindings(above)
            self._bound[operation.path] = bind(operation, parent, self._schemas, prefix=self._prefix)
        return self._bound[operation.path]

    def build(self, operation: Operation) -> Draft:
        """The resource for an endpoint."""
        draft = Draft(operation, self.names[operation.path])
        bound = self._bindings(operation)
        attributes: dict[str, Any] = {"name": draft.name}
        if text := _description(operation):
            attributes["description"] = text
        self._add_key(draft, attributes, bound)
        endpoint: dict[str, Any] = {"path": bound.path}
        pages, window = paging(operation), time_window(operation, self._schemas)
        params = {**self._required(draft, bound, {*pages.used, *(window.used if window else ())}), **pages.params}
        if params:
            endpoint["params"] = params
        if key := next((each.name for each in operation.at("query") if each.required and is_secret(each.name)), None):
            variable = {"env": f"{self._prefix}_API_KEY"}
            endpoint["auth"] = {"type": "api_key", "name": key, "api_key": variable, "location": "query"}
            draft.decisions.append((("endpoint", "auth"), f"the API needs {key}: credentials of one kind are sent"))
        if bound.for_each:
            endpoint["for_each"] = bound.for_each
        if headers := self._headers(draft, operation):
            endpoint["headers"] = headers
        endpoint["data_selector"] = operation.selector
        endpoint["paginator"] = pages.paginator if len(pages.paginator) > 1 else pages.paginator["type"]
        if window:
            endpoint["incremental"] = window.incremental
            draft.decisions.extend((("endpoint", "incremental"), text) for text in window.decisions)
        if bound.parent:
            endpoint["error_handler"] = {"response_actions": [{"status_code": 404, "action": "ignore"}]}
        draft.decisions.extend((("endpoint", "path"), text) for text in bound.decisions)
        draft.decisions.extend((("endpoint", "paginator"), text) for text in pages.decisions)
        self._note_records(draft)
        attributes["endpoint"] = endpoint
        self._add_columns(draft, attributes)
        draft.attributes = attributes
        return draft

    def _add_key(self, draft: Draft, attributes: dict[str, Any], bound: Bindings) -> None:
        detail = self._detail_parameter(draft.operation)
        key, is_guess = primary_key(draft.operation, self._schemas, detail)
        parents = [bound.columns[name] for name in draft.operation.path_parameters if name in bound.columns]
        if key is None:
            attributes["write_disposition"] = "replace"
            draft.decisions.append(
                (("write_disposition",), "no field identifies a row by its name: write `primary_key` if there is one")
            )
        else:
            attributes["primary_key"] = [*dict.fromkeys(parents), key] if parents else key
            if is_guess:
                draft.decisions.append((("primary_key",), f"a guess: {key!r} identifies a row"))
        if bound.include:
            attributes["include_from_parent"] = list(dict.fromkeys(bound.include))

    def _detail_parameter(self, operation: Operation) -> str | None:
        """The path parameter of the endpoint that returns one record of the list."""
        path = self._details.get(canonical(f"{operation.path.rstrip('/')}/{{}}"))
        return PARAMETER.findall(path)[-1] if path else None

    def _required(self, draft: Draft, bound: Bindings, used: set[str]) -> dict[str, Any]:
        """The query parameters that every request must have, besides those of paginator and window."""
        params: dict[str, Any] = {}
        for each in draft.operation.at("query"):
            if not each.required or each.name in used or is_secret(each.name):
                continue
            value = each.schema.default
            if isinstance(value, (str, int, float)):
                params[each.name] = value
            else:
                params[each.name] = add_values(bound, draft.operation, each.name, prefix=self._prefix)
        return params

    def _headers(self, draft: Draft, operation: Operation) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        for each in operation.at("header"):
            if not each.required or each.name.lower() in HEADERS_SENT or not re.fullmatch(r"[\w-]+", each.name):
                continue
            values = [v for v in (each.schema.default, *each.schema.enum) if isinstance(v, str) and v.isprintable()]
            if values and values[0].isascii() and not is_secret(each.name, in_header=True):
                headers[each.name] = values[0]
            else:
                variable = f"{self._prefix}_{re.sub(r'[^A-Za-z0-9]+', '_', each.name).upper()}"
                headers[each.name] = {"env": variable}
                draft.decisions.append((("endpoint", "headers"), f"set {variable} to the value of {each.name}"))
        return headers

    def _note_records(self, draft: Draft) -> None:
        operation = draft.operation
        place = ("endpoint", "data_selector")
        if not operation.has_schema:
            draft.decisions.append((place, "the document does not describe the response: where are the records?"))
        elif operation.alternatives:
            others = ", ".join(operation.alternatives[:5])
            draft.decisions.append((place, f"the response has other lists too: {others}"))
        if operation.record.is_remote:
            draft.problems.append((("columns",), "columns of a schema in another file; they are taken from the rows"))

    def _add_columns(self, draft: Draft, attributes: dict[str, Any]) -> None:
        declared, undeclared = columns(draft.operation.record, self._schemas)
        if declared:
            attributes["columns"] = declared
        if undeclared:
            names = ", ".join(undeclared[:10]) + (", ..." if len(undeclared) > 10 else "")
            text = f"the types of {names}, which have several or none in the document; they are taken from the rows"
            draft.problems.append((("columns",), text))


def resource_names(paths: Sequence[str]) -> dict[str, str]:
    """A name for each path: its last part, with the parts before it as far as names would be the same."""
    parts = {path: _name_parts(path) for path in paths}
    rivals = Counter(
        (len(each), name) for each in parts.values() for name in {_join(each, n) for n in range(1, len(each) + 1)}
    )
    names: dict[str, str] = {}
    taken: set[str] = set()
    for path in sorted(paths, key=lambda path: len(parts[path])):  # /users is `users`, before /teams/{id}/users
        size = len(parts[path])
        names_by_length = [_join(parts[path], length) for length in range(1, size + 1)]
        free = [name for name in names_by_length if name not in taken and rivals[size, name] == 1]
        name = unique = free[0] if free else names_by_length[-1]
        number = 2
        while unique in taken:
            unique, number = f"{name[: MAX_NAME - 4]}_{number}", number + 1
        taken.add(unique)
        names[path] = unique
    return names


def _name_parts(path: str) -> list[str]:
    steps = [step for step in path.strip("/").split("/") if step and "{" not in step]
    words = [_snake_case(step) for step in steps]
    while len(words) > 1 and (PATH_PREFIX.fullmatch(steps[0]) or not words[0]):
        words, steps = words[1:], steps[1:]
    return [word for word in words if word] or ["items"]


def _join(parts: Sequence[str], length: int) -> str:
    *before, last = parts[-length:]
    name = "_".join([*map(singular, before), last])[:MAX_NAME].strip("_")
    return name if name[:1].isalpha() else f"items_{name}"


def _snake_case(text: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def _description(operation: Operation) -> str:
    for key in ("summary", "description"):
        if isinstance(operation.raw.get(key), str) and (text := one_line(operation.raw[key])):
            return text
    return ""
