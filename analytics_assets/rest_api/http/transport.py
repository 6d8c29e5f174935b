"""HTTP below the client, by libcurl: connections that stay open, timeouts, TLS, proxies, compressed bodies.

libcurl because a request costs a sixth of what it costs in Python, and other threads run meanwhile.
"""

from __future__ import annotations

import math
import re
import ssl
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from urllib.parse import quote
from urllib.request import getproxies, proxy_bypass

import certifi
import pycurl

from analytics_assets.rest_api.errors import ConfigError, ResponseError
from analytics_assets.rest_api.http.urls import LOOPBACK, UNSAFE_URL_CHARS, URL_USERINFO
from analytics_assets.rest_api.redaction import redacted_request

BUFFER_BYTES = 512 * 1024  # libcurl's largest: few calls for a page
PROXY = re.compile(r"(https?)://(?:[^/@]*@)?(?:\[[0-9a-fA-F:]+\]|[^/@:\[\]]+)(?::\d+)?/?")
PROXY_PROBLEM = "the proxy that the environment names cannot be reached or refuses"
TLS_PROBLEM = "TLS failed: the certificate is not trusted or the protocol is not spoken"
WEIRD_REPLY, TOO_LARGE = 8, 100  # CURLE_WEIRD_SERVER_REPLY and CURLE_TOO_LARGE, which pycurl has no names for
ENCODED = re.compile(rb"content-encoding", re.IGNORECASE)
COMPRESSED_ENCODINGS = ("gzip", "x-gzip", "deflate")
CORRUPT_BODY = "the compressed body is broken"
PROBLEMS = {
    pycurl.E_UNSUPPORTED_PROTOCOL: "what came is no HTTP",
    WEIRD_REPLY: "what came is no HTTP",
    TOO_LARGE: "the headers of the answer are too many or too long",
    pycurl.E_COULDNT_RESOLVE_PROXY: PROXY_PROBLEM,
    pycurl.E_COULDNT_RESOLVE_HOST: "the host name is unknown",
    pycurl.E_COULDNT_CONNECT: "the connection was refused",
    pycurl.E_OPERATION_TIMEDOUT: "no answer within the read timeout",
    pycurl.E_PARTIAL_FILE: "the connection was cut",
    pycurl.E_GOT_NOTHING: "the connection was cut",
    pycurl.E_SEND_ERROR: "the connection was cut",
    pycurl.E_RECV_ERROR: "the connection was cut",
    pycurl.E_SSL_CONNECT_ERROR: TLS_PROBLEM,
    pycurl.E_PEER_FAILED_VERIFICATION: TLS_PROBLEM,
    pycurl.E_SSL_CACERT_BADFILE: TLS_PROBLEM,
}


class TransportError(Exception):
    """No answer. The text holds no URL; `arrived` is False if the request cannot have reached the server."""

    def __init__(self, problem: str, *, may_have_been_received: bool = True) -> None:
        super().__init__(problem)
        self.may_have_been_received = may_have_been_received


class Headers(Mapping[str, str]):
    """An answer's headers, by names in any case; one that came more than once has commas between. Read when needed."""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines

    @cached_property
    def _values(self) -> dict[str, str]:
        values: dict[str, str] = {}
        for line in self._lines:
            if line.startswith(b"HTTP/"):  # after an answer that was not the last: 100, 103
                values.clear()
            name, colon, value = line.decode("latin-1").partition(":")
            key, text = name.strip().lower(), value.strip()
            if colon:
                values[key] = f"{values[key]}, {text}" if key in values else text
        return values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True)
class Response:
    """An answer, whole: its body decompressed."""

    status: int
    headers: Headers
    body: bytes


