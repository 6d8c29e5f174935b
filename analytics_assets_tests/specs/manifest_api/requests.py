"""The requests that a connector sends for a slice of a stream, as patterns."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from analytics_assets_tests.specs.manifest_api.components import Component, UnsupportedError, fields_of
from analytics_assets_tests.specs.manifest_api.templates import OPEN, Open, evaluate, matcher, render

Body = dict[str, Any]
TOKEN = Open("token")
TRANSPORT = frozenset({"accept", "accept-encoding", "content-type", "user-agent", "connection"})
PLACES = {"request_parameter": "params", "header": "headers", "body_json": "body", "body_data": "body"}
Captured = dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Received:
    """A request. Names of headers are in lower case; objects in the body are flat: `{"a.b": 1}`."""

    method: str
    host: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: Mapping[str, Any]


@dataclass
class Expected:
    """The requests of one slice.

    Attributes:
        first: The values of the first request, by place and name; bounds of the window are open.
        later: The values of the requests for the pages after it.
        free: Names that may have any value, by place: page sizes and tokens.
        sizes: The page size, by the place and name that it is sent in.
        authorized: Whether a request has the credentials.
    """

    method: str
    host: str
    path: str
    first: dict[str, dict[str, str]]
    later: dict[str, dict[str, str]]
    token: tuple[str, str] | None = None
    free: dict[str, set[str]] = field(default_factory=lambda: {"params": set(), "headers": set(), "body": set()})
    sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    authorized: Callable[[Received], bool] = lambda _: True

    @property
    def signature(self) -> str:
        """What distinguishes it from the requests of other slices."""
        return json.dumps([self.method, self.host, self.path, self.first["params"], self.first["body"]], sort_keys=True)

    def captured(self, request: Received) -> dict[str, str] | None:
        """The open values in a request: bounds of the window and the token; None if it is another request."""
        found = matcher(self.path).fullmatch(request.path)
        if (request.method, request.host) != (self.method, self.host) or not found:
            return None
        captured = dict(found.groupdict())
        for values in (self.later, self.first):
            matched = self._match(request, values)
            if matched is not None:
                return captured | matched
        return None

    def _is_free(self, place: str, name: str) -> bool:
        """Whether a name, or an object that it is in, may have any value."""
        return any(name == free or name.startswith(f"{free}.") for free in self.free[place])

    def _match(self, request: Received, values: Mapping[str, Mapping[str, str]]) -> dict[str, str] | None:
        captured: dict[str, str] = {}
        for place in ("params", "headers", "body"):
            sent: Mapping[str, Any] = getattr(request, place)
            for name, text in values[place].items():
                key = name.lower() if place == "headers" else name
                if (place == "headers" and key in TRANSPORT) or (name in self.free[place] and key not in sent):
                    continue
                found = matcher(_plain(text)).fullmatch(_plain(sent.get(key, "")))
                if not found:
                    return None
                captured |= found.groupdict()
            if place != "headers" and any(
                name not in values[place] and not self._is_free(place, name) for name in sent
            ):
                return None
        for place_and_name, size in self.sizes.items():
            if number := _sent(request, *place_and_name):
                if not 0 < int(number) <= size:
                    return None
                captured["size"] = number
        if self.token and "token" not in captured and (token := _sent(request, *self.token)):
            captured["token"] = token
        return captured


def _sent(request: Received, place: str, name: str) -> str:
    sent = getattr(request, place)
    key = name.lower() if place == "headers" else name
    inside = [value for other, value in sent.items() if other.startswith(f"{key}.")]
    value = sent.get(key, inside[0] if len(inside) == 1 else None)
    return "" if value is None else str(value)


class RequestRenderer:
    """Renders the requests of one stream."""

    def __init__(self, stream: Component, config: Mapping[str, Any]) -> None:
        self._stream, self._config = stream, config
        self._requester = stream["retriever"]["requester"]
        if self._requester.get("type") != "HttpRequester":
            raise UnsupportedError("a custom requester")

    def expected(self, partition: Mapping[str, Any], extra: Mapping[str, Any]) -> Expected:
        """The requests of a partition, whose parents have these extra fields."""
        sync = self._stream.get("incremental_sync")
        interval: dict[str, Any] = {}
        if sync:
            format = sync.get("datetime_format", "")
            interval = {
                sync.get("partition_field_start", "start_time"): Open("start", format),
                sync.get("partition_field_end", "end_time"): Open("end", format),
            }
        context = {
            "config": self._config,
            "stream_partition": partition,
            "stream_interval": interval,
            "stream_slice": {**partition, **interval, "extra_fields": extra},
        }
        first = self._values({**context, "next_page_token": None})
        later = self._values({**context, "next_page_token": {"next_page_token": TOKEN}})
        url = urlsplit(self._url({**context, "next_page_token": None}))
        for values in (first, later):
            values["params"] |= dict(parse_qsl(url.query, keep_blank_values=True))
            self._inject(values, partition, interval)
        method = str(self._requester.get("http_method") or "GET").upper()
        expected = Expected(method, url.netloc, unquote(url.path), first, later)
        for place, texts in later.items():  # without a bound, the API returns all rows
            expected.free[place] |= {name for name, text in texts.items() if OPEN.search(text)}
        return expected

    def _url(self, context: Mapping[str, Any]) -> str:
        base = self._requester.get("url_base") or self._requester.get("url") or ""
        base = render(base, self._requester, **context).strip()
        path = render(self._requester.get("path") or "", self._requester, **context).strip()
        url = f"{base.rstrip('/')}/{path.lstrip('/')}" if path else base
        return re.sub(r"(?<!:)//+", "/", url)

    def _values(self, context: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        values: dict[str, dict[str, str]] = {"params": {}, "headers": {}, "body": {}}
        for place, key in (("params", "request_parameters"), ("headers", "request_headers")):
            fields = self._requester.get(key) or {}
            fields = dict(parse_qsl(fields)) if isinstance(fields, str) else fields_of(fields)
            for name, text in fields.items():
                rendered = self._text(text[0] if isinstance(text, list) and len(text) == 1 else text, context)
                values[place] |= {str(name).strip(): rendered} if rendered not in ("", "None") else {}
        for key in ("request_body_json", "request_body_data", "request_body"):
            if body := self._requester.get(key):
                body = body["value"] if key == "request_body" and "value" in body else body
                if isinstance(body, str):
                    body = evaluate(body, self._requester, **context)
                if not isinstance(body, Mapping):
                    raise UnsupportedError("a body that is a text")
                values["body"] |= flat(self._nested(body, context))
        return values

    def _text(self, value: Any, context: Mapping[str, Any]) -> str:
        if isinstance(value, (list, dict)):
            raise UnsupportedError("a parameter that is a list or an object")
        return str(value).lower() if isinstance(value, bool) else render(value, self._requester, **context).strip()

    def _nested(self, value: Any, context: Mapping[str, Any]) -> Any:
        if isinstance(value, Mapping):
            return {key: self._nested(each, context) for key, each in fields_of(value).items()}
        if isinstance(value, list):
            return [self._nested(each, context) for each in value]
        return evaluate(value, self._requester, **context) if isinstance(value, str) else value

    def _inject(self, values: dict[str, dict[str, str]], partition: Mapping[str, Any], interval: Any) -> None:
        sync = self._stream.get("incremental_sync") or {}
        options: list[tuple[Any, Any]] = [
            (sync.get(f"{bound}_time_option"), Open(bound, sync.get("datetime_format", "")))
            for bound in ("start", "end")
        ]
        routers = self._stream["retriever"].get("partition_router") or []
        for router in routers if isinstance(routers, list) else [routers]:
            if router.get("type") == "ListPartitionRouter":
                options.append((router.get("request_option"), partition.get(router.get("cursor_field"))))
            for each in router.get("parent_stream_configs") or ():
                options.append((each.get("request_option"), partition.get(each["partition_field"])))
        for option, value in options:
            if option and value is not None:
                place, name = place_of(option)
                values[place][name] = str(value)


def place_of(option: Mapping[str, Any]) -> tuple[str, str]:
    """The place and the name that a request option injects a value into."""
    path = option.get("field_path")
    name = ".".join(map(str, path)) if path else str(option.get("field_name"))
    if option.get("inject_into") not in PLACES:
        raise UnsupportedError(f"a value in {option.get('inject_into')}")
    return PLACES[option["inject_into"]], name.strip()


def flat(value: Any, name: str = "") -> dict[str, str]:
    """The leaves of an object by their paths."""
    if isinstance(value, (Mapping, list)) and value:
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        return {
            key: text
            for step, each in items
            for key, text in flat(each, f"{name}.{step}" if name else str(step)).items()
        }
    return {name: _plain(value)} if name else {}


def _plain(value: Any) -> str:
    if isinstance(value, (bool, list, dict)) or value is None:
        return json.dumps(value)
    return str(value).lower() if str(value) in ("True", "False") else str(value)


def authorization(authenticator: Any, config: Mapping[str, Any], tokens: Mapping[str, str]) -> tuple[str, str, str]:
    """Place, name and value of the credentials in requests; the name is empty if there are none."""
    if isinstance(authenticator, Mapping) and authenticator.get("type") == "SelectiveAuthenticator":
        chosen: Any = config
        for step in authenticator["authenticator_selection_path"]:
            chosen = (chosen or {}).get(step)
        authenticator = authenticator["authenticators"].get(chosen)
        if authenticator is None:
            raise UnsupportedError("a selected authenticator that does not exist")
    kind = authenticator.get("type") if isinstance(authenticator, Mapping) else "NoAuth"

    def value(key: str) -> str:
        return render(authenticator.get(key) or "", authenticator, config=config).strip()

    if kind == "NoAuth":
        return "headers", "", ""
    if kind == "BearerAuthenticator":
        return "headers", "authorization", f"Bearer {value('api_token')}"
    if kind == "BasicHttpAuthenticator":
        pair = base64.b64encode(f"{value('username')}:{value('password')}".encode()).decode()
        return "headers", "authorization", f"Basic {pair}"
    if kind == "ApiKeyAuthenticator":
        option = authenticator.get("inject_into") or {"inject_into": "header", "field_name": authenticator["header"]}
        place, name = place_of(option)
        return place, render(name, authenticator, config=config), value("api_token")
    if kind == "OAuthAuthenticator":
        return "headers", "authorization", f"Bearer {tokens['oauth']}"
    if kind == "SessionTokenAuthenticator":
        use = authenticator["request_authentication"]
        if use["type"] == "Bearer":
            return "headers", "authorization", f"Bearer {tokens['session']}"
        return *place_of(use["inject_into"]), tokens["session"]
    raise UnsupportedError(f"the authenticator {kind}")


def is_authorized(request: Received, credentials: tuple[str, str, str]) -> bool:
    """Whether a request has these credentials."""
    place, name, value = credentials
    sent = getattr(request, place).get(name.lower() if place == "headers" else name)
    return not name or re.sub(r"\s+", " ", str(sent)) == re.sub(r"\s+", " ", value)
