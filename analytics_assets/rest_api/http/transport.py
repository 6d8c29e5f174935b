"""The HTTP transport, by libcurl: persistent connections, timeouts, TLS, proxies, compressed bodies.

libcurl uses about a sixth of the CPU time per request of urllib3 and releases the GIL.
"""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote
from urllib.request import getproxies, proxy_bypass

import certifi
import pycurl

from analytics_assets.rest_api.errors import ConfigError, ResponseError
from analytics_assets.rest_api.http.compression import COMPRESSED_ENCODINGS, decompress
from analytics_assets.rest_api.http.early_connection import EarlyConnection
from analytics_assets.rest_api.http.request import Message
from analytics_assets.rest_api.http.response import Headers, Response
from analytics_assets.rest_api.http.urls import LOOPBACK, UNSAFE_URL_CHARS, URL_USERINFO

BUFFER_BYTES = 512 * 1024  # libcurl's maximum: fewer calls into Python per response
PROXY = re.compile(r"(https?)://(?:[^/@]*@)?(?:\[[0-9a-fA-F:]+\]|[^/@:\[\]]+)(?::\d+)?/?")
CONTENT_ENCODING = re.compile(rb"content-encoding", re.IGNORECASE)

CURLE_WEIRD_SERVER_REPLY, CURLE_TOO_LARGE = 8, 100  # pycurl has no names for them
# The headers without a value are those that libcurl would add to a body.
EXTRA_HEADERS = (b"Accept-Encoding: gzip", b"Expect:", b"Content-Type:")
NOT_HTTP = "the response is not valid HTTP"
PROXY_FAILED = "the proxy from the environment cannot be reached or refused the request"
CONNECTION_CLOSED = "the connection was closed before the response was complete"
TLS_FAILED = "TLS failed: the certificate is not trusted, or the server does not support TLS"
PROBLEMS = {
    pycurl.E_UNSUPPORTED_PROTOCOL: NOT_HTTP,
    CURLE_WEIRD_SERVER_REPLY: NOT_HTTP,
    CURLE_TOO_LARGE: "the response headers are too large",
    pycurl.E_COULDNT_RESOLVE_PROXY: PROXY_FAILED,
    pycurl.E_COULDNT_RESOLVE_HOST: "the host name cannot be resolved",
    pycurl.E_COULDNT_CONNECT: "the connection was refused",
    pycurl.E_OPERATION_TIMEDOUT: "no data within the read timeout",
    pycurl.E_PARTIAL_FILE: CONNECTION_CLOSED,
    pycurl.E_GOT_NOTHING: CONNECTION_CLOSED,
    pycurl.E_SEND_ERROR: CONNECTION_CLOSED,
    pycurl.E_RECV_ERROR: CONNECTION_CLOSED,
    pycurl.E_SSL_CONNECT_ERROR: TLS_FAILED,
    pycurl.E_PEER_FAILED_VERIFICATION: TLS_FAILED,
    pycurl.E_SSL_CACERT_BADFILE: TLS_FAILED,
}
NEVER_SENT = (pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY, pycurl.E_COULDNT_CONNECT)


class TransportError(Exception):
    """There is no complete response. The message holds no URL.

    Attributes:
        may_have_been_received: False if the request cannot have reached the server.
        is_disconnected: Whether the connection failed or was closed, and not a byte was received.
    """

    is_disconnected = False

    def __init__(self, problem: str, *, may_have_been_received: bool = True) -> None:
        super().__init__(problem)
        self.may_have_been_received = may_have_been_received


