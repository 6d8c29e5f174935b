"""What the requests of a stream contain: path, parameters, headers and body, with placeholders."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote

from analytics_assets.specs.airbyte.renderer import AbsentValueError, OmittedValueError, Renderer
from analytics_assets.specs.airbyte.templates import NotExpressibleError, expression, is_template, path_of

SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "apikey", "x-auth-token"}
)
PATH_SAFE = "!\"$%&'()*+,-./:;<=>?@[]^_`{|}~"
UNKNOWN_BODIES = frozenset({"RequestBodyPlainText"})
Report = Callable[[tuple[str | int, ...], str, bool], None]


@dataclass
class RequestParts:
    """The parts of requests.

    Attributes:
        base: The base URL, with placeholders.
        url: Base URL and path, with placeholders.
        token_place: Where the next page's token stands: `param` or `body` and the name, or `text`.
    """

    base: str = ""
    url: str = ""
    method: str = "GET"
    params: dict[str, str] = field(default_factory=dict)
    headers: dict[str, Any] = field(default_factory=dict)
    json: Any = None
    data: Any = None
    token_place: tuple[str, str] | None = None

    def body(self, kind: str) -> dict[str, Any]:
        """The body as a mapping, created if there is none."""
        name = "data" if kind == "body_data" or (kind == "body" and self.data is not None) else "json"
        if not isinstance(getattr(self, name), dict):
            if getattr(self, name) is not None:
                raise NotExpressibleError("a value in a body that is a text")
            setattr(self, name, {})
        found: dict[str, Any] = getattr(self, name)
        return found


class RequestConverter:
    """Converts the requester of one stream.

    Attributes:
        parts: The result.
    """

    def __init__(
        self, requester: Mapping[str, Any], renderer: Renderer, report: Report, omit: Callable[[str], None]
    ) -> None:
        """Args: the requester, the renderer, and functions that record what is not carried or left out."""
        self._requester, self._renderer, self._report, self._omit = requester, renderer, report, omit
        self.parts = RequestParts()

    def convert(self) -> RequestParts:
        """The parts of the requests."""
        method = str(self._requester.get("http_method") or "GET").upper()
        self.parts.method = method if method in ("GET", "POST", "PUT") else "POST"
        if method != self.parts.method:
            self._report(("method",), f"the method {method}", True)
        self._convert_fields("params", self._requester.get("request_parameters"))
        self._convert_fields("headers", self._requester.get("request_headers"))
        self._convert_url()
        for key in ("request_body_json", "request_body_data", "request_body"):
            body = self._requester.get(key)
            if body not in (None, {}, "", []):
                self._convert_body(key, body)
        return self.parts

    def _convert_url(self) -> None:
        base = self._requester.get("url_base") or self._requester.get("url") or ""
        path = self._requester.get("path") or ""
        try:
            rendered_base = self._renderer.text(str(base), name="base_url")
        except (NotExpressibleError, OmittedValueError) as error:
            rendered_base = "https://{base_url}"
            self._report(("path",), f"the base URL: {error}", True)
        try:
            rendered = self._renderer.text(str(path), name="path")
        except (NotExpressibleError, OmittedValueError) as error:
            rendered = ""
            self._report(("path",), f"the path: {error}", True)
        rendered, _, query = rendered.partition("?")
        if any("=" not in pair for pair in query.split("&")) and query:
            rendered, query = f"{rendered}?{query}", ""  # values without names, such as `index.php?/api/v2/users`
        for name, value in parse_qsl(query, keep_blank_values=True) if "{" not in query else _pairs(query):
            self.parts.params.setdefault(name, value)
        url = f"{rendered_base.strip().rstrip('/')}/{rendered.lstrip('/')}" if rendered else rendered_base.strip()
        self.parts.base = quote(rendered_base.strip(), safe=PATH_SAFE)
        self.parts.url = quote(url, safe=PATH_SAFE)

    def _convert_fields(self, place: str, fields: Any) -> None:
        if isinstance(fields, str) and fields.strip():
            if is_template(fields) or place == "headers":
                self._report((place,), f"the {place} as one text", True)
                return
            fields = dict(parse_qsl(fields))
        target = self.parts.params if place == "params" else self.parts.headers
        for name, value in fields.items() if isinstance(fields, Mapping) else ():
            try:
                if value is not None and (text := self._field(place, str(name), value)) is not None:
                    target[str(name).strip()] = text
            except OmittedValueError as omitted:
                self._omit(f"{place}: {name} is sent if the optional setting {omitted.setting.name} is set.")
            except AbsentValueError:
                if expression(value) is None:
                    self._report((place, str(name)), f"{name}: a value that the slices do not have", True)
            except NotExpressibleError as error:
                self._report((place, str(name)), f"{name}: {error}", True)

    def _field(self, place: str, name: str, value: Any) -> Any:
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, list) and place == "params" and not any(isinstance(each, (list, dict)) for each in value):
            return [self._renderer.text(each, name=name, is_optional=True) for each in value] or None
        if isinstance(value, (list, dict)):
            raise NotExpressibleError("a value that is a list or an object")
        if self._is_token(value):
            if place == "headers":
                raise NotExpressibleError("a cursor in a header")
            self.parts.token_place = ("param", name)
            return None
        if place == "headers":
            return self._header(name, value)
        text = self._renderer.text(value, name=name, is_optional=True)
        return text if text or not is_template(value) else None

    def _header(self, name: str, value: Any) -> Any:
        is_secret = name.lower() in SECRET_HEADERS
        part = expression(value)
        if part and (found := self._renderer.setting(part)) and (is_secret or found[0].is_secret):
            return self._renderer.reference(found[0].name)
        if not is_secret:
            return self._renderer.text(value, name=name, is_optional=True)
        variable = self._renderer.reference(name)
        what = f"what the connector sends as {' '.join(str(value).split())}" if is_template(value) else "a constant"
        self._renderer.notes.append(f"{variable['env']} is {what[:200]}")
        return variable

    def _is_token(self, value: Any) -> bool:
        """Whether a value is the token of the next page, for a paginator that does not say where it is sent."""
        if not is_template(value) or self._renderer.scope.position is not None or "next_page_token" not in str(value):
            return False
        part = expression(value)
        path = path_of(part.node) if part else None
        return path is not None and path[0] == "next_page_token"

    def _convert_body(self, key: str, body: Any) -> None:
        place = "data" if key == "request_body_data" else "json"
        if key == "request_body":
            if not isinstance(body, Mapping) or "value" not in body or body.get("type") in UNKNOWN_BODIES:
                self._report(("json",), "the body of the requests", True)
                return
            place = "data" if "Data" in str(body.get("type")) else "json"
            body = body["value"]
        try:
            converted = self._text_body(body) if isinstance(body, str) else self._value(body, "body", ())
        except (NotExpressibleError, OmittedValueError) as error:
            self._report((place,), f"the body: {error}", True)
            return
        if isinstance(converted, str):
            place = "data"
            if key != "request_body_data":
                self.parts.headers.setdefault("Content-Type", "application/json")
        elif place == "data" and isinstance(converted, dict):
            converted = {name: _form_text(value) for name, value in converted.items()}
        setattr(self.parts, place, converted)

    def _text_body(self, body: str) -> Any:
        text = self._renderer.text(body, name="body")
        try:
            parsed = json.loads(text)
        except ValueError:
            return text
        return parsed if isinstance(parsed, (dict, list)) else text

    def _value(self, value: Any, name: str, path: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            converted: dict[str, Any] = {}
            for key, child in value.items():
                if self._is_token(child):
                    self.parts.token_place = ("body", ".".join((*path, str(key))))
                    continue
                try:
                    converted[str(key)] = self._value(child, str(key), (*path, str(key)))
                except OmittedValueError as omitted:
                    self._omit(f"body: {key} is sent if the optional setting {omitted.setting.name} is set.")
            return converted
        if isinstance(value, list):
            return [self._value(child, name, (*path, str(index))) for index, child in enumerate(value)]
        if isinstance(value, str) and is_template(value):
            return self._renderer.text(value, name=name, is_optional=True)
        return value


def sends_form_fields(retriever: Mapping[str, Any]) -> bool:
    """Whether the paginator or the authenticator sends its values as fields of a form."""
    paginator, requester = retriever.get("paginator"), retriever.get("requester")
    auth = requester.get("authenticator") if isinstance(requester, Mapping) else None
    options = [
        component.get(key)
        for component, keys in ((paginator, ("page_token_option", "page_size_option")), (auth, ("inject_into",)))
        for key in keys
        if isinstance(component, Mapping)
    ]
    return any(isinstance(option, Mapping) and option.get("inject_into") == "body_data" for option in options)


def _form_text(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return value


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)]
