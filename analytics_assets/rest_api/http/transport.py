"""The HTTP transport, by libcurl: persistent connections, timeouts, TLS, proxies, compressed bodies.

libcurl uses about a sixth of the CPU time per request of urllib3 and releases the GIL.
"""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote
from urllib.request import getproxies, proxy_bypass

import certifi
import pycurl

from analytics_assets.rest_api.errors import ConfigError, ResponseError
from analytics_assets.rest_api.http.compression import COMPRESSED_ENCODINGS, decompress
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
    """

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
        self._headers: tuple[Mapping[str, str], list[bytes]] = ({}, [])  # those of the last request, and their lines

    def close(self) -> None:
        """Close the idle connections."""
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
        body = body or b"" if method != "GET" else body
        idle = self._idle.setdefault((method, body is not None), [])
        curl = self._open(method, idle if reuse_connection else [], has_body=body is not None)
        lines: list[bytes] = []
        chunks: list[bytes] = []
        remaining = self._max_page_bytes

        def write(chunk: bytes) -> int | None:
            nonlocal remaining
            remaining -= len(chunk)
            chunks.append(chunk)
            return None if remaining >= 0 else 0  # 0 makes libcurl abort the transfer

        self._set_request(curl, url, headers, body)
        curl.setopt(pycurl.WRITEFUNCTION, write)
        curl.setopt(pycurl.HEADERFUNCTION, lines.append)
        try:
            curl.perform()
        except pycurl.error as error:
            problem = _transport_error(curl, int(error.args[0]), uses_proxy=bool(self._options[pycurl.PROXY]))
            curl.close()
            if remaining < 0:
                raise self._too_large() from None
            raise problem from None
        except BaseException:  # raised by a signal handler
            curl.close()
            raise
        status = curl.getinfo(pycurl.RESPONSE_CODE)
        if reuse_connection:
            idle.append(curl)
        else:
            curl.close()
        response = Response(status, Headers(lines), b"".join(chunks))
        if any(map(CONTENT_ENCODING.match, lines)):
            return self._decompressed(response)
        return response

    def _set_request(self, curl: pycurl.Curl, url: str, headers: Mapping[str, str], body: bytes | None) -> None:
        last, lines = self._headers
        if headers != last or not lines:
            lines = [*map(_header_line, headers.items()), *EXTRA_HEADERS]
            self._headers = dict(headers), lines
        curl.setopt(pycurl.URL, UNSAFE_URL_CHARS.sub(lambda found: quote(found[0]), URL_USERINFO.sub("", url, 1)))
        curl.setopt(pycurl.HTTPHEADER, lines)
        if body is not None:
            curl.setopt(pycurl.POSTFIELDS, body)

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

    def _open(self, method: str, idle: list[pycurl.Curl], *, has_body: bool) -> pycurl.Curl:
        """An idle connection, or a new one."""
        with suppress(IndexError):  # no check before: another thread could take the last one
            return idle.pop()
        curl = pycurl.Curl()
        for option, value in self._options.items():
            curl.setopt(option, value)
        if has_body:  # libcurl would send a POST
            curl.setopt(pycurl.CUSTOMREQUEST, method)
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
