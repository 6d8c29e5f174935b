"""Redaction: masks secrets in texts, and names requests without their query."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from urllib.parse import urlsplit

MASK = "***"


def redactor(secret_values: Iterable[str]) -> Callable[[str], str]:
    """A function that masks the values wherever they stand in a text, URL-encoded (also twice) or JSON-escaped."""
    longest_first = sorted({value for value in secret_values if value}, key=len, reverse=True)
    if not longest_first:
        return str
    return partial(re.compile("|".join(map(_in_any_encoding, longest_first))).sub, MASK)


def _in_any_encoding(secret: str) -> str:
    """A pattern character by character, since libraries differ in which characters they encode."""
    return "".join(f"(?:{'|'.join(_encodings(char))})" for char in secret)


def _encodings(char: str) -> Iterator[str]:
    yield "".join(f"%(?:25)*(?i:{byte:02x})" for byte in char.encode("utf-8", "surrogatepass"))
    yield re.escape(json.dumps(char)[1:-1])
    yield re.escape(char)
    if char == " ":
        yield r"\+"


def redacted_request(url: str, method: str = "GET") -> str:
    """The request as errors name it: no query, no user, so neither a secret nor people's data."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{method} {parts.scheme}://{parts.hostname}{port}{parts.path}"
