"""Redaction: masks secrets in texts, and describes requests without their query."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from urllib.parse import urlsplit

MASK = "***"
# A secret of one to three characters occurs by chance inside other words: masked there, it would make messages
# unreadable and, by the masked places, give itself away.
MIN_LENGTH_INSIDE_WORDS = 4


def redactor(secret_values: Iterable[str]) -> Callable[[str], str]:
    """A function that masks secret values in a text: plain, URL-encoded (once or twice) or JSON-escaped.

    A value of fewer than four characters is masked only where it stands alone, that is, with no letter, digit or
    underscore directly before or after it.
    """
    longest_first = sorted({value for value in secret_values if value}, key=len, reverse=True)
    if not longest_first:
        return str
    return partial(re.compile("|".join(map(_pattern, longest_first))).sub, MASK)


def _pattern(secret: str) -> str:
    """The secret in any encoding, character by character: libraries differ in which characters they encode."""
    pattern = "".join(f"(?:{'|'.join(_encodings(char))})" for char in secret)
    return pattern if len(secret) >= MIN_LENGTH_INSIDE_WORDS else rf"(?<!\w){pattern}(?!\w)"


def _encodings(char: str) -> Iterator[str]:
    yield "".join(f"%(?:25)*(?i:{byte:02x})" for byte in char.encode("utf-8", "surrogatepass"))
    yield re.escape(json.dumps(char)[1:-1])
    yield re.escape(char)
    if char == " ":
        yield r"\+"


def redacted_request(url: str, method: str = "GET") -> str:
    """The request without its query and user info, which may contain secrets or personal data."""
    return f"{method} {redacted_url(url)}"


def redacted_url(url: str) -> str:
    """The URL without its query and user info."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
