"""A server that is made from a manifest's own description, without the converter: it serves the rows of its streams."""

from __future__ import annotations

import base64
import json
import operator
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from jinja2 import Environment

JINJA = Environment(autoescape=False)
KEYS = re.compile(r"\.get\(\s*'([^']+)'|\['([^']+)'\]|\.(\w+)(?!\w*\()")
Rows = Mapping[str, list[dict[str, Any]]]
Exchange = tuple[str, str, dict[str, str], dict[str, str], dict[str, Any]]


def keys_in(expression: str, root: str) -> list[str]:
    """The keys of a path in a template, such as `response.get('meta', {}).next`."""
    path = expression.split(root, 1)[1]
    path = re.sub(r"\s(if|is|or)\s.*|\}\}.*", "", path)
    return [next(filter(None, groups)) for groups in KEYS.findall(path)]


class ManifestServer:
    """Serves the streams of a manifest.

    Attributes:
        manifest: The manifest, without references.
        config: The connector's settings.
        rows: The rows of each stream; `_of` holds the partition's value.
        url: The server's URL.
    """

    def __init__(self, manifest: Mapping[str, Any], config: Mapping[str, str], rows: Rows) -> None:
        self.manifest, self.config, self.rows = manifest, config, rows
        self.url = ""

    def respond(self, exchange: Exchange) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body for a request: method, path, parameters, headers, JSON or form body."""
        method, path, params, headers, body = exchange
        if path == "/login":
            return 200, {}, {"auth": {"token": "session-1"}, "access_token": "oauth-1", "expires_in": 3600}
        for stream in self.manifest["streams"]:
            requester = stream["retriever"]["requester"]
            values = self._partition(requester, method, path, params)
            if values is not None:
                if not self._is_authorized(requester.get("authenticator"), params, headers, body):
                    return 401, {}, {"error": "unauthorized"}
                rows = [row for row in self.rows[stream["name"]] if all(row["_of"] == value for value in values)]
                return self._page(stream, rows, path, {**params, **body}, headers)
        return 404, {}, {"error": f"no stream for {method} {path}"}

    def _partition(self, requester: Mapping[str, Any], method: str, path: str, params: Mapping[str, str]) -> Any:
        """The values of the partition in a request; None if it is not a request of this stream."""
        base = urlsplit(JINJA.from_string(requester["url_base"]).render(config=self.config)).path
        template = f"{base.rstrip('/')}/{requester['path'].lstrip('/')}"
        template = re.sub(r"\{\{\s*config\['(\w+)'\]\s*\}\}", lambda found: self.config[found[1]], template)
        parts = re.split(r"\{\{.*?\}\}", template)
        found = re.fullmatch("([^/]+)".join(map(re.escape, parts)), path)
        if not found or requester.get("http_method", "GET") != method:
            return None
        sent = requester.get("request_parameters", {})
        for name, value in sent.items():
            if "{{" not in value and params.get(name) != value:
                return None
            if "config" in value and params.get(name) != JINJA.from_string(value).render(config=self.config):
                return None
        bound = [unquote(value) for value in found.groups()]
        return bound[-1:] or [
            params[name] for name, value in sent.items() if "stream_" in value and "time" not in value
        ]

    def _is_authorized(
        self, auth: Any, params: Mapping[str, str], headers: Mapping[str, str], body: Mapping[str, Any]
    ) -> bool:
        def value(key: str) -> str:
            return JINJA.from_string(auth.get(key, "")).render(config=self.config)

        kind = auth["type"] if auth else "NoAuth"
        sent = headers.get("authorization", "")
        if kind == "BearerAuthenticator":
            return sent == f"Bearer {value('api_token')}"
        if kind == "BasicHttpAuthenticator":
            expected = base64.b64encode(f"{value('username')}:{value('password')}".encode()).decode()
            return sent == f"Basic {expected}"
        if kind == "ApiKeyAuthenticator":
            option = auth["inject_into"]
            places = {"header": headers, "request_parameter": params, "body_json": body}
            name = option["field_name"].lower() if option["inject_into"] == "header" else option["field_name"]
            return places[option["inject_into"]].get(name) == value("api_token")
        if kind == "OAuthAuthenticator":
            return sent == "Bearer oauth-1"
        if kind == "SessionTokenAuthenticator":
            return "session-1" in (sent.removeprefix("Bearer "), headers.get("x-session", ""))
        return True

    def _page(
        self, stream: Mapping[str, Any], rows: list[dict[str, Any]], path: str, sent: dict[str, Any], headers: Any
    ) -> tuple[int, dict[str, str], Any]:
        retriever = stream["retriever"]
        rows = self._in_window(stream.get("incremental_sync"), rows, sent)
        paginator = retriever.get("paginator") or {"type": "NoPagination"}
        strategy = paginator.get("pagination_strategy", {"type": "none"})
        size = int(strategy.get("page_size", 2)) if strategy["type"] != "none" else len(rows)
        option = paginator.get("page_token_option", {})
        token = (headers if option.get("inject_into") == "header" else sent).get(option.get("field_name", "_token"))
        start = self._start(strategy, rows, token, size)
        records = [{key: value for key, value in row.items() if key != "_of"} for row in rows[start : start + size]]
        body: Any = records
        for key in reversed(retriever["record_selector"]["extractor"]["field_path"]):
            body = [{**body}] if key == "*" else {key: body}
        more = start + size < len(rows)
        strategy = {**strategy, "is_link": option.get("type") == "RequestPath"}
        extra = self._add_next(strategy, body, f"{start + size}" if more else None, path, sent, records)
        return 200, extra, body

    @staticmethod
    def _start(strategy: Mapping[str, Any], rows: list[dict[str, Any]], token: Any, size: int) -> int:
        if token in (None, ""):
            return 0
        if strategy["type"] == "PageIncrement":
            return int((int(token) - strategy.get("start_from_page", 0)) * size)
        if "last_record" in strategy.get("cursor_value", ""):
            [key] = keys_in(strategy["cursor_value"], "last_record")
            return 1 + next(index for index, row in enumerate(rows) if str(row[key]) == str(token))
        return int(token)

    def _add_next(
        self, strategy: Mapping[str, Any], body: Any, token: str | None, path: str, sent: dict[str, Any], records: Any
    ) -> dict[str, str]:
        """Put the next page's token where the manifest reads it; returns headers."""
        cursor = str(strategy.get("cursor_value", ""))
        condition = str(strategy.get("stop_condition", ""))
        if strategy["type"] != "CursorPagination" or "last_record" in cursor:
            return {}
        link = f"{self.url}{path}?{urlencode({**sent, '_token': token})}" if token else None
        if "headers" in cursor:
            return {"Link": f'<{link}>; rel="next"'} if link else {}
        flag = keys_in(condition, "response") if "response" in condition else []
        keys = keys_in(cursor, "response")
        if flag and flag != keys and keys[: len(flag)] != flag:
            _set(body, flag, token is not None)
        _set(body, keys, link if strategy["is_link"] else token)
        return {}

    def _in_window(self, sync: Any, rows: list[dict[str, Any]], sent: Mapping[str, Any]) -> list[dict[str, Any]]:
        for bound in ("start", "end"):
            option = (sync or {}).get(f"{bound}_time_option")
            if option and (text := sent.get(option["field_name"])) is not None:
                field, text = sync["cursor_field"], str(text)
                keep = operator.ge if bound == "start" else operator.le
                number = sync["datetime_format"] == "%s"
                rows = [
                    row
                    for row in rows
                    if keep(row[field] if number else str(row[field]), int(text) if number else text)
                ]
        return rows


def _set(body: Any, keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        body = body.setdefault(key, {})
    body[keys[-1]] = value


@contextmanager
def serve_manifest(server: ManifestServer) -> Iterator[str]:
    """Serve on a free port; the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            params = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            is_json = content.startswith("{")
            body = json.loads(content) if is_json else {name: values[-1] for name, values in parse_qs(content).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            if "_token" in params and "page_token" not in params:
                headers["_token"] = params["_token"]
            exchange = (self.command, parts.path, params, headers, body)
            status, extra, answer = server.respond(exchange)
            payload = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {
                **extra,
                "Content-Type": "application/json",
                "Content-Length": str(len(payload)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Nothing is logged."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.url
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
