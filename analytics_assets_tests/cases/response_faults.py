"""Faults of the connection, of HTTP, and of bodies that are no page: each once, and for good."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from analytics_assets_tests.fake_api import Exchange, Fault, FaultyResponse, Response, faults
from analytics_assets_tests.fake_api.pagination import page_url
from analytics_assets_tests.harness.fault_injection import Case

REFUSED = [
    204, 206, 300, 302, 304, 400, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418,
    421, 422, 423, 424, 425, 426, 428, 431, 451, 501, 505, 506, 507, 508, 510, 511, 520, 521, 522, 523, 524, 525, 526,
    527, 530, 598, 599,
]  # fmt: skip
RETRIED = [429, 500, 502, 503, 504]
RETRY_AFTER = {
    "nothing": None,
    "seconds": "7",
    "a date": "Fri, 31 Dec 2100 23:59:59 GMT",
    "a past date": "Fri, 31 Dec 1999 23:59:59 GMT",
    "nonsense": "when it rains",
    "an hour": "3600",
    "a negative number": "-5",
}
NO_PAGE = "is empty|leads to nothing"  # a status that is no error, with a body that is no page
ONCE_AGAIN: Mapping[str, Any] = {"error_handler": {"backoff_factor": 0, "max_retries": 1}}
SMALL: Mapping[str, Any] = {"max_page_bytes": 1_000_000}


def plain(change: Callable[[Response], bytes]) -> Fault:
    """The answer in bytes of its own, then the end of the connection."""
    return lambda exchange: FaultyResponse(raw=change(exchange.response()))


def http(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def length(by: int) -> Fault:
    """A Content-Length that is wrong by so many bytes."""
    return plain(lambda answer: http(answer.body, f"Content-Length: {len(answer.body) + by}"))


def chunk(body: bytes, size: str | None = None) -> bytes:
    return f"{size or format(len(body), 'x')}\r\n".encode() + body + b"\r\n"


def chunked(end: bytes, size: str | None = None) -> Fault:
    return plain(lambda answer: http(chunk(answer.body, size) + end, "Transfer-Encoding: chunked"))


def encoded(change: Callable[[bytes], bytes], name: str = "gzip") -> Fault:
    def send(exchange: Exchange) -> Response:
        body = change(exchange.response().body)
        return Response(body=body, headers={"Content-Encoding": name, "Content-Length": str(len(body))})

    return send


def redirect(code: int, location: str | None = None) -> Fault:
    """A redirect: to the same page, unless told elsewhere."""
    return lambda exchange: Response(code, headers={"Location": location or page_url(exchange.request, {})})


def text(change: Callable[[str], str]) -> Fault:
    return faults.change_body(lambda body: change(body.decode()).encode())


def padded(size: int) -> Callable[[bytes], bytes]:
    """A good body, longer by so many blanks."""
    return lambda body: body + b" " * size


def bomb(megabytes: int) -> Callable[[bytes], bytes]:
    """A good body and many blanks, compressed to a thousandth."""
    blanks = gzip.compress(b" " * 1_000_000)
    return lambda body: gzip.compress(body) + megabytes * blanks


def wrong_crc(body: bytes) -> bytes:
    return gzip.compress(body)[:-8] + bytes(8)


def bad_body(name: str, content: bytes, error: str) -> Case:
    return Case(name, faults.body(content), error, times=None)


BROTLI = faults.body(b"\x8b\x02\x80", headers={"Content-Encoding": "br", "Content-Length": "3"})
# What a second try mends: it is tried again, and after the last try the error says what it was.
PASSING: list[tuple[str, Fault, str]] = [
    *((f"status {code}", faults.status(code), f"answered {code}") for code in RETRIED),
    *(
        (
            f"{code}, Retry-After {name}",
            faults.status(code, headers={"Retry-After": value} if value else None),
            f"answered {code}",
        )
        for name, value in RETRY_AFTER.items()
        for code in (429, 503)
        if value
    ),
    ("closed", faults.close(), "the connection was closed before the response was complete"),
    ("reset", faults.reset(), "the connection was closed before the response was complete"),
    ("answer lost", faults.drop_response(), "the connection was closed before the response was complete"),
    ("cut before the body", faults.cut(0), "the connection was closed before the response was complete"),
    ("cut in mid-body", faults.cut(), "the connection was closed before the response was complete"),
    ("cut at the last byte", faults.cut(0.995), "the connection was closed before the response was complete"),
    ("no HTTP", faults.raw(b"what?\r\n\r\n"), "not valid HTTP"),
    ("nothing at all", faults.raw(b""), "the connection was closed before the response was complete"),
    ("Content-Length too long", length(+10), "the connection was closed before the response was complete"),
    ("Content-Length twice", plain(lambda a: http(a.body, "Content-Length: 5, 7")), "not valid HTTP"),
    ("Content-Length no number", plain(lambda a: http(a.body, "Content-Length: some")), "not valid HTTP"),
    ("last chunk missing", chunked(b""), "the connection was closed before the response was complete"),
    ("chunk of no size", chunked(b"0\r\n\r\n", "zz"), "the connection was closed before the response was complete"),
    ("too many headers", faults.raw(http(b"", *(f"X-{n}: 1" for n in range(6_000)))), "too many or too long"),
    ("a header too long", faults.raw(http(b"", "X: " + "y" * 400_000)), "too many or too long"),
    ("gzip that is none", encoded(lambda body: body), "the compressed body is corrupt"),
    ("gzip with a wrong checksum", encoded(wrong_crc), "the compressed body is corrupt"),
    ("hang", faults.slow(3600), "no data within the read timeout"),
    ("hang in mid-body", faults.slow_body(3600), "no data within the read timeout"),
]
# What is right, if odd.
FINE: list[tuple[str, Fault]] = [
    ("slow", faults.slow(0.1)),
    ("slow drip", faults.slow_body(0.2)),
    ("gzip", encoded(gzip.compress)),
    ("gzip twice", encoded(lambda body: gzip.compress(gzip.compress(body)), "gzip, gzip")),
    ("deflate", encoded(zlib.compress, "deflate")),
    ("chunked", chunked(b"0\r\n\r\n")),
    ("neither length nor chunks", plain(lambda answer: http(answer.body))),
    ("byte order mark", faults.change_body(lambda body: b"\xef\xbb\xbf" + body)),
    ("blanks around", text(lambda body: f"\n\t {body} \r\n")),
    ("every sign escaped", text(lambda body: json.dumps(json.loads(body)).replace("/", "\\/"))),
    ("another content type", faults.change_body(lambda body: body, headers={"Content-Type": "text/html"})),
]
# What no second try mends.
LASTING: list[Case] = [
    *(
        Case(f"status {code}", faults.status(code), f"answered {code}|is empty|leads to nothing", times=None)
        for code in REFUSED
    ),
    Case("status 401", faults.status(401), "returned 401 .*SHOP_API_TOKEN", times=None),
    Case("redirect in a circle", redirect(302), "more than 5 redirects", times=None),
    Case("redirect without address", faults.status(301), "answered 301", times=None),
    Case("redirect to what is no URL", redirect(302, "http://["), "not a URL", times=None),
    Case("redirect to no such path", redirect(302, "/shop/nowhere"), "answered 404", times=None),
    Case("redirect to ftp", redirect(302, "ftp://127.0.0.1/x"), "another host", times=None),
    Case("redirect to a file", redirect(302, "file:///etc/passwd"), "another host|no URL", times=None),
    Case("redirect elsewhere", lambda other: redirect(302, f"{other}/shop/offset"), "another host", elsewhere=True),
    Case(
        "redirect elsewhere without scheme",
        lambda other: redirect(307, f"{other.removeprefix('http:')}/shop/offset"),
        "another host",
        elsewhere=True,
    ),
    Case(
        "link elsewhere",
        lambda other: faults.change_body(
            lambda body: body, headers={"Link": f'<{other}/shop/link?cursor=1>; rel="next"'}
        ),
        "another host",
        elsewhere=True,
        paginations=("link",),
    ),
    Case("Content-Length too short", length(-10), "no valid JSON", times=None),
    Case("gzip cut short", encoded(lambda body: gzip.compress(body)[:-20]), "no valid JSON|broken|UTF-8", times=None),
    Case(
        "brotli, which nobody asked for",
        faults.body(b"\x8b\x02\x80", headers={"Content-Encoding": "br", "Content-Length": "3"}),
        "UTF-8",
        times=None,
    ),
    Case("HTML login page", faults.html(), "answered HTML", times=None),
    Case("error object", faults.error_object(), r"leads to nothing in the answer \{error: \{code: int", times=None),
    Case("truncated JSON", faults.truncated(), "no valid JSON", times=None),
    Case("invalid UTF-8", faults.change_body(lambda body: body.replace(b"@", b"\xff")), "UTF-8 at byte", times=None),
    Case("UTF-16", faults.change_body(lambda body: body.decode().encode("utf-16")), "UTF-8", times=None),
    Case("JSON and more", text(lambda body: body + "x"), "no valid JSON", times=None),
    Case("JSON twice", text(lambda body: body * 2), "no valid JSON", times=None),
    Case("a comma too many", text(lambda body: body.replace("}]", "},]")), "no valid JSON", times=None),
    Case("single quotes", text(lambda body: body.replace('"', "'")), "no valid JSON", times=None),
    Case("a comment", text(lambda body: f"{body} // all"), "no valid JSON", times=None),
    Case("JSONP", text(lambda body: f"call({body})"), "no valid JSON", times=None),
    Case("a page beyond the bound", faults.change_body(padded(1_100_000)), "max_page_bytes", None, client=SMALL),
    Case(
        "a page beyond the bound, in chunks",
        plain(lambda answer: http(chunk(padded(1_100_000)(answer.body)) + b"0\r\n\r\n", "Transfer-Encoding: chunked")),
        "max_page_bytes",
        None,
        client=SMALL,
    ),
    Case("a gzip bomb of 150 MB", encoded(bomb(150)), "max_page_bytes", None, pages=("middle",)),
    Case("a small gzip bomb", encoded(bomb(2)), "max_page_bytes", None, client=SMALL),
    bad_body("nothing", b"", "is empty"),
    bad_body("blanks", b" \n ", "is empty"),
    bad_body("null", b"null", "leads to nothing in the answer null"),
    bad_body("a number", b"17", "leads to nothing in the answer int"),
    bad_body("a bare list", b'[{"id": 1}]', r"leads to nothing in the answer list\[1\]"),
    bad_body("data is null", b'{"data": null, "total": 18}', "leads to a null"),
    bad_body("data is text", b'{"data": "none", "total": 18}', "leads to a str"),
    bad_body("data holds numbers", b'{"data": [1, 2], "total": 18}', "leads to int among the records"),
    bad_body("data holds lists", b'{"data": [[]], "total": 18}', "leads to list among the records"),
    bad_body("data holds nulls", b'{"data": [null], "total": 18}', "leads to null among the records"),
]


CASES: list[Case] = [
    *(Case(f"{name}, once", kind) for name, kind, _ in PASSING),
    *(Case(f"{name}, for good", kind, error, times=None, endpoint=ONCE_AGAIN) for name, kind, error in PASSING),
    *(Case(name, kind, times=None) for name, kind in FINE),
    *(Case(f"redirect {code}", redirect(code)) for code in (301, 302, 303, 307, 308)),
    *LASTING,
]
