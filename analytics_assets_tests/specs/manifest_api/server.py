"""The fake API of a manifest: it serves rows to the requests that the manifest describes."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from analytics_assets_tests.specs.manifest_api.components import Component, UnsupportedError, parent_configs
from analytics_assets_tests.specs.manifest_api.pages import Pages
from analytics_assets_tests.specs.manifest_api.requests import (
    Expected,
    Received,
    RequestRenderer,
    authorization,
    flat,
    is_authorized,
)
from analytics_assets_tests.specs.manifest_api.rows import Slice, fields_needed, fill, slices_of
from analytics_assets_tests.specs.manifest_api.templates import OPEN, render
from analytics_assets_tests.specs.manifest_api.times import read, step

TOKENS = {"oauth": "oauth-token-1", "session": "session-token-1"}
MAX_PAGE = 1500
PARENT_ROWS = 4
Response = tuple[int, dict[str, str], Any]


@dataclass
class ServedSlice:
    """A slice with its requests."""

    slice: Slice
    expected: Expected


@dataclass
class ServedStream:
    """A stream of the fake API."""

    component: Component
    slices: list[ServedSlice]
    pages: Pages
    credentials: tuple[str, str, str]

    @property
    def cursor(self) -> tuple[str, str]:
        """The field of a record's time, and how it is written."""
        sync = self.component.get("incremental_sync") or {}
        formats = sync.get("cursor_datetime_formats") or [sync.get("datetime_format", "")]
        return str(sync.get("cursor_field")), formats[0]

    @property
    def rows(self) -> list[tuple[Slice, datetime, dict[str, Any]]]:
        """All rows, with their slices and times."""
        return [(each.slice, moment, row) for each in self.slices for moment, row in each.slice.rows]