class Transport:
    """Sends single requests to one host over persistent connections; safe to share between threads."""

    def __init__(
        self, target: tuple[str, str, int], *, connect_timeout: float, read_timeout: float, max_page_bytes: int
    ) -> None:
        """Read the proxy from the environment; open no connection yet.

        Args:
            target: Scheme, host and port; they select the proxy.
            connect_timeout: Seconds.
            read_timeout: Seconds without a byte received.
            max_page_bytes: Maximum length of a response body, before and after decompression.

        Raises:
            ConfigError: The environment's proxy is not a valid URL.
        """
        trusted = ssl.get_default_verify_paths()
        self._options = {
            pycurl.NOSIGNAL: 1,
            pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
            pycurl.PATH_AS_IS: 1,
            pycurl.PROXY: proxy_for(target),  # an empty text also stops libcurl from reading the environment itself
            pycurl.CAINFO: trusted.cafile or certifi.where(),
            pycurl.CONNECTTIMEOUT_MS: max(1, int(connect_timeout * 1000)),
            pycurl.LOW_SPEED_LIMIT: 1,  # slower than one byte a second for LOW_SPEED_TIME is a timeout
            pycurl.LOW_SPEED_TIME: math.ceil(read_timeout),
            pycurl.BUFFERSIZE: BUFFER_BYTES,
        }
        if trusted.capath:
            self._options[pycurl.CAPATH] = trusted.capath
        self._max_page_bytes = max_page_bytes
        self._idle: dict[tuple[str, bool], list[pycurl.Curl]] = {}  # by method, and whether there is a body
        self._headers: tuple[tuple[tuple[str, str], ...], list[bytes]] = (
            (),
            [],
        )  # those of the last request, and their lines
        self._early: dict[Message, EarlyConnection] = {}
        self._is_connected = False

    def open_early(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> None:
        """Open a connection in another thread, over which `send` sends this request; nothing if one is idle.

        Nothing is sent before. If the connection cannot be used, `send` opens another one.
        """
        message = Message.of(method, url, headers, body)
        idle = self._idle_for(message)
        if idle or message in self._early:
            return

        def transfer(wait: Callable[..., int]) -> Response | None:
            try:
                return self._perform(message, self._open(message, []), idle, wait=wait)
            except TransportError as error:
                if error.is_disconnected:
                    return None
                raise

        self._early[message] = EarlyConnection(transfer)

    def close_early(self, count: int | None = None) -> None:
        """Close so many of the connections, or all, whose requests were not sent."""
        with suppress(KeyError):  # no check before: another thread could take the last one
            for _ in range(len(self._early) if count is None else count):
                self._early.popitem()[1].close()

    def close(self) -> None:
        """Close the connections that no request uses."""
        self.close_early()
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        reuse_connection: bool = True,
    ) -> Response:
        """Send one request. Responses of every status are returned; redirects are not followed.

        Args:
            method: GET, POST or PUT.
            url: The URL, with its query.
            headers: The headers.
            body: The body. None is an empty body for POST and PUT, and no body for GET.
            reuse_connection: Whether libcurl may use an open connection. On one that the server has closed, libcurl
                sends the request again by itself.

        Raises:
            TransportError: There is no complete response.
            ResponseError: The body is longer than `max_page_bytes`; the rest of it is not read.
        """
        message = Message.of(method, url, headers, body)
        if not reuse_connection:
            return self._perform(message, self._open(message, []), None)
        if self._early and (early := self._early.pop(message, None)) and (response := early.send()):
            return response
        idle = self._idle_for(message)
        if not idle and self._is_connected:
            self.close_early(1)  # the new connection replaces it: no more are open than threads send requests
        self._is_connected = True
        return self._perform(message, self._open(message, idle), idle)

    def _idle_for(self, message: Message) -> list[pycurl.Curl]:
        return self._idle.setdefault((message.method, message.body is not None), [])

    def _perform(
        self,
        message: Message,
        curl: pycurl.Curl,
        idle: list[pycurl.Curl] | None,
        *,
        wait: Callable[..., int] | None = None,
    ) -> Response:
        """Send a request, after `wait` once the connection is open; `idle` takes the connection afterwards."""
        lines, chunks = list[bytes](), list[bytes]()
        remaining = self._max_page_bytes

        def write(chunk: bytes) -> int | None:
            nonlocal remaining
            remaining -= len(chunk)
            chunks.append(chunk)
            return None if remaining >= 0 else 0  # 0 makes libcurl abort the transfer

        self._set_request(curl, message)
        curl.setopt(pycurl.WRITEFUNCTION, write)
        curl.setopt(pycurl.HEADERFUNCTION, lines.append)
        if wait:
            curl.setopt(pycurl.PREREQFUNCTION, wait)
        try:
            curl.perform()
        except pycurl.error as error:
            problem = _transport_error(curl, int(error.args[0]), uses_proxy=bool(self._options[pycurl.PROXY]))
            problem.is_disconnected = not lines and error.args[0] != pycurl.E_OPERATION_TIMEDOUT
            curl.close()
            if remaining < 0:
                raise self._too_large() from None
            raise problem from None
        except BaseException:  # raised by a signal handler
            curl.close()
            raise
        status = curl.getinfo(pycurl.RESPONSE_CODE)
        if wait:
            curl.unsetopt(pycurl.PREREQFUNCTION)
        if idle is None:
            curl.close()
        else:
            idle.append(curl)
        response = Response(status, Headers(lines), b"".join(chunks))
        if any(map(CONTENT_ENCODING.match, lines)):
            return self._decompressed(response)
        return response

    def _set_request(self, curl: pycurl.Curl, message: Message) -> None:
        last, lines = self._headers
        if message.headers != last or not lines:
            lines = [*map(_header_line, message.headers), *EXTRA_HEADERS]
            self._headers = message.headers, lines
        url = URL_USERINFO.sub("", message.url, 1)
        curl.setopt(pycurl.URL, UNSAFE_URL_CHARS.sub(lambda found: quote(found[0]), url))
        curl.setopt(pycurl.HTTPHEADER, lines)
        if message.body is not None:
            curl.setopt(pycurl.POSTFIELDS, message.body)

    def _decompressed(self, response: Response) -> Response:
        for encoding in reversed(response.headers.get("Content-Encoding", "").lower().split(",")):
            if encoding.strip() in COMPRESSED_ENCODINGS:
                try:
                    body = decompress(response.body, self._max_page_bytes)
                except ValueError:
                    raise TransportError("the compressed body is corrupt") from None
                if body is None:
                    raise self._too_large()
                response = replace(response, body=body)
        return response

    def _too_large(self) -> ResponseError:
        return ResponseError(
            f"the response is longer than {self._max_page_bytes} bytes. "
            "Request smaller pages (the paginator's `limit`), or increase `client.max_page_bytes`."
        )

    def _open(self, message: Message, idle: list[pycurl.Curl]) -> pycurl.Curl:
        """An idle connection, or a new one."""
        with suppress(IndexError):  # no check before: another thread could take the last one
            return idle.pop()
        curl = pycurl.Curl()
        for option, value in self._options.items():
            curl.setopt(option, value)
        if message.body is not None:  # libcurl would send a POST
            curl.setopt(pycurl.CUSTOMREQUEST, message.method)
        return curl


