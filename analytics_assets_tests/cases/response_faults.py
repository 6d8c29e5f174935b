"""Faults of connections, of HTTP, and of bodies that are not a page: each one once, and always."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from analytics_assets_tests.fake_api import Exchange, Fault, FaultyResponse, Response, faults
from analytics_assets_tests.fake_api.pagination import page_url
from analytics_assets_tests.harness.fault_injection import ALWAYS, BY_POST, FaultCase

PERMANENT_STATUSES = [
    204, 206, 300, 302, 304, 400, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418,
    421, 422, 423, 424, 425, 426, 428, 431, 451, 501, 505, 506, 507, 508, 510, 511, 520, 521, 522, 523, 524, 525, 526,
    527, 530, 598, 599,
]  # fmt: skip
TRANSIENT_STATUSES = [429, 500, 502, 503, 504]
RETRY_AFTER = {
    "seconds": "7",
    "a date": "Fri, 31 Dec 2100 23:59:59 GMT",
    "a past date": "Fri, 31 Dec 1999 23:59:59 GMT",
    "nonsense": "when it rains",
    "an hour": "3600",
    "a negative number": "-5",
}
CLOSED = "the connection was closed before the response was complete"
NOT_FOUND_IN = "leads to nothing in the (response|answer)"
ONE_RETRY: Mapping[str, Any] = {"error_handler": {"backoff_factor": 0, "max_retries": 1}}
SMALL_PAGES: Mapping[str, Any] = {"max_page_bytes": 1_000_000}


def raw_response(build: Callable[[Response], bytes]) -> Fault:
    """The response as bytes, then the end of the connection."""
    return lambda exchange: FaultyResponse(raw=build(exchange.response()))


def http_bytes(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def wrong_length(difference: int) -> Fault:
    """A Content-Length that is wrong by this number of bytes."""
    return raw_response(
        lambda response: http_bytes(response.body, f"Content-Length: {len(response.body) + difference}")
    )


def chunk(body: bytes, size: str | None = None) -> bytes:
    return f"{size or format(len(body), 'x')}\r\n".encode() + body + b"\r\n"


def chunked(end: bytes, size: str | None = None) -> Fault:
    """The body as one chunk with this size, then other bytes."""
    return raw_response(lambda response: http_bytes(chunk(response.body, size) + end, "Transfer-Encoding: chunked"))


def encoded(encode: Callable[[bytes], bytes], name: str = "gzip") -> Fault:
    """The body in a content encoding."""

    def respond(exchange: Exchange) -> Response:
        body = encode(exchange.response().body)
        return Response(body=body, headers={"Content-Encoding": name, "Content-Length": str(len(body))})

    return respond


def redirect(status: int, location: str | None = None) -> Fault:
    """A redirect, by default to the same page."""
    return lambda exchange: Response(status, headers={"Location": location or page_url(exchange.request, {})})


def edit_text(change: Callable[[str], str]) -> Fault:
    """The body, changed as text."""
    return faults.change_body(lambda body: change(body.decode()).encode())


def padded(size: int) -> Callable[[bytes], bytes]:
    """Append this number of blanks to a valid body."""
    return lambda body: body + b" " * size


def gzip_bomb(megabytes: int) -> Callable[[bytes], bytes]:
    """Append many blanks to a valid body, compressed to a thousandth of their size."""
    blanks = gzip.compress(b" " * 1_000_000)
    return lambda body: gzip.compress(body) + megabytes * blanks


def wrong_checksum(body: bytes) -> bytes:
    return gzip.compress(body)[:-8] + bytes(8)


def always(name: str, fault: Fault, error: str, **options: Any) -> FaultCase:
    """A fault in every response."""
    return FaultCase(name=name, fault=fault, error=error, times=ALWAYS, **options)


def body(name: str, content: bytes, error: str) -> FaultCase:
    """Another body in every response."""
    return always(name, faults.body(content), error)


# Faults that a retry repairs, and the error message if it does not.
TRANSIENT: list[tuple[str, Fault, str]] = [
    *((f"status {code}", faults.status(code), rf"\b{code}\b") for code in TRANSIENT_STATUSES),
    *(
        (f"{code}, Retry-After {name}", faults.status(code, headers={"Retry-After": value}), rf"\b{code}\b")
        for name, value in RETRY_AFTER.items()
        for code in (429, 503)
    ),
    ("closed", faults.close(), CLOSED),
    ("reset", faults.reset(), CLOSED),
    ("dropped response", faults.drop_response(), CLOSED),
    ("cut before the body", faults.cut(0), CLOSED),
    ("cut within the body", faults.cut(), CLOSED),
    ("cut at the last byte", faults.cut(0.995), CLOSED),
    ("not HTTP", faults.raw(b"what?\r\n\r\n"), "not valid HTTP"),
    ("no bytes", faults.raw(b""), CLOSED),
    ("Content-Length too long", wrong_length(+10), CLOSED),
    ("Content-Length twice", raw_response(lambda r: http_bytes(r.body, "Content-Length: 5, 7")), "not valid HTTP"),
    (
        "Content-Length not a number",
        raw_response(lambda r: http_bytes(r.body, "Content-Length: some")),
        "not valid HTTP",
    ),
    ("last chunk missing", chunked(b""), CLOSED),
    ("chunk without a size", chunked(b"0\r\n\r\n", "zz"), CLOSED),
    (
        "too many headers",
        faults.raw(http_bytes(b"", *(f"X-{n}: 1" for n in range(6_000)))),
        "the response headers are too large",
    ),
    ("a header too long", faults.raw(http_bytes(b"", "X: " + "y" * 400_000)), "the response headers are too large"),
    ("not gzip", encoded(lambda content: content), "the compressed body is corrupt"),
    ("gzip with a wrong checksum", encoded(wrong_checksum), "the compressed body is corrupt"),
    ("hang", faults.slow(3600), "no data within the read timeout"),
    ("hang within the body", faults.slow_body(3600), "no data within the read timeout"),
]
# Unusual responses that are right.
HARMLESS: list[tuple[str, Fault]] = [
    ("slow", faults.slow(0.1)),
    ("slow body", faults.slow_body(0.2)),
    ("gzip", encoded(gzip.compress)),
    ("gzip twice", encoded(lambda content: gzip.compress(gzip.compress(content)), "gzip, gzip")),
    ("deflate", encoded(zlib.compress, "deflate")),
    ("chunked", chunked(b"0\r\n\r\n")),
    ("neither length nor chunks", raw_response(lambda response: http_bytes(response.body))),
    ("byte order mark", faults.change_body(lambda content: b"\xef\xbb\xbf" + content)),
    ("blanks around", edit_text(lambda content: f"\n\t {content} \r\n")),
    ("escaped slashes", edit_text(lambda content: json.dumps(json.loads(content)).replace("/", "\\/"))),
    ("another content type", faults.change_body(lambda content: content, headers={"Content-Type": "text/html"})),
]
# Faults that no retry repairs.
PERMANENT: list[FaultCase] = [
    *(  # the last two: statuses without an error, with a body that is not a page
        always(f"status {code}", faults.status(code), rf"\b{code}\b|is empty|leads to nothing")
        for code in PERMANENT_STATUSES
    ),
    always("status 401", faults.status(401), r"\b401\b.*SHOP_API_TOKEN"),
    always("redirect in a circle", redirect(302), "more than 5 redirects"),
    always("redirect without a location", faults.status(301), r"\b301\b"),
    always("redirect to an invalid URL", redirect(302, "http://["), "not a URL"),
    always("redirect to an unknown path", redirect(302, "/shop/nowhere"), r"\b404\b"),
    always("redirect to ftp", redirect(302, "ftp://127.0.0.1/x"), "another host"),
    always("redirect to a file", redirect(302, "file:///etc/passwd"), "another host|not a URL"),
    FaultCase(
        name="redirect to another host",
        fault_with_other_host=lambda url: redirect(302, f"{url}/shop/offset"),
        error="another host",
    ),
    FaultCase(
        name="redirect to another host without scheme",
        fault_with_other_host=lambda url: redirect(307, f"{url.removeprefix('http:')}/shop/offset"),
        error="another host",
    ),
    FaultCase(
        name="link to another host",
        fault_with_other_host=lambda url: faults.change_body(
            lambda content: content, headers={"Link": f'<{url}/shop/link?cursor=1>; rel="next"'}
        ),
        error="another host",
        paginations=("link",),
    ),
    always("Content-Length too short", wrong_length(-10), "not valid JSON|not valid JSON"),
    always(
        "truncated gzip",
        encoded(lambda content: gzip.compress(content)[:-20]),
        "not valid JSON|not valid JSON|corrupt|UTF-8",
    ),
    always(
        "brotli, which was not requested",
        faults.body(b"\x8b\x02\x80", headers={"Content-Encoding": "br", "Content-Length": "3"}),
        "UTF-8",
    ),
    always("HTML login page", faults.html(), "HTML"),
    always("error object", faults.error_object(), NOT_FOUND_IN + r" \{error: \{code: int"),
    always("truncated JSON", faults.truncated(), "valid JSON"),
    always("invalid UTF-8", faults.change_body(lambda content: content.replace(b"@", b"\xff")), "UTF-8 at byte"),
    always("UTF-16", faults.change_body(lambda content: content.decode().encode("utf-16")), "UTF-8"),
    always("JSON and more", edit_text(lambda content: content + "x"), "valid JSON"),
    always("JSON twice", edit_text(lambda content: content * 2), "valid JSON"),
    always("a comma too many", edit_text(lambda content: content.replace("}]", "},]")), "valid JSON"),
    always("single quotes", edit_text(lambda content: content.replace('"', "'")), "valid JSON"),
    always("a comment", edit_text(lambda content: f"{content} // all"), "valid JSON"),
    always("JSONP", edit_text(lambda content: f"call({content})"), "valid JSON"),
    always("a page too large", faults.change_body(padded(1_100_000)), "max_page_bytes", client=SMALL_PAGES),
    always(
        "a page too large, in chunks",
        raw_response(
            lambda response: http_bytes(
                chunk(padded(1_100_000)(response.body)) + b"0\r\n\r\n", "Transfer-Encoding: chunked"
            )
        ),
        "max_page_bytes",
        client=SMALL_PAGES,
    ),
    always("a gzip bomb of 150 MB", encoded(gzip_bomb(150)), "max_page_bytes", pages=("middle",)),
    always("a small gzip bomb", encoded(gzip_bomb(2)), "max_page_bytes", client=SMALL_PAGES),
    body("no body", b"", "is empty"),
    body("blanks", b" \n ", "is empty"),
    body("null", b"null", NOT_FOUND_IN + " null"),
    body("a number", b"17", NOT_FOUND_IN + " int"),
    body("a bare list", b'[{"id": 1}]', NOT_FOUND_IN + r" list\[1\]"),
    body("data is null", b'{"data": null, "total": 18}', "leads to a null"),
    body("data is text", b'{"data": "none", "total": 18}', "leads to a str"),
    body("data holds numbers", b'{"data": [1, 2], "total": 18}', "leads to int among the records"),
    body("data holds lists", b'{"data": [[]], "total": 18}', "leads to list among the records"),
    body("data holds nulls", b'{"data": [null], "total": 18}', "leads to null among the records"),
]


REPEATED: list[FaultCase] = [
    *(FaultCase(name=f"{name}, once", fault=fault) for name, fault, _ in TRANSIENT),
    *(always(f"{name}, always", fault, error, endpoint=ONE_RETRY) for name, fault, error in TRANSIENT),
    *(FaultCase(name=name, fault=fault, times=ALWAYS) for name, fault in HARMLESS),
    *(FaultCase(name=f"redirect {code}", fault=redirect(code)) for code in (307, 308)),
]
POST: list[FaultCase] = [
    *(
        replace(case, name=f"POST: {case.name}", paginations=BY_POST)
        for case in (*REPEATED, *PERMANENT)
        if case.paginations == ("offset",) and not case.name.startswith("redirect ")
    ),
    *(
        always(f"POST: redirect {code}", redirect(code), "would turn the POST into a GET", paginations=BY_POST)
        for code in (301, 302, 303)
    ),
]
CASES: list[FaultCase] = [
    *REPEATED,
    *(FaultCase(name=f"redirect {code}", fault=redirect(code)) for code in (301, 302, 303)),
    *PERMANENT,
    *POST,
]