@dataclass
class ManifestApi:
    """The streams that are served.

    Attributes:
        config: The settings of the connector.
        times: The start of each window of the test, and the end of the last one.
        rejected: Requests that are of no stream, with what is wrong.
    """

    config: Mapping[str, Any]
    times: Sequence[datetime]
    streams: dict[str, ServedStream] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)
    _logins: dict[tuple[str, str], Component] = field(default_factory=dict)

    def add(self, stream: Component, children: Sequence[Component]) -> None:
        """Serve a stream and its parents.

        Args:
            stream: The stream.
            children: The parent configurations that read it.

        Raises:
            UnsupportedError: A part of it cannot be served.
        """
        name = stream["name"]
        if name in self.streams:
            return
        by_parent: dict[str, list[Component]] = {}
        for config in parent_configs(stream):
            by_parent.setdefault(config["stream"]["name"], []).append(config)
        above = {each["stream"]["name"] for configs in by_parent.values() for config in configs
                 for each in parent_configs(config["stream"])}  # fmt: skip
        for parent, configs in sorted(by_parent.items(), key=lambda item: item[0] in above):
            inherited = [each for other in by_parent.values() for config in other
                         for each in parent_configs(config["stream"]) if each["stream"]["name"] == parent]  # fmt: skip
            self.add(configs[0]["stream"], [*configs, *inherited])
        parents = {key: [each.slice for each in served.slices] for key, served in self.streams.items()}
        renderer = RequestRenderer(stream, self.config)
        authenticator = stream["retriever"]["requester"].get("authenticator")
        credentials = authorization(authenticator, self.config, TOKENS)
        known = {each.expected.signature for served in self.streams.values() for each in served.slices}
        served: list[ServedSlice] = []
        pages: Pages | None = None
        for each in slices_of(stream, parents, self.config):
            expected = renderer.expected(each.partition, each.extra)
            if expected.signature in known - {other.expected.signature for other in served}:
                raise UnsupportedError("two streams with the same request")
            pages = pages or Pages(stream, self.config, expected)
            Pages(stream, self.config, expected)
            if credentials[1]:
                expected.free[credentials[0]].add(credentials[1])
            if all(other.expected.signature != expected.signature for other in served):
                served.append(ServedSlice(each, expected))
        if pages is None:
            raise UnsupportedError("a stream without partitions")
        size = PARENT_ROWS if children else 2 * min(pages.size, MAX_PAGE) + 1
        fill(stream, [each.slice for each in served], fields_needed(stream, children), size, self.times)
        self.streams[name] = ServedStream(stream, served, pages, credentials)
        self._add_login(authenticator)

    def _add_login(self, authenticator: Any) -> None:
        if not isinstance(authenticator, Mapping):
            return
        kind = authenticator.get("type")
        if kind == "SelectiveAuthenticator":
            for each in authenticator["authenticators"].values():
                self._add_login(each)
        elif kind == "OAuthAuthenticator":
            url = urlsplit(render(authenticator["token_refresh_endpoint"], authenticator, config=self.config).strip())
            self._logins[url.netloc, url.path] = dict(authenticator)
        elif kind == "SessionTokenAuthenticator":
            login = authenticator["login_requester"]
            base = render(login.get("url_base") or login.get("url") or "", login, config=self.config)
            path = render(login.get("path") or "", login, config=self.config)
            url = urlsplit(f"{base.rstrip('/')}/{path.lstrip('/')}" if path else base)
            self._logins[url.netloc, url.path] = dict(authenticator)

    def respond(self, request: Received) -> Response:
        """Status, headers and body."""
        if login := self._logins.get((request.host, request.path)):
            return self._log_in(login)
        for served in self.streams.values():
            for each in served.slices:
                captured = each.expected.captured(request)
                if captured is not None:
                    return self._serve(served, each, request, captured)
        expected = [
            f"{each.expected.method} {each.expected.host} {each.expected.first}"
            for served in self.streams.values() for each in served.slices if each.expected.path == request.path
        ]  # fmt: skip
        sent = f"{request.method} {request.host}{request.path} {dict(request.params)} {request.body}"
        self.rejected.append(f"{sent}; expected: {expected[:1]}")
        return 404, {}, {"error": "no such endpoint"}

    def _serve(
        self, served: ServedStream, each: ServedSlice, request: Received, captured: Mapping[str, str]
    ) -> Response:
        name = served.component["name"]
        if not is_authorized(request, served.credentials):
            self.rejected.append(f"{name}: wrong credentials, not {served.credentials}")
            return 401, {}, {"error": "unauthorized"}
        try:
            rows = self._in_window(each, captured)
            bounds = "".join(f"{captured.get(bound)}" for bound in ("start", "end"))
            page = served.pages.respond(request, each.expected.signature + bounds, captured, rows)
        except (UnsupportedError, ValueError, KeyError) as error:
            self.rejected.append(f"{name}: {type(error).__name__} {error} in {dict(request.params)} {request.body}")
            return 400, {}, {"error": "bad request"}
        return 200, page.headers, page.body

    @staticmethod
    def _in_window(each: ServedSlice, captured: Mapping[str, str]) -> list[dict[str, Any]]:
        """The rows between the bounds of a request, in the precision of the bounds and with both ends."""
        rows = each.slice.rows
        formats = dict(OPEN.findall(json.dumps(each.expected.first, ensure_ascii=False).replace("\\u0002", "\x02")
                                    .replace("\\u0003", "\x03") + each.expected.path))  # fmt: skip
        for name in ("start", "end"):
            if name in captured:
                format = formats[name]
                bound, unit = read(captured[name], format), step(format)
                rows = [
                    (moment, row)
                    for moment, row in rows
                    if (moment + unit > bound if name == "start" else moment <= bound + unit)
                ]
        return [row for _, row in rows]

    @staticmethod
    def _log_in(authenticator: Component) -> Response:
        if authenticator["type"] == "OAuthAuthenticator":
            names = [
                authenticator.get(key, key.removesuffix("_name")) for key in ("access_token_name", "expires_in_name")
            ]
            return 200, {}, {names[0]: TOKENS["oauth"], names[1]: 3600}
        body: Any = TOKENS["session"]
        for key in reversed(authenticator["session_token_path"]):
            body = {key: body}
        return 200, {}, body


@contextmanager
def listening(api: list[ManifestApi]) -> Iterator[int]:
    """Serve the last API of a list on a free port, which the hosts of all manifests lead to."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            body: Any = {}
            if content and "json" in str(self.headers.get("Content-Type")):
                body = json.loads(content)
            elif content:
                body = dict(parse_qsl(content, keep_blank_values=True))
            request = Received(
                self.command,
                self.headers["Host"],
                re.sub("//+", "/", unquote(parts.path)),
                {name.strip(): value for name, value in parse_qsl(parts.query, keep_blank_values=True)},
                {name.lower(): value for name, value in self.headers.items()},
                flat(body) if body else {},
            )
            status, headers, answer = api[-1].respond(request)
            payload = json.dumps(answer).encode()
            self.send_response(status)
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(payload))}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        do_POST = do_PUT = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Nothing is logged."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield http.server_address[1]
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