def proxy_for(target: tuple[str, str, int]) -> str:
    """The proxy for an origin from the environment (HTTPS_PROXY, NO_PROXY); empty if there is none.

    Raises:
        ConfigError: It is not the URL of an HTTP proxy.
    """
    scheme, host, _ = target
    proxy = "" if host in LOOPBACK or proxy_bypass(host) else getproxies().get(scheme, "")
    url = proxy if not proxy or "://" in proxy else f"http://{proxy}"
    if url and not PROXY.fullmatch(url):
        raise ConfigError(f"{scheme.upper()}_PROXY must be the URL of a proxy, such as http://proxy.example.com:3128")
    return url


def _header_line(header: tuple[str, str]) -> bytes:
    name, value = header
    if re.search(r"[\r\n\0]", name + value):
        raise ConfigError(
            f"the header {name!r} contains a line break: remove it from the value, or from the variable that holds it"
        )
    return f"{name}: {value}".encode() if value else f"{name};".encode()  # libcurl's syntax for an empty value


def _transport_error(curl: pycurl.Curl, code: int, *, uses_proxy: bool) -> TransportError:
    sent = curl.getinfo(pycurl.REQUEST_SIZE) > 0
    if uses_proxy and (code == pycurl.E_COULDNT_CONNECT or curl.getinfo(pycurl.HTTP_CONNECTCODE) >= 300):
        return TransportError(PROXY_FAILED, may_have_been_received=False)
    if code == pycurl.E_OPERATION_TIMEDOUT and not sent:
        return TransportError("no connection within the connect timeout", may_have_been_received=False)
    return TransportError(PROBLEMS.get(code, f"libcurl error {code}"), may_have_been_received=code not in NEVER_SENT)