class Transport:
    """Sends requests to one host; safe to share between threads."""

    def __init__(
        self, target: tuple[str, str, int], *, connect_timeout: float, read_timeout: float, max_page_bytes: int
    ) -> None:
        """`target` is an origin: its scheme and host tell the proxy that the environment names for it.

        Raises:
            ConfigError: the proxy is none.
        """
        trusted = ssl.get_default_verify_paths()
        self._options = {
            pycurl.NOSIGNAL: 1,
            pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
            pycurl.PATH_AS_IS: 1,
            pycurl.PROXY: proxy_for(target),  # empty: none, whatever the environment says
            pycurl.CAINFO: trusted.cafile or certifi.where(),
            pycurl.CONNECTTIMEOUT_MS: max(1, int(connect_timeout * 1000)),
            pycurl.LOW_SPEED_LIMIT: 1,  # a byte a second, or it counts as silence
            pycurl.LOW_SPEED_TIME: math.ceil(read_timeout),
            pycurl.BUFFERSIZE: BUFFER_BYTES,
        }
        if trusted.capath:
            self._options[pycurl.CAPATH] = trusted.capath
        self._max_page_bytes = max_page_bytes
        self._idle: list[pycurl.Curl] = []

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """The answer to one request, whatever its status; redirects are answers.

        Raises:
            TransportError: there is none.
            ResponseError: it is larger than may be; no more of it is read than that.
        """
        try:
            curl = self._idle.pop()
        except IndexError:
            curl = self._open()
        lines: list[bytes] = []
        chunks: list[bytes] = []
        left = self._max_page_bytes

        def take(chunk: bytes) -> int | None:
            nonlocal left
            left -= len(chunk)
            chunks.append(chunk)
            return None if left >= 0 else 0  # libcurl stops where less is taken than came

        curl.setopt(pycurl.URL, UNSAFE_URL_CHARS.sub(lambda found: quote(found[0]), URL_USERINFO.sub("", url, 1)))
        curl.setopt(pycurl.HTTPHEADER, [*map(_header, headers.items()), b"Accept-Encoding: gzip", b"Expect:"])
        curl.setopt(pycurl.WRITEFUNCTION, take)
        curl.setopt(pycurl.HEADERFUNCTION, lines.append)
        if method == "POST":
            curl.setopt(pycurl.POSTFIELDS, body or b"")
            curl.setopt(pycurl.FRESH_CONNECT, 1)  # on a connection found dead libcurl would post again by itself
            curl.setopt(pycurl.FORBID_REUSE, 1)
        try:
            curl.perform()
        except pycurl.error as error:
            problem = _problem(curl, int(error.args[0]), proxied=bool(self._options[pycurl.PROXY]))
            curl.close()
            if left < 0:
                raise self._too_large(url, method) from None
            raise problem from None
        except BaseException:  # a signal's
            curl.close()
            raise
        status = curl.getinfo(pycurl.RESPONSE_CODE)
        if method == "POST":
            curl.close()
        else:
            self._idle.append(curl)
        answer = Response(status, Headers(lines), b"".join(chunks))
        if not any(map(ENCODED.match, lines)):
            return answer
        for encoding in reversed(answer.headers.get("Content-Encoding", "").lower().split(",")):
            if encoding.strip() in COMPRESSED_ENCODINGS:
                unpacked = decompress(answer.body, self._max_page_bytes)
                if unpacked is None:
                    raise self._too_large(url, method)
                answer = replace(answer, body=unpacked)
        return answer

    def _too_large(self, url: str, method: str) -> ResponseError:
        return ResponseError(
            f"{redacted_request(url, method)}: the answer has more than {self._max_page_bytes} bytes: ask for smaller pages "
            "(the paginator's `limit`), or set `client.max_page_bytes` higher"
        )

    def _open(self) -> pycurl.Curl:
        curl = pycurl.Curl()
        for option, value in self._options.items():
            curl.setopt(option, value)
        return curl


def proxy_for(target: tuple[str, str, int]) -> str:
    """The proxy that the environment names for an origin (HTTPS_PROXY, NO_PROXY); empty if there is none."""
    scheme, host, _ = target
    proxy = "" if host in LOOPBACK or proxy_bypass(host) else getproxies().get(scheme, "")
    url = proxy if not proxy or "://" in proxy else f"http://{proxy}"
    if url and not PROXY.fullmatch(url):
        raise ConfigError(f"{scheme.upper()}_PROXY must name a proxy such as http://proxy.example.com:3128")
    return url


def decompress(packed: bytes, most: int) -> bytes | None:
    """A gzip or deflate body unpacked, of however many members (libcurl reads one); None if it has over `most` bytes.

    Raises:
        TransportError: it is broken, or cut.
    """
    unpacked = b""
    while packed:
        member = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)
        try:
            unpacked += member.decompress(packed, most + 1 - len(unpacked))
        except zlib.error:
            raise TransportError(CORRUPT_BODY) from None
        if len(unpacked) > most:
            return None
        if not member.eof:
            raise TransportError(CORRUPT_BODY)
        packed = member.unused_data
    return unpacked


def _header(header: tuple[str, str]) -> bytes:
    name, value = header
    if re.search(r"[\r\n\0]", name + value):
        raise ConfigError(f"the header {name!r} would hold a line break: its value, or its variable's, must not")
    return f"{name}: {value}".encode() if value else f"{name};".encode()  # libcurl's way to write an empty one


def _problem(curl: pycurl.Curl, code: int, *, proxied: bool) -> TransportError:
    sent = curl.getinfo(pycurl.REQUEST_SIZE) > 0
    if proxied and (code == pycurl.E_COULDNT_CONNECT or curl.getinfo(pycurl.HTTP_CONNECTCODE) >= 300):
        return TransportError(PROXY_PROBLEM, may_have_been_received=False)
    if code == pycurl.E_OPERATION_TIMEDOUT and not sent:
        return TransportError("no connection within the connect timeout", may_have_been_received=False)
    unsent = (pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY, pycurl.E_COULDNT_CONNECT)
    return TransportError(PROBLEMS.get(code, f"libcurl's error {code}"), may_have_been_received=code not in unsent)
