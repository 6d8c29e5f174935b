"""Builds the requests of an endpoint from its configuration: placeholders, window bounds, and the page.

The texts are parsed once. A read renders them once, and again for each page only if the path or the body contains it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

import msgspec

from analytics_assets.rest_api.config import (
    PARENT_PREFIX,
    WINDOW_PLACEHOLDERS,
    Endpoint,
    placeholder_names,
    placeholders_in,
    split_text,
)
from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.extract.pagination.base import PageRequest
from analytics_assets.rest_api.http.request import Request
from analytics_assets.rest_api.windows import ALL_HISTORY, window_bindings

Bindings: TypeAlias = Mapping[str, Any]
"""Values by the names of placeholders: `start`, `end`, `page`, `offset`, `resources.projects.id`, `region`."""
Render: TypeAlias = Callable[[Bindings], Any]
RenderText: TypeAlias = Callable[[Bindings], str]
RenderField: TypeAlias = Callable[[Bindings], "str | tuple[str, ...]"]

FORM = "application/x-www-form-urlencoded"
INT64 = range(-(2**63), 2**63)  # msgspec encodes no other integers


class RequestTemplate:
    """The requests of one endpoint, before a read and its pages give the values of the placeholders.

    Attributes:
        has_position: Whether texts contain `{page}` or `{offset}`.
    """

    def __init__(
        self, endpoint: Endpoint, *, url: str, headers: Mapping[str, str], values: Bindings | None = None
    ) -> None:
        """Parse the texts.

        Args:
            endpoint: The endpoint.
            url: The URL of its path, which may contain placeholders.
            headers: Its headers, with the values of secrets.
            values: The values of the placeholders that `endpoint.values` names.
        """
        names = placeholder_names(endpoint)
        self._method = endpoint.method
        self._values = values or {}
        self._url = _compile_text(url, names, write=path_segment)
        hidden = {*endpoint.values}
        parents = {
            name for _, name in split_text(url, names) if name and (name.startswith(PARENT_PREFIX) or name in hidden)
        }
        self._shown = {name: _Placeholder(f"{{{name}}}") for name in parents}
        self._params = _FieldTemplates(endpoint.params, names)
        # A secret may contain braces, which are part of it.
        texts = {name: value for name, value in headers.items() if isinstance(endpoint.headers.get(name), str)}
        self._headers = _FieldTemplates(texts, names)
        self._secret_headers = {name: value for name, value in headers.items() if name not in texts}
        self._json = _compile_json(endpoint.json_, names)
        self._data = endpoint.data if endpoint.data is None else _compile_data(endpoint.data, names)
        self._json_is_sent = endpoint.json_ is not None
        incremental = endpoint.incremental
        bounds = {} if incremental is None else {"start": incremental.start_param, "end": incremental.end_param}
        self._bound_params = {name: param for name, param in bounds.items() if param}
        # A path or a JSON body has no part that can be omitted, as a parameter can.
        self._all_history = window_bindings(ALL_HISTORY, incremental)
        self.has_position = not placeholders_in(endpoint).isdisjoint(("page", "offset"))

    def render(self, bindings: Bindings, body_values: Mapping[str, Any] | None = None) -> Request:
        """The request for these values.

        Without `start` and `end` all history is requested: parameters, headers and form fields that contain them are
        omitted; the path, JSON and text contain the widest range.

        Args:
            bindings: The values of the placeholders.
            body_values: Values to set in the body, by path.

        Raises:
            ResponseError: A value cannot be part of a path.
        """
        bindings = {**self._values, **bindings}
        params = self._params.render(bindings)
        for name, param in self._bound_params.items():
            if name in bindings:
                params[param] = as_text(bindings[name])
        headers = {name: as_text(value) for name, value in self._headers.render(bindings).items()}
        headers |= self._secret_headers
        body, media_type = self._render_body(bindings, body_values or {})
        if media_type and "content-type" not in map(str.lower, headers):
            headers["Content-Type"] = media_type
        everywhere = {**self._all_history, **bindings}
        shown_url = self._url({**everywhere, **self._shown}) if self._shown else ""
        return Request(self._url(everywhere), self._method, params, headers, body, shown_url)

    def _render_body(self, bindings: Bindings, values: Mapping[str, Any]) -> tuple[bytes | None, str | None]:
        """The body and its media type."""
        everywhere = {**self._all_history, **bindings}
        if isinstance(self._data, _FieldTemplates):
            fields = self._data.render(bindings) | {name: as_text(value) for name, value in values.items()}
            return urlencode(fields, doseq=True).encode(), FORM
        if self._data is not None:
            return self._data(everywhere).encode(), None
        if not self._json_is_sent and not values:
            return None, None
        content = self._json(everywhere) if self._json_is_sent else {}
        for path, value in values.items():
            set_at(content, path, value)
        return msgspec.json.encode(content), "application/json"


class BoundRequest:
    """The requests of one read: a template with the values of all placeholders but the page's."""

    def __init__(self, template: RequestTemplate, bindings: Bindings, *, position_name: str | None) -> None:
        self._template, self._bindings, self._position_name = template, bindings, position_name
        self._first = None if template.has_position else template.render(bindings)

    def page(self, page: PageRequest) -> Request:
        """The request for a page."""
        request = self._first
        if request is None or page.body:
            position = {self._position_name: page.position} if self._position_name else {}
            request = self._template.render({**self._bindings, **position}, page.body)
        if not page.params:
            return request
        params = {**request.params, **page.params}  # `dataclasses.replace` takes several times as long
        return Request(request.url, request.method, params, request.headers, request.body, request.shown_url)

    def link(self, url: str) -> Request:
        """The request for the page at a link, which has its own parameters."""
        return replace(self._first or self.page(PageRequest()), url=url, params={})


class _FieldTemplates:
    """Parameters, headers or form fields, of which some contain placeholders."""

    def __init__(self, fields: Mapping[str, str | tuple[str, ...]], names: Collection[str]) -> None:
        self._fields = {name: _compile_field(value, names) for name, value in fields.items()}
        self._bounds = {
            name: {each for text in _listed(value) for _, each in split_text(text, names)} & {*WINDOW_PLACEHOLDERS}
            for name, value in fields.items()
        }

    def render(self, bindings: Bindings) -> dict[str, str | tuple[str, ...]]:
        """The fields, without those of a window if there is none."""
        known = bindings.keys()
        return {name: render(bindings) for name, render in self._fields.items() if self._bounds[name] <= known}


def record_values(bindings: Bindings) -> frozenset[str]:
    """The texts of values that come from a parent's rows; a flag says nothing."""
    values = (value for name, value in bindings.items() if name.startswith(PARENT_PREFIX))
    return frozenset(as_text(value) for value in values if value is not None and not isinstance(value, bool))


def as_text(value: Any) -> str:
    """A value inside a text: a number or a boolean as JSON writes it, a list with commas."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(as_text, value))
    if isinstance(value, bool):
        return str(value).lower()
    return format(value, "f") if isinstance(value, Decimal) else str(value)


class _Placeholder(str):
    """A placeholder that stays as it is, in a URL for messages."""


def path_segment(value: Any) -> str:
    """A value inside a path, percent-encoded whole.

    Raises:
        ResponseError: The value would change the path.
    """
    if isinstance(value, _Placeholder):
        return value
    text = as_text(value)
    if text in ("", ".", ".."):
        raise ResponseError(
            "a value for the path is empty, `.` or `..`: the path would lead elsewhere. Correct the row "
            "that has it, or use another field"
        )
    return quote(text, safe="")


def set_at(content: dict[str, Any], path: str, value: Any) -> None:
    """Set a value in a JSON object by a path of names; objects on the way are created.

    Raises:
        ResponseError: The path leads through a value that is not an object.
    """
    *parents, name = path.split(".")
    for parent in parents:
        content = content.setdefault(parent, {})
        if not isinstance(content, dict):
            raise ResponseError(f"`{path}` leads through `{parent}`, which is not an object in the body: correct it")
    content[name] = value


def _compile_text(text: str, names: Collection[str], write: Callable[[Any], str] = as_text) -> RenderText:
    pieces = list(split_text(text, names))
    if len(pieces) == 1:
        literal = pieces[0][0]
        return lambda _: literal
    return lambda bindings: "".join(
        literal if name is None else literal + write(bindings[name]) for literal, name in pieces
    )


def _listed(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _compile_field(value: str | tuple[str, ...], names: Collection[str]) -> RenderField:
    """Renders a field. A list, and a text that is nothing but the placeholder of one, has several values."""
    if isinstance(value, tuple):
        fields = [_compile_field(text, names) for text in value]
        return lambda bindings: tuple(text for render in fields for text in _listed(render(bindings)))
    render_text, name = _compile_text(value, names), _only_placeholder(value, names)
    if name is None:
        return render_text

    def render(bindings: Bindings) -> str | tuple[str, ...]:
        found = bindings[name]
        return tuple(map(as_text, found)) if isinstance(found, list) else render_text(bindings)

    return render


def _only_placeholder(text: str, names: Collection[str]) -> str | None:
    """The placeholder that a text consists of."""
    pieces = list(split_text(text, names))
    return pieces[0][1] if len(pieces) == 2 and not pieces[0][0] and not pieces[1][0] else None


def _compile_json(value: Any, names: Collection[str]) -> Render:
    """Renders a JSON value anew each time. A text that is nothing but a placeholder keeps the value's type."""
    if isinstance(value, dict):
        members = {key: _compile_json(child, names) for key, child in value.items()}
        return lambda bindings: {key: render(bindings) for key, render in members.items()}
    if isinstance(value, list):
        items = [_compile_json(child, names) for child in value]
        return lambda bindings: [render(bindings) for render in items]
    if not isinstance(value, str):
        constant = _json_number(value)
        return lambda _: constant
    if name := _only_placeholder(value, names):
        return lambda bindings: _json_number(bindings[name])
    return _compile_text(value, names)


def _compile_data(data: dict[str, str | tuple[str, ...]] | str, names: Collection[str]) -> _FieldTemplates | RenderText:
    return _FieldTemplates(data, names) if isinstance(data, dict) else _compile_text(data, names)


def _json_number(value: Any) -> Any:
    """A number that msgspec would not write with all its digits, as JSON text; other values unchanged."""
    if isinstance(value, Decimal) or (type(value) is int and value not in INT64):
        return msgspec.Raw(as_text(value).encode())
    return value
